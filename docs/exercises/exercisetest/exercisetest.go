// Package exercisetest holds the checks of the exercises.
//
// A check examines a program from outside: it starts it on a free port, talks to
// it over real sockets, and ends it. There are three front doors to the one list:
// [Run] is for the test of a solution, [Test] for a test that has built programs,
// and [Exercise.Checks] for other callers.
//
// The whole test of a solution is:
//
//	func TestMain(m *testing.M) { exercisetest.Main(m, main) }
//	func TestExercise(t *testing.T) { exercisetest.Run(t) }
//
// The test binary starts itself again as the program, so neither the go command
// nor the sources are needed where it runs.
package exercisetest

import (
	"fmt"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"example/tcpladder/shared/echotest"
)

// NotImplemented is what the start of an exercise says when it comes to the
// part that is left to the learner.
const NotImplemented = "not implemented yet"

// An Exercise is one folder of docs/exercises.
type Exercise struct {
	Name     string            // the folder
	Rung     string            // the folder of the rung that it is built on
	Promises echotest.Promises // what it promises beside what its own checks say
	Checks   []echotest.Check  // in the order in which they are best failed

	NotGraded []string // what no machine checks: for the reader of the code
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

// text is what the checks send to that are not the rung's.
func (e Exercise) text() string { return "docs/exercises/" + e.Name + "/README.md" }

// complete returns the checks of e. Those of its own send to its text. A program
// that says that it is not done has no other fault.
func complete(e Exercise) []echotest.Check {
	var list []echotest.Check
	for _, c := range e.Checks {
		proof := c.Proof
		if c.Own = c.Chapter == ""; c.Own {
			c.Chapter = e.text()
			own := c.Proof
			proof = func(p *echotest.Target) error { return own(p.Promising(e.Promises)) }
		}
		c.Proof = func(p *echotest.Target) error {
			return echotest.Amend(proof(p), func(f *echotest.Failure) {
				if strings.Contains(f.Log, NotImplemented) {
					*f = echotest.Failure{Got: fmt.Sprintf("the program says %q", NotImplemented), Cause: "the start is as it was: write the part that is yours"}
				}
			})
		}
		list = append(list, c)
	}
	return list
}

// Run tests the solution of the exercise whose folder the test binary was compiled
// in. The program is the test binary itself, started again; the package's TestMain
// must call [Main].
func Run(t *testing.T) {
	info, _ := debug.ReadBuildInfo() // a test has one
	e, err := Find(path.Base(info.Path))
	if err != nil {
		t.Fatal(err)
	}
	self, err := echotest.Self(echotest.Promises{})
	if err != nil {
		t.Fatal(err)
	}
	Test(t, e, self)
}

// Test makes a subtest of every check of the solution of e. It calls t.Parallel
// behind those that want no other check beside them.
func Test(t *testing.T, e Exercise, solution *echotest.Target) {
	var alone, others []echotest.Check
	for _, c := range e.Checks {
		if !c.Own && !slices.Contains(quick, c.Name) && !echotest.LongRun() {
			c.Proof = func(*echotest.Target) error { return echotest.Skipf("the rung's: set TCPLADDER_LONG=1") }
		}
		if c.Alone {
			alone = append(alone, c)
		} else {
			others = append(others, c)
		}
	}
	echotest.RunChecks(t, solution, alone)
	t.Parallel()
	echotest.RunChecks(t, solution, others)
}

// quick are the checks of the rungs that a solution has to pass in every run, if
// they are its own too: what an exercise changes can break these. The others take
// most of the time. They have been passed by the rung, and are left to a long run.
var quick = []string{"echo", "any-segmentation", "half-close", "half-close-queued", "reset",
	"flood-is-fair", "idle-costs-nothing", "out-of-descriptors", "churn", "stop-idle", "stop-busy",
	"bad-flag", "bad-address", "port-taken", "help"}

// Main is a solution's TestMain: the program's real main runs in the processes
// that [Run] starts.
func Main(m *testing.M, main func()) { echotest.Main(m, main) }

// echoChecks returns the checks that every rung with promises p has to pass; with
// names only these.
func echoChecks(p echotest.Promises, names ...string) []echotest.Check {
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	var list []echotest.Check
	for _, c := range echotest.Checks(p) {
		if len(names) > 0 && !wanted[c.Name] {
			continue
		}
		delete(wanted, c.Name)
		proof := c.Proof
		c.Proof = func(t *echotest.Target) error { return proof(t.Promising(p)) }
		list = append(list, c)
	}
	if len(wanted) > 0 {
		panic(fmt.Sprintf("exercisetest: no such checks of echotest: %v", wanted))
	}
	return list
}

// first puts a check before the others: one that a likely mistake fails.
func first(list []echotest.Check, name string) []echotest.Check {
	i := slices.IndexFunc(list, func(c echotest.Check) bool { return c.Name == name })
	c := list[i]
	return slices.Insert(slices.Delete(list, i, i+1), 0, c)
}

// without leaves out the checks of these names, which a program has its reasons not
// to pass: they are named where it is called.
func without(list []echotest.Check, names ...string) []echotest.Check {
	return slices.DeleteFunc(list, func(c echotest.Check) bool { return slices.Contains(names, c.Name) })
}

// withFlags has checks start the program with flags before their own.
func withFlags(checks []echotest.Check, flags ...string) []echotest.Check {
	for i := range checks {
		proof := checks[i].Proof
		checks[i].Proof = func(t *echotest.Target) error { return proof(t.WithFlags(flags...)) }
	}
	return checks
}
