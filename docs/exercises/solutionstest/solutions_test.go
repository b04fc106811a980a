// Package solutionstest proves of every exercise that its start fails where the
// learner's part is missing and that its solution passes.
package solutionstest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// root is the top of the project, seen from where the tests run; exercises is the
// folder of the exercises, seen from there.
const root, exercises = "../../..", "docs/exercises"

// overlay shows the go command the solutions in the place of the starts, see go
// help build. Its paths are relative to the root, so it is of use only there.
const overlay = exercises + "/solutions/overlay.json"

// TestMain lets more checks run at once than there are CPUs: mostly they wait.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", fmt.Sprint(2*runtime.GOMAXPROCS(0)))
	os.Exit(m.Run())
}

// needSources skips a test where only the compiled tests are.
func needSources(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("../README.md"); err != nil {
		t.Skip("there are no sources here")
	}
}

// build compiles all exercises, or skips the test where that cannot be done.
func build(t *testing.T, flags ...string) map[string]string {
	t.Helper()
	needSources(t)
	if proc.RaceEnabled {
		flags = append(flags, "-race")
	}
	programs := map[string]string{}
	var failed error
	var mu sync.Mutex // guards both
	var builds sync.WaitGroup
	turns := make(chan bool, runtime.GOMAXPROCS(0))
	for _, e := range exercisetest.Exercises() {
		builds.Go(func() {
			turns <- true
			program, remove, err := proc.Build(root, "./"+exercises+"/"+e.Name, flags...)
			<-turns
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			programs[e.Name] = program
			t.Cleanup(remove)
		})
	}
	builds.Wait()
	if errors.Is(failed, proc.ErrCannotBuild) {
		t.Skip(failed)
	}
	if failed != nil {
		t.Fatal(failed)
	}
	return programs
}

func TestStartFails(t *testing.T) {
	programs := build(t)
	for _, e := range exercisetest.Exercises() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			name, err := firstResult(e, programs[e.Name])
			if err == nil {
				t.Fatalf("the start passes %s", name)
			}
			if !strings.Contains(err.Error(), exercisetest.NotImplemented) {
				t.Errorf("the start fails %s, but does not say %q:\n%v", name, exercisetest.NotImplemented, err)
			}
		})
	}
}

// firstResult is that of the first check that can be made here.
func firstResult(e exercisetest.Exercise, program string) (name string, err error) {
	for _, c := range e.Checks {
		err := c.Run(echotest.Program(program, echotest.Promises{}))
		if _, skipped := echotest.Skipped(err); !skipped {
			return c.Name, err
		}
	}
	return "nothing: all checks are skipped", nil
}

func TestSolutions(t *testing.T) {
	programs := build(t, "-overlay", overlay)
	for _, e := range exercisetest.Exercises() {
		t.Run(e.Name, func(t *testing.T) {
			exercisetest.Test(t, e, echotest.Program(programs[e.Name], echotest.Promises{}))
		})
	}
}

// TestFolders wants each exercise to have a start and a solution, and no other
// folder to be there.
func TestFolders(t *testing.T) {
	needSources(t)
	var names []string
	for _, e := range exercisetest.Exercises() {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	isAttempts := func(name string) bool { return name == "attempts" } // which need not pass
	if found := slices.DeleteFunc(folders(t, "../solutions"), isAttempts); !slices.Equal(found, names) {
		t.Errorf("there are solutions of %v, and checks of %v", found, names)
	}
	if found := folders(t, ".."); !slices.Equal(found, append(names, "exercisetest", "solutions", "solutionstest")) {
		t.Errorf("the folders are %v, and the exercises %v", found, names)
	}
}

// folders lists the folders in dir, sorted.
func folders(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}
