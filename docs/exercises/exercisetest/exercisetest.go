// Package exercisetest holds the checks of the exercises.
//
// A check examines a program from outside: it starts it on a free port, talks to
// it over real sockets, and ends it. There are two front doors to the one list:
// [Run] makes a subtest of each check and is what a solution's test calls, and
// [Exercise.Checks] is for other callers, who have built a program themselves.
//
// The whole test of a solution is:
//
//	func TestMain(m *testing.M) { exercisetest.Main(m, main) }
//	func TestExercise(t *testing.T) { exercisetest.Run(t, "01-threads") }
//
// The test binary starts itself again as the program, so neither the go command
// nor the sources are needed where it runs.
package exercisetest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

// NotImplemented is what the start of an exercise says when it comes to the
// part that is left to the learner.
const NotImplemented = "not implemented yet"

// An Exercise is one folder of docs/exercises.
type Exercise struct {
	Name    string   // the folder
	Rung    string   // the folder of the rung that it is built on
	Changed []string // the files of the rung that the solution has, but not as they were
	Checks  []Check  // in the order in which they are best failed
}

// A Check is one promise and its proof.
type Check struct {
	Name    string // stable; the subtest's name
	Promise string // what the program promises, in words
	Cause   string // what usually breaks it
	Alone   bool   // measures time or CPU: wants no other check beside it

	// Run proves the promise. It returns nil, an error for which Skipped gives a
	// reason, or an *echotest.Failure.
	Run func(p *Program) error
}

// Exercises lists all exercises, in the order in which they are meant to be done.
func Exercises() []Exercise {
	list := make([]Exercise, len(all))
	for i, e := range all {
		list[i] = e
		list[i].Checks = complete(e)
	}
	return list
}

// Find returns the exercise called name. The error lists the names there are.
func Find(name string) (Exercise, error) {
	var names []string
	for _, e := range Exercises() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Exercise{}, fmt.Errorf("no exercise %q: there are %s", name, strings.Join(names, ", "))
}

// complete returns the checks of e, which make of every error a Failure that has
// all of its parts.
func complete(e Exercise) []Check {
	var list []Check
	for _, c := range e.Checks {
		run := c.Run
		c.Run = func(p *Program) error {
			err := run(p)
			return amend(err, func(f *echotest.Failure) {
				set(&f.Want, c.Promise)
				set(&f.Cause, c.Cause)
				f.Chapter = "docs/exercises/" + e.Name + "/README.md"
			})
		}
		list = append(list, c)
	}
	return list
}

// Run makes a subtest of every check of the exercise called name. The program is
// the test binary itself, started again; the package's TestMain must call [Main].
func Run(t *testing.T, name string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e, err := Find(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range e.Checks {
		t.Run(c.Name, func(t *testing.T) {
			if !c.Alone {
				t.Parallel()
			}
			err := c.Run(NewProgram(self))
			if reason, skipped := Skipped(err); skipped {
				t.Skip(reason)
			}
			if err != nil {
				t.Errorf("promise: %s\n%v", c.Promise, err)
			}
		})
	}
}

// asProgram is the environment variable that turns a test binary into the
// program. All processes that the tests start inherit it.
const asProgram = "EXERCISETEST_PROGRAM"

// Main is a solution's TestMain. In a process that [Run] started it runs the
// program's real main with the program's own flags; otherwise it runs the tests.
func Main(m *testing.M, main func()) {
	if os.Getenv(asProgram) == "" {
		os.Setenv(asProgram, "1")
		os.Exit(m.Run())
	}
	go dieWithParent()
	main()
	os.Exit(0) // what a main that returns would do
}

// lifeline is a descriptor that the program inherits: a pipe whose other end
// closes when the tests end, however they end.
const lifeline = 3

func dieWithParent() {
	unix.CloseOnExec(lifeline)
	for {
		n, err := unix.Read(lifeline, make([]byte, 1))
		if err == unix.EINTR {
			continue
		}
		if n == 0 && err == nil {
			os.Exit(3)
		}
		return // no lifeline: somebody set the variable by hand
	}
}

// echoChecks returns the checks that every rung with promises p has to pass; with
// names only these.
func echoChecks(p echotest.Promises, names ...string) []Check {
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var list []Check
	for _, c := range echotest.Checks(p) {
		if len(names) > 0 && !wanted[c.Name] {
			continue
		}
		delete(wanted, c.Name)
		list = append(list, Check{Name: c.Name, Promise: c.Promise, Cause: c.Cause, Alone: c.Alone,
			Run: func(program *Program) error { return c.Run(echotest.Program(program.path, p)) }})
	}
	if len(wanted) > 0 {
		panic(fmt.Sprintf("exercisetest: no such checks of echotest: %v", wanted))
	}
	return list
}

// without leaves out the checks of these names, which a program has its reasons not
// to pass: they are named where it is called.
func without(list []Check, names ...string) []Check {
	return slices.DeleteFunc(list, func(c Check) bool { return slices.Contains(names, c.Name) })
}

// Skipped gives the reason if err says that a check could not be made here.
func Skipped(err error) (reason string, skipped bool) {
	var s skip
	if errors.As(err, &s) {
		return string(s), true
	}
	return echotest.Skipped(err)
}

type skip string

func (s skip) Error() string { return "skipped: " + string(s) }

func skipf(format string, args ...any) error { return skip(fmt.Sprintf(format, args...)) }
