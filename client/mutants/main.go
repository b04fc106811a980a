// Command mutants finds out what the tests would miss. It plants one small defect
// after another, runs the tests that should catch it, and lists the
// defects that they let through.
//
// # What is planted
//
// The kinds are few and fixed: a statement deleted; a condition, or a part of one,
// negated; a comparison moved by one (< to <=, == to !=); an integer or boolean
// constant changed (a count by one, a size or a time to ten times as much); the
// body of a case emptied; an error dropped (return err becomes return nil, if err
// != nil is never true). Calls that log and narrate are promises like others and
// are deleted too, but texts are not changed: nobody promises their wording. Files
// for other systems are left out, because what does not compile here cannot be
// judged; so are tests. A mutant that does not compile does not count.
//
// # What counts as caught
//
// A failing test or check. A mutant that only the time limit of go test ends is
// listed as timed out, and survives: somebody who waits two minutes for a list of
// goroutines has been told nothing. A check that measures time, CPU or memory
// (Alone, in shared/echotest), and any test of a package, must fail a second time
// by itself, and pass by itself without the mutant. A mutant that compiles to the
// very same program is equivalent: nobody can catch it, and it does not count.
//
// # Questions
//
// With -question the same machinery asks a student about code, their own or a
// rung. It takes away one statement that stands on one line, at random, and runs
// the whole suite. A line is asked about if one to three checks then fail, and fail
// again when they are run without the others: a line that breaks nothing has no
// answer, and one that breaks everything makes no question. One of the broken
// promises is put among three that hold, from the same chapter if there are
// enough. The answer is the check that failed, and what it said.
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
	"syscall"
	"time"

	"example/tcpladder/shared/cli"
)

const about = `usage: go run ./client/mutants [flags] MODULE...

Plants one small defect after another and lists those that no test notices.
MODULE is 01-blocking to 05-framing (or 01 to 05), eventloop, frame, socket,
framing, or all. A whole module takes minutes, all of them hours: -resume keeps
what is done.

  go run ./client/mutants frame                      a small module
  go run ./client/mutants -resume /tmp/m.json all    everything, or what is left
  go run ./client/mutants -n 30 -seed 7 all          a sample
  go run ./client/mutants -only 'Loop.Run|negated' eventloop

With -question it takes away one line of a rung, or of what a student wrote, and
asks which promise that breaks: for an oral exam. It tries lines until one
breaks at least one promise and at most three, which takes minutes. The same
-seed asks the same question.

  go run ./client/mutants -question -seed 7 04
  go run ./client/mutants -question -answers - -dir docs/exercises/04-status

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

	question     bool
	dir, answers string
}

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit status: 0, 1 for survivors or failure, 2 for a wrong command line.
func run(args []string) int {
	o, f := &options{}, flag.NewFlagSet("mutants", flag.ContinueOnError)
	err := o.parse(f, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(about)
		cli.Flags(os.Stdout, f)
		return 0
	}
	if err != nil {
		cli.Complain("mutants", fmt.Errorf("%w (-h lists the flags)", err))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	clean, err := o.do(ctx)
	if err != nil {
		cli.Complain("mutants", err)
		return 1
	}
	if !clean {
		return 1
	}
	return 0
}

func (o *options) do(ctx context.Context) (clean bool, err error) {
	root, err := projectRoot()
	if err != nil {
		return false, err
	}
	s, err := newSession(*o, root, knownText, os.Stdout, os.Stderr)
	if err != nil {
		return false, err
	}
	return s.run(ctx)
}

// parse reads flags, which may stand before and behind the modules.
func (o *options) parse(f *flag.FlagSet, args []string) error {
	f.SetOutput(io.Discard)
	f.IntVar(&o.width, "j", 2, "how many `mutants` are judged at a time")
	f.IntVar(&o.n, "n", 0, "judge only a sample of this many `mutants`")
	f.Uint64Var(&o.seed, "seed", 1, "`number` that chooses the sample")
	f.BoolVar(&o.list, "list", false, "print the mutants and judge none")
	only := f.String("only", "", "only mutants whose line, as -list prints it, matches this regular `expression`")
	f.StringVar(&o.resume, "resume", "", "`file` to append results to; what it already has is not judged again")
	f.BoolVar(&o.survivors, "survivors", false, "only mutants that, according to the -resume file, were not caught last time")
	f.DurationVar(&o.limit, "limit", 20*time.Second, "`time` for a run of tests, on top of three times what it takes without a mutant")
	f.BoolVar(&o.question, "question", false, "take away one line that matters, and ask which promise breaks")
	f.StringVar(&o.dir, "dir", "", "with -question: `folder` of an exercise that passes, or of a rung, in place of MODULE")
	f.StringVar(&o.answers, "answers", "", "with -question: `file` to append the answers to; - prints them")
	var names []string
	err := f.Parse(args)
	for err == nil && f.NArg() > 0 {
		names = append(names, f.Arg(0))
		err = f.Parse(f.Args()[1:])
	}
	if err == nil {
		o.only, err = regexp.Compile(*only)
	}
	if err == nil {
		err = o.check(names)
	}
	return err
}

// check looks whether the flags make sense together.
func (o *options) check(names []string) (err error) {
	if o.width < 1 || o.n < 0 {
		return errors.New("-j must be positive, and -n not negative")
	}
	if o.survivors && o.resume == "" {
		return errors.New("-survivors needs -resume")
	}
	if !o.question && (o.dir != "" || o.answers != "") {
		return errors.New("-dir and -answers need -question")
	}
	if o.dir != "" {
		if len(names) > 0 {
			return fmt.Errorf("-dir takes the place of %q", names[0])
		}
		return nil
	}
	if o.modules, err = choose(names); err != nil {
		return err
	}
	if o.question && (len(o.modules) > 1 || o.modules[0].name[0] != '0') {
		return errors.New("-question takes one of 01 to 05, or -dir")
	}
	return nil
}
