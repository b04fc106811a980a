package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
)

// checkExercise builds the learner's attempt at an exercise and runs the checks
// whose name match accepts, or lists them. It gives the exit status: 0 all passed,
// 1 something failed, 2 no such exercise or check.
func checkExercise(name string, match *regexp.Regexp, list bool) int {
	exercise, err := exercisetest.Find(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		return 2
	}
	exercise.Checks = slices.DeleteFunc(exercise.Checks, func(c exercisetest.Check) bool { return !match.MatchString(c.Name) })
	if len(exercise.Checks) == 0 {
		fmt.Fprintf(os.Stderr, "check: %s has no check that matches -run %q\n", exercise.Name, match)
		return 2
	}
	if list {
		for _, c := range exercise.Checks {
			fmt.Printf("  %-24s %s\n", c.Name, c.Promise)
		}
		return 0
	}
	dir, err := os.MkdirTemp("", "tcpladder-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, unix.SIGINT, unix.SIGTERM)
	go func() {
		<-interrupted
		exercisetest.KillAll()
		os.RemoveAll(dir)
		os.Exit(130)
	}()
	program := filepath.Join(dir, exercise.Name)
	if err := buildExercise(exercise.Name, program); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		return 1
	}
	return gradeExercise(exercise, program)
}

// buildExercise tells all that the compiler says: it is the learner's code.
func buildExercise(name, program string) error {
	pkg := "example/tcpladder/docs/exercises/" + name
	out, err := exec.Command("go", "build", "-o", program, pkg).CombinedOutput()
	if err != nil && strings.Contains(string(out), "is not in std") {
		return fmt.Errorf("go build %s: not found: run this inside the project", pkg)
	}
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// gradeExercise runs the checks one by one. It stops at a part that is not written
// yet: all others would fail for the same reason.
func gradeExercise(exercise exercisetest.Exercise, program string) int {
	e := &examination{out: os.Stdout, colour: isTerminal(os.Stdout)}
	fmt.Println("docs/exercises/" + exercise.Name)
	for i, c := range exercise.Checks {
		err := c.Run(exercisetest.NewProgram(program))
		if reason, skipped := exercisetest.Skipped(err); skipped {
			e.skipped++
			fmt.Printf("  - %-24s skipped: %s\n", c.Name, reason)
			continue
		}
		e.tell(echotest.Check{Name: c.Name, Promise: c.Promise}, err)
		if err != nil && strings.Contains(err.Error(), exercisetest.NotImplemented) {
			fmt.Printf("%d not run until that is written\n", len(exercise.Checks)-i-1)
			return 1
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", e.passed, e.failed, e.skipped)
	if e.failed > 0 {
		return 1
	}
	return 0
}
