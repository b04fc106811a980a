// Package echotest is the conformance suite that every rung of the ladder runs.
//
// A [Check] is one promise in words and a function that proves it against a
// server running as a process of its own. There are two front doors to the one
// list: [Run] makes a subtest of each check, and [Checks] gives the list to
// other callers (client check), which run it against a [Target].
//
// The whole test of a rung is:
//
//	func TestMain(m *testing.M) { echotest.Main(m, main) }
//	func TestEcho(t *testing.T) { echotest.Run(t, echotest.Promises{Concurrent: true}) }
//
// The test binary starts itself again as the server, so a server that crashes,
// spins or eats memory is seen from outside and fails one test. Neither the go
// command nor the sources are needed where the binary runs (but for -h).
//
// A failing check returns a [*Failure]: what was sent, what was expected, what
// came, the likely cause and the chapter to read.
package echotest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/proc"
)

// Promises says which promises a rung keeps. The zero value is a server that
// echoes bytes, one client at a time, and may burn a CPU while it waits.
type Promises struct {
	Concurrent bool // serves all its clients, not one after the other
	Sleeps     bool // uses no CPU while there is nothing to do
	FDSet      bool // turns away descriptors that do not fit in an fd_set
	Framed     bool // speaks frames, pauses slow readers, drains at a stop
}

// A Check is one promise and its proof.
type Check struct {
	Name    string // stable; the subtest's name
	Promise string // what the server promises, in words
	Cause   string // what usually breaks it
	Chapter string // the text to read
	Wall    bool   // proves what the rung's model cannot do

	Measures bool // Cause explains a time or memory, not wrong or missing bytes

	Own bool // belongs to an exercise: its text is the one to read

	OnWire bool // needs the server's address only, no hold on its process
	Alone  bool // measures time or memory: wants no other check beside it
	Long   bool // takes up to minutes: skipped unless TCPLADDER_LONG=1

	when  func(Promises) bool
	Proof func(*Target) error
}

// LongRun reports whether TCPLADDER_LONG=1 asks for what takes more than a few
// seconds.
func LongRun() bool { return os.Getenv("TCPLADDER_LONG") == "1" }

// Run proves the check against t. It returns nil, an error for which [Skipped]
// gives a reason, or a [*Failure].
func (c Check) Run(t *Target) error {
	if c.Long && !LongRun() {
		return Skipf("takes a minute or more: set TCPLADDER_LONG=1")
	}
	t, done := t.timed()
	defer done()
	err := c.Proof(t)
	if _, skipped := Skipped(err); err == nil || skipped {
		return err
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Got: err.Error()}
	}
	if f.Want == "" {
		f.Want = c.Promise
	}
	set(&f.Got, "nothing")
	f.diagnose(c)
	t.overtime(f)
	return f
}

// Checks lists the checks of a server that makes the promises p, in the order in
// which it is best to fail them: what is quick and plain comes first, and a check that
// could fail because of another's fault comes after it.
func Checks(p Promises) []Check {
	var list []Check
	for _, theme := range [][]Check{byteChecks, frameChecks, pauseChecks, queueChecks, hostileChecks, limitChecks, walls, wireChecks, operatorChecks, fairChecks, acceptChecks, startChecks, memoryChecks, logChecks, stopChecks, narrationChecks} {
		for _, c := range theme {
			if c.when == nil || c.when(p) {
				list = append(list, c)
			}
		}
	}
	return list
}

func concurrent(p Promises) bool { return p.Concurrent }
func sleeps(p Promises) bool     { return p.Sleeps }
func framed(p Promises) bool     { return p.Framed }
func raw(p Promises) bool        { return !p.Framed }

// Run makes a subtest of every check of the promises p. The server is the test binary
// itself, started again; the package's TestMain must call [Main].
func Run(t *testing.T, p Promises) {
	target, err := Self(p)
	if err != nil {
		t.Fatal(err)
	}
	target.here = true
	RunChecks(t, target, Checks(p))
}

// RunChecks makes a subtest of every check of a list: first of those that want to
// be alone, then of the others, side by side. Most of these spend their time waiting,
// so there are more at a time than CPUs, unless the server spins.
func RunChecks(t *testing.T, target *Target, list []Check) {
	var others []Check
	for _, c := range list {
		if c.Alone {
			runCheck(t, target, c)
		} else {
			others = append(others, c)
		}
	}
	atATime := runtime.GOMAXPROCS(0)
	if target.Promises.Sleeps {
		atATime *= 3
	}
	next := make(chan Check)
	var workers sync.WaitGroup
	for range atATime {
		workers.Go(func() {
			for c := range next {
				runCheck(t, target, c)
			}
		})
	}
	for _, c := range others {
		next <- c
	}
	close(next)
	workers.Wait()
}

func runCheck(t *testing.T, target *Target, c Check) {
	t.Run(c.Name, func(t *testing.T) {
		err := c.Run(target)
		if reason, skipped := Skipped(err); skipped {
			t.Skip(reason)
		}
		if err != nil {
			t.Errorf("a promise is broken:\n%s\n%v", cli.WrapAt(failureWidth, "promise   "+c.Promise, 10), err)
		}
	})
}

// asServer is the environment variable that turns a test binary into a server.
const asServer = "ECHOTEST_SERVER"

// Main is a rung's TestMain. In a process that [Run] started it runs the rung's
// real main with the server's own flags; otherwise it runs the tests.
func Main(m *testing.M, main func()) {
	if os.Getenv(asServer) == "" {
		os.Exit(m.Run())
	}
	os.Unsetenv(asServer)
	handed := proc.Handed()
	if socket, ok := handed[kernelSocket]; ok {
		surrender(socket, false)
	}
	if socket, ok := handed[kernelSocketIO]; ok {
		surrender(socket, true)
	}
	main()
	os.Exit(0) // what a main that returns would do
}

// Skipped returns the reason if err says that a check could not be made here.
func Skipped(err error) (reason string, skipped bool) {
	var s skip
	if errors.As(err, &s) {
		return string(s), true
	}
	return "", false
}

type skip string

func (s skip) Error() string { return "skipped: " + string(s) }

func Skipf(format string, args ...any) error { return skip(fmt.Sprintf(format, args...)) }
