// Command client is the other end of the ladder: it talks to a rung, checks
// whether a server keeps its promises, and measures how fast it is.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"example/tcpladder/shared/cli"
)

// A command is one thing the client can do. It takes the arguments after its
// name and returns the exit status: 0, 1 for failure, 2 for a wrong command line.
type command struct {
	name, does string
	run        func(args []string) int
}

var commands = []command{
	{"talk", "send each line typed to a server, print what comes back", talk},
	{"check", "hold the rungs, or any server, to their promises", check},
	{"bench", "measure a server under load, also against another one", bench},
	{"watch", "see a rung, its clients and the kernel between them, in the browser", watchRung},
}

func main() { os.Exit(dispatch(os.Args[1:])) }

// dispatch runs the command that the first argument names.
func dispatch(args []string) int {
	if len(args) == 0 {
		commandList(os.Stderr)
		return 2
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		commandList(os.Stdout)
		return 0
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(args[1:])
		}
	}
	fmt.Fprintf(os.Stderr, "client: unknown command %q (-h lists the commands)\n", args[0])
	return 2
}

// commandList writes one line per command.
func commandList(w io.Writer) {
	fmt.Fprintln(w, "usage: go run ./client <command> [flags]")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range commands {
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.does)
	}
	table.Flush()
	fmt.Fprintln(w, "Each command explains its flags: go run ./client talk -h")
}

// parse parses a command that has flags and no other arguments. On -h it writes
// about, and a line per flag, to standard output; a mistake is one line on
// standard error. In both cases done is true and status is the exit status.
func parse(flags *flag.FlagSet, about string, args []string) (status int, done bool) {
	// Package flag would print the whole usage below every mistake.
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(about)
		cli.Flags(os.Stdout, flags)
		return 0, true
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v (-h lists the flags)\n", flags.Name(), err)
		return 2, true
	}
	return 0, false
}
