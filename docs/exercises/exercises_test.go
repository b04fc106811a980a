// Package exercises_test proves of every exercise that its start fails where the
// learner's part is missing, and that it is what the text says. That the solution
// passes is proven by the test in its own folder.
package exercises_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// needSources skips a test where only the compiled tests are.
func needSources(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("README.md"); err != nil {
		t.Skip("there are no sources here")
	}
}

func TestStartFails(t *testing.T) {
	needSources(t)
	for _, e := range exercisetest.Exercises() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			program, remove, err := proc.Build(".", "./"+e.Name)
			if errors.Is(err, proc.ErrCannotBuild) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatalf("the start does not build: %v", err)
			}
			defer remove()
			name, err := firstResult(e, program)
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

// solutionTest is the whole test of a solution, see exercisetest.
const solutionTest = `package main

import (
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
)

func TestMain(m *testing.M) { exercisetest.Main(m, main) }

func TestExercise(t *testing.T) {
	exercisetest.Run(t, %q)
}
`

func TestSolutionIsTested(t *testing.T) {
	needSources(t)
	var names []string
	for _, e := range exercisetest.Exercises() {
		names = append(names, e.Name)
		got, err := os.ReadFile(filepath.Join("solutions", e.Name, "exercise_test.go"))
		if err != nil {
			t.Error(err)
		} else if want := fmt.Sprintf(solutionTest, e.Name); string(got) != want {
			t.Errorf("solutions/%s/exercise_test.go is\n%s\nnot\n%s", e.Name, got, want)
		}
	}
	slices.Sort(names)
	if found := folders(t, "solutions"); !slices.Equal(found, names) {
		t.Errorf("there are solutions of %v, and checks of %v", found, names)
	}
	if found := folders(t, "."); !slices.Equal(found, append(names, "exercisetest", "solutions")) {
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

// TestCopies compares what a start and a solution have in common with their rung.
func TestCopies(t *testing.T) {
	needSources(t)
	for _, e := range exercisetest.Exercises() {
		if e.Rung == "" {
			continue
		}
		for _, dir := range []string{e.Name, filepath.Join("solutions", e.Name)} {
			for _, file := range goFiles(t, dir) {
				rungs, err := os.ReadFile(filepath.Join("../..", e.Rung, file))
				if err != nil {
					continue // a file that the rung has not
				}
				ours, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil {
					t.Fatal(err)
				}
				same, changed := bytes.Equal(ours, rungs), slices.Contains(e.Changed, file)
				if !same && !changed {
					t.Errorf("%s/%s is not what it is in the rung: cp %s/%s docs/exercises/%s/", dir, file, e.Rung, file, dir)
				}
				if same && changed {
					t.Errorf("%s/%s is said to be changed, but is that of %s", dir, file, e.Rung)
				}
			}
		}
	}
}

// goFiles lists the Go files below dir, relative to it.
func goFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") {
			file, _ := filepath.Rel(dir, path) // path is below dir
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestTexts wants every exercise to have the parts of a text, and its line in the
// list.
func TestTexts(t *testing.T) {
	needSources(t)
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exercisetest.Exercises() {
		if link := fmt.Sprintf("[%s](%s/README.md)", e.Name, e.Name); !bytes.Contains(list, []byte(link)) {
			t.Errorf("README.md does not list %s", link)
		}
		text, err := os.ReadFile(filepath.Join(e.Name, "README.md"))
		if err != nil {
			t.Error(err)
			continue
		}
		at := -1
		for _, part := range []string{"Goal", "Predict", "Build", "Check", "Hints", "Notice", "Going further"} {
			next := bytes.Index(text, []byte("\n## "+part+"\n"))
			if next <= at {
				t.Errorf("%s/README.md: no part %q, or not in its place", e.Name, part)
			}
			at = next
		}
		if command := "go run ./client check -exercise " + e.Name; !bytes.Contains(text, []byte(command)) {
			t.Errorf("%s/README.md does not say: %s", e.Name, command)
		}
	}
}
