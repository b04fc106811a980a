// Command client is the other end of the ladder: it talks to a rung, checks
// whether a server keeps its promises, and measures how fast it is.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

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
	// teacher
	{"grade", "run the checks of an exercise on a class's submissions", gradeAll},
	{"handout", "make a copy of the course for students, without the solutions", handOut},
	{"compare", "show a student's attempt at an exercise next to its solution", compare},
	// /teacher
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

// commandList writes a row for each command.
func commandList(w io.Writer) {
	fmt.Fprintln(w, "usage: go run ./client <command> [flags]")
	var rows [][2]string
	for _, c := range commands {
		rows = append(rows, [2]string{c.name, c.does})
	}
	cli.List(w, rows)
	fmt.Fprintln(w, "Each command explains its flags: go run ./client talk -h")
}

// parse parses a command that has flags and no other arguments. On -h it writes
// about, and the flags, to standard output; a mistake goes to standard error. In
// both cases done is true and status is the exit status.
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
		cli.Complain(flags.Name(), fmt.Errorf("%w (-h lists the flags)", err))
		return 2, true
	}
	return 0, false
}
