// Command mutants finds out whether the tests would notice. It plants one small
// defect after the other, runs the tests that should catch it, and lists the
// defects that they let through.
//
// # What is planted
//
// The kinds are few and fixed: a statement deleted; a condition, or a part of one,
// negated; a comparison moved by one (< to <=, == to !=); an integer or boolean
// constant changed (a count by one, a size or a time to ten times as much); the
// body of a case emptied; an error dropped (return err becomes return nil, if err
// != nil is never true). Calls that log and narrate are promises like others and
// are deleted too, but texts are not changed: no promise has its wording. Files
// for other systems are left out, for what does not compile here cannot be judged;
// so are tests. A mutant that does not compile is none.
//
// # What counts as caught
//
// A failing test or check. What only the time limit of go test ends is listed as
// timed out, and survives: somebody who waits two minutes and reads a list of
// goroutines has been told nothing. A check that measures time, CPU or memory
// (Alone, in shared/echotest), and any test of a package, must fail a second time
// by itself, and pass by itself without the mutant. A mutant that compiles to the
// very same program is equivalent: nobody can catch it, and it does not count.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

const about = `usage: go run ./client/mutants [flags] MODULE...

Plants one small defect after the other and lists those that no test notices.
MODULE is 01-blocking to 05-framing (or 01 to 05), eventloop, frame, socket,
framing, or all. A whole module takes minutes, all of them hours: -resume keeps
what is done.

  go run ./client/mutants frame                         a small module
  go run ./client/mutants -resume /tmp/m.json all       everything; again: goes on
  go run ./client/mutants -n 30 -seed 7 all             a sample
  go run ./client/mutants -only 'Loop.Run|negated' eventloop

Exit status: 0 if the survivors are all listed in client/mutants/known.txt; 1 if
not, or if a line there matches no mutant; 2 for a wrong command line.

`

// options is the command line.
type options struct {
	width, n  int
	seed      uint64
	list      bool
	only      *regexp.Regexp
	resume    string
	survivors bool
	limit     time.Duration
	modules   []module
}

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit status: 0, 1 for survivors or failure, 2 for a wrong command line.
func run(args []string) int {
	o, f := &options{}, flag.NewFlagSet("mutants", flag.ContinueOnError)
	err := o.parse(f, args)
	if errors.Is(err, flag.ErrHelp) {
		help(os.Stdout, f)
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v (-h lists the flags)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clean, err := o.do(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		return 1
	}
	if !clean {
		return 1
	}
	return 0
}

// parse reads flags, which may stand before and behind the modules.
func (o *options) parse(f *flag.FlagSet, args []string) error {
	f.SetOutput(io.Discard)
	f.IntVar(&o.width, "j", 2, "how many `mutants` are judged at a time")
	f.IntVar(&o.n, "n", 0, "only a sample of so many `mutants`")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that chooses the sample")
	f.BoolVar(&o.list, "list", false, "print the mutants and judge none")
	only := f.String("only", "", "only mutants whose line, as -list prints it, matches this regular `expression`")
	f.StringVar(&o.resume, "resume", "", "`file` to append results to; what is in it already is not done again")
	f.BoolVar(&o.survivors, "survivors", false, "only mutants that, by the file of -resume, were not caught last time")
	f.DurationVar(&o.limit, "limit", 20*time.Second, "`time` for a run of tests, besides three times what it takes without a mutant")
	var names []string
	err := f.Parse(args)
	for err == nil && f.NArg() > 0 {
		names = append(names, f.Arg(0))
		err = f.Parse(f.Args()[1:])
	}
	if err != nil {
		return err
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if o.width < 1 || o.n < 0 {
		return errors.New("-j must be positive, and -n not negative")
	}
	if o.survivors && o.resume == "" {
		return errors.New("-survivors needs -resume")
	}
	o.modules, err = choose(names)
	return err
}

// help writes one line per flag.
func help(w io.Writer, f *flag.FlagSet) {
	fmt.Fprint(w, about)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	f.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		fmt.Fprintf(table, "  -%s %s\t%s\n", f.Name, value, strings.TrimSpace(text))
	})
	table.Flush()
}
