package main

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"example/tcpladder/shared/proc"
)

// patience bounds every wait of these tests. It is far more than any of them
// needs, so that a busy machine does not fail them.
const patience = 30 * time.Second

// goBuild builds the command in dir and returns the program's path.
func goBuild(t *testing.T, dir string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if program := built.programs[dir]; program != "" {
		return program
	}
	program, _, err := proc.Build(dir, ".") // removed by TestMain
	if errors.Is(err, proc.ErrCannotBuild) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	built.programs[dir] = program
	return program
}

// built are the programs that tests have needed so far: linking one takes a second.
var built = struct {
	sync.Mutex
	programs map[string]string // by folder
}{programs: map[string]string{}}

func TestMain(m *testing.M) {
	status := m.Run()
	proc.CleanUp()
	os.Exit(status)
}

// serveRung builds and starts a rung, "../05-framing", and returns its address.
// It is stopped at the end of the test.
func serveRung(t *testing.T, dir string, flags ...string) (addr string) {
	t.Helper()
	rung, err := proc.Command{Args: append([]string{goBuild(t, dir), "-addr", "127.0.0.1:0"}, flags...), Stderr: os.Stderr}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rung.Stop(patience) }) // a rung that ignores the signal is a failure of its own tests
	if addr, err = rung.Ready(t.Context()); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return addr
}
