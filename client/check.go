package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"example/tcpladder/client/internal/faults"
	"example/tcpladder/client/internal/report"
	"example/tcpladder/client/internal/target"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

const checkUsage = `usage: go run ./client check [flags] [rung...]

Builds and starts each rung named (01 02 03 04 05; none named: all five) and
checks its promises: a tick or a cross for each, and a count at the end.

  go run ./client check 03

With -addr it checks the server that listens there, whatever it is written in,
as far as that can be done from outside. Name the rung whose promises it is to
keep; without a name it is 05 for a server of frames (a 4-byte big-endian length
and that many bytes) and 04 for one that echoes bytes. A server that is neither
gets one cross, which says what was found. It takes some 20 seconds, and ends
within 4 minutes whatever the server does; after a few crosses of one kind the
rest is not run.

With -exercise it builds and checks what you wrote in docs/exercises.

With -faults the kernel is hostile: the server's calls fail with every error
that their manual pages list, and it must not spin, must not lose another
client's bytes, and must recover. This takes Linux and strace. It examines
rungs, or a server in any language, started by the command after --; {addr}
stands for a free address:

  go run ./client check -faults -- python3 server.py {addr}

Exit status: 0 if all passed; 1 if something failed; 2 for a wrong command line.

`

// check is the subcommand: it gives the exit status.
func check(args []string) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	addr := flags.String("addr", "", "check the server that listens on this `host:port`")
	list := flags.Bool("list", false, "list the checks and their promises, and run none")
	exercise := flags.String("exercise", "", "check your attempt at the exercise of this `name`, such as 01-threads")
	hostile := flags.Bool("faults", false, "examine rungs, or the server that -- COMMAND {addr} starts, under a kernel whose calls fail")
	only := flags.String("run", "", "only the checks whose name this regular `expression` matches")
	failfast := flags.Bool("failfast", false, "stop at the first cross")
	format := flags.String("format", "", "print json or junit instead of ticks and crosses")
	args, command := faults.Split(args)
	names, err := mixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(checkUsage)
		cli.Flags(os.Stdout, flags)
		return 0
	}
	if err != nil {
		err = fmt.Errorf("%w (-h lists the flags)", err)
	}
	match, reErr := regexp.Compile(*only)
	chosen, rungErr := choose(names, *addr)
	if *exercise != "" && (len(names) > 0 || *addr != "") {
		rungErr = errors.New("-exercise goes with neither a rung nor -addr")
	}
	goErr := goTogether(*hostile, command, *addr+*exercise, names)
	if err := errors.Join(err, reErr, rungErr, goErr, formatError(*format, *list || *hostile)); err != nil {
		cli.Complain("check", errors.New(strings.ReplaceAll(err.Error(), "\n", "; ")))
		return 2
	}
	if *hostile {
		return checkFaults(chosen, command, match, *list)
	}
	if *exercise != "" {
		return checkExercise(*exercise, match, *list, examinationFor(*format, *failfast))
	}
	if !slices.ContainsFunc(echotest.Rungs, func(r echotest.Rung) bool {
		return (len(chosen) == 0 || slices.Contains(chosen, r)) && matches(match, r)
	}) {
		cli.Complain("check", fmt.Errorf("no check matches -run %q", match))
		return 2
	}
	e := examinationFor(*format, *failfast)
	e.match, e.list, e.width = match, *list, atOnce
	return e.all(chosen, *addr)
}

// matches tells whether the name of any check of r does.
func matches(match *regexp.Regexp, r echotest.Rung) bool {
	return slices.ContainsFunc(echotest.Checks(r.Promises), func(c echotest.Check) bool { return match.MatchString(c.Name) })
}

// mixed parses flags that may stand before and behind the other arguments.
func mixed(flags *flag.FlagSet, args []string) (names []string, err error) {
	for err = flags.Parse(args); err == nil && flags.NArg() > 0; {
		names = append(names, flags.Arg(0))
		err = flags.Parse(flags.Args()[1:])
	}
	return names, err
}

// choose turns the arguments into rungs.
func choose(names []string, addr string) ([]echotest.Rung, error) {
	if addr != "" && len(names) > 1 {
		return nil, errors.New("one server keeps the promises of one rung: name one")
	}
	var chosen []echotest.Rung
	for _, name := range names {
		r, err := echotest.FindRung(name)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, r)
	}
	if len(chosen) == 0 && addr == "" {
		chosen = echotest.Rungs
	}
	return chosen, nil
}

// An examination runs checks and keeps the count.
type examination struct {
	match                   *regexp.Regexp
	list                    bool
	out                     io.Writer
	colour                  bool
	width                   int // how many checks run at the same time
	failfast                bool
	first                   bool // the next cross is the first of its server
	passed, failed, skipped int
	left                    int // checks that were not run
	format                  string
	formatted               io.Writer // what format asks for
	suites                  []report.Suite
}

// examinationFor returns one that reports as format says.
func examinationFor(format string, failfast bool) *examination {
	e := &examination{out: os.Stdout, colour: cli.IsTerminal(os.Stdout), failfast: failfast, format: format, formatted: os.Stdout}
	if format != "" {
		e.out = io.Discard
	}
	return e
}

// formatError is what is wrong with -format.
func formatError(format string, others bool) error {
	switch {
	case format != "" && format != "json" && format != "junit":
		return fmt.Errorf("no -format %q: there are json and junit", format)
	case format != "" && others:
		return errors.New("-format goes with neither -list nor -faults")
	}
	return nil
}

// begin starts the results of another server.
func (e *examination) begin(format string, args ...any) {
	title := fmt.Sprintf(format, args...)
	fmt.Fprintln(e.out, cli.Wrap(title, 2))
	e.first = true
	e.suites = append(e.suites, report.Suite{Name: title})
}

// add keeps a result for -format.
func (e *examination) add(r report.Result) {
	if e.format == "" {
		return
	}
	s := &e.suites[len(e.suites)-1]
	s.Results = append(s.Results, r)
}

// write prints what -format asks for.
func (e *examination) write() {
	switch e.format {
	case "json":
		report.JSON(e.formatted, e.suites)
	case "junit":
		report.JUnit(e.formatted, "check", e.suites)
	}
}

// all examines the rungs, or the one server at addr, and gives the exit status.
func (e *examination) all(chosen []echotest.Rung, addr string) int {
	proc.ExitOnSignal()
	var err error
	if addr != "" && !e.list {
		err = e.running(chosen, addr)
	} else {
		for _, r := range chosen {
			if !e.stops() {
				err = errors.Join(err, e.built(r))
			}
		}
	}
	if err != nil {
		cli.Complain("check", err)
		return 1
	}
	if e.list {
		return 0
	}
	return e.count()
}

// count prints the sum and gives the exit status.
func (e *examination) count() int {
	e.write()
	fmt.Fprintf(e.out, "%d passed, %d failed, %d skipped", e.passed, e.failed, e.skipped)
	if e.left > 0 {
		fmt.Fprintf(e.out, ", %d not run", e.left)
	}
	fmt.Fprintln(e.out)
	if e.failed+e.left > 0 {
		return 1
	}
	return 0
}

// built examines a rung of the ladder, built from its sources.
func (e *examination) built(r echotest.Rung) error {
	if e.list {
		e.run(r.Folder, nil, echotest.Checks(r.Promises))
		return nil
	}
	builder := target.NewBuilder()
	defer builder.Close()
	program, err := builder.Rung(r.Folder)
	if err == nil {
		e.run(r.Folder, echotest.Program(program, r.Promises), echotest.Checks(r.Promises))
	}
	return err
}

// atOnce is how many checks run at the same time, each with a server of its own;
// but for those that measure.
const atOnce = 4

// run runs a list of checks in its order: one that wants to be alone by itself, the
// others between two of those together.
func (e *examination) run(title string, t *echotest.Target, list []echotest.Check) {
	e.begin("%s", title)
	list = slices.DeleteFunc(slices.Clone(list), func(c echotest.Check) bool { return !e.match.MatchString(c.Name) })
	if e.list {
		for _, c := range list {
			listed(e.out, c)
		}
		return
	}
	for len(list) > 0 && !e.stops() {
		n := slices.IndexFunc(list, func(c echotest.Check) bool { return c.Alone })
		switch n {
		case -1:
			n = len(list)
		case 0:
			n = 1
		}
		list = list[e.together(t, list[:n]):]
	}
	e.leave(list, "")
}

// stops tells whether no other check is to be run.
func (e *examination) stops() bool { return e.failfast && e.failed > 0 }

// together runs a few checks at a time. Each result is told as soon as those
// before it are. It returns how many were told: less than all if the rest is not
// to be run.
func (e *examination) together(t *echotest.Target, list []echotest.Check) (told int) {
	type outcome struct {
		err  error
		took time.Duration
	}
	results := make([]chan outcome, len(list))
	free, stop := make(chan bool, e.width), make(chan bool)
	for i := range results {
		results[i] = make(chan outcome, 1)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for i, c := range list {
			select {
			case <-stop:
				return
			case free <- true:
			}
			running.Go(func() {
				began := time.Now()
				err := c.Run(t)
				results[i] <- outcome{err, time.Since(began)}
				<-free
			})
		}
	})
	for told < len(list) && !e.stops() {
		o := <-results[told]
		e.tell(list[told], o.err, o.took)
		told++
	}
	close(stop)
	running.Wait()
	return told
}

// tell prints one result and counts it.
func (e *examination) tell(c echotest.Check, err error, took time.Duration) {
	e.add(report.Judge(c, err, took))
	reason, skipped := echotest.Skipped(err)
	switch {
	case err == nil:
		e.passed++
		e.result(e.paint("32", "✓"), c.Name, c.Promise)
	case skipped:
		e.skipped++
		e.result("-", c.Name, "skipped: "+reason)
	default:
		e.failed++
		e.result(e.paint("31", "✗"), c.Name, c.Promise)
		if e.first {
			e.first = false
			fmt.Fprintln(e.out, "      fix this one first")
		}
		fmt.Fprintf(e.out, "      %s\n", strings.ReplaceAll(err.Error(), "\n", "\n      "))
	}
}

// result prints what became of one check.
func (e *examination) result(mark, name, text string) {
	fmt.Fprintln(e.out, cli.Wrap(fmt.Sprintf("  %s %-24s %s", mark, name, text), 29))
}

// listed prints a check and its promise.
func listed(out io.Writer, c echotest.Check) {
	fmt.Fprintln(out, cli.Wrap(fmt.Sprintf("  %-24s %s", c.Name, c.Promise), 27))
}

func (e *examination) paint(code, text string) string {
	if !e.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
