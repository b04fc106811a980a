package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runCommand runs a subcommand in this process, at the top of the project.
func runCommand(t *testing.T, does func(out, complaint *bytes.Buffer) int) outcome {
	t.Helper()
	if _, err := os.Stat("../go.work"); err == nil {
		t.Chdir("..")
	}
	var out, complaint bytes.Buffer
	status := does(&out, &complaint)
	return outcome{stdout: out.String(), stderr: complaint.String(), status: status}
}

func runHandout(t *testing.T, args ...string) outcome {
	t.Helper()
	return runCommand(t, func(out, complaint *bytes.Buffer) int { return handOutTo(out, complaint, args) })
}

func runCompare(t *testing.T, args ...string) outcome {
	t.Helper()
	return runCommand(t, func(out, complaint *bytes.Buffer) int { return compareTo(out, complaint, args) })
}

func TestHandout(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git here")
	}
	if err := exec.Command("git", "cat-file", "-e", "HEAD:./internal/handout/leaves.txt").Run(); err != nil {
		t.Skip("there is no commit with a list of what leaves")
	}
	dir := filepath.Join(t.TempDir(), "course")
	got := runHandout(t, dir)
	if got.status != 0 || got.stderr != "" || !strings.Contains(got.stdout, "The public repository has the solutions") {
		t.Fatalf("%+v", got)
	}
	fits(t, strings.TrimPrefix(got.stdout, dir))
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil || !bytes.Contains(readme, []byte("The public repository of the course has them all")) {
		t.Errorf("the copy does not say who has the solutions: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "docs/exercises/solutions")); err == nil {
		t.Error("the solutions are in it")
	}
	if again := runHandout(t, dir); again.status != 1 || again.stderr != "handout: "+dir+" is not empty\n" {
		t.Errorf("into the same folder again: %+v", again)
	}
}

func TestTeachersHelp(t *testing.T) {
	for _, help := range []outcome{runHandout(t, "-h"), runCompare(t, "-h")} {
		if help.status != 0 || help.stderr != "" || !strings.HasPrefix(help.stdout, "usage: go run ./client ") {
			t.Errorf("%+v", help)
		}
		fits(t, help.stdout)
	}
}

func TestTeachersMistakes(t *testing.T) {
	for _, c := range []struct {
		got    outcome
		status int
		says   string
	}{
		{runHandout(t), 2, "handout: name one folder for the copy (-h lists the flags)\n"},
		{runHandout(t, "a", "b"), 2, "handout: name one folder"},
		{runHandout(t, "-nonsense", "a"), 2, "handout: flag provided but not defined"},
		{runHandout(t, "docs"), 1, "handout: "},
		{runCompare(t, "-exercise", "04-status"), 2, "compare: name one submission (-h lists the flags)\n"},
		{runCompare(t, "."), 2, "compare: no exercise \"\": there are"},
		{runCompare(t, "-exercise", "04-status", "-width", "3", "."), 2, "compare: -width: at least 40 columns"},
		{runCompare(t, "-exercise", "04-status", t.TempDir()), 1, "compare: "},
	} {
		if c.got.status != c.status || c.got.stdout != "" || !strings.HasPrefix(c.got.stderr, c.says) || strings.Count(c.got.stderr, "\n") != 1 {
			t.Errorf("%+v, want status %d and %q", c.got, c.status, c.says)
		}
	}
}

// Where the student has solved it as the solution does, there is nothing to show;
// a start lacks what the solution has.
func TestCompareSubmissions(t *testing.T) {
	if _, err := exec.LookPath("diff"); err != nil {
		t.Skip("there is no diff here")
	}
	if _, err := os.Stat("../docs/exercises/solutions/02-naps"); err != nil {
		t.Skip("there are no sources here")
	}
	if got := runCompare(t, "-exercise", "02-naps", "docs/exercises/solutions/02-naps"); got.stdout != "the solution, line by line\n" || got.status != 0 {
		t.Errorf("the solution: %+v", got)
	}
	for _, args := range [][]string{{"-exercise", "02-naps", "docs/exercises"}, {"-y", "-exercise", "02-naps", "docs/exercises"}} {
		got := runCompare(t, args...)
		if got.status != 0 || got.stderr != "" || !strings.Contains(got.stdout, "time.Sleep(*nap)") || !strings.Contains(got.stdout, "submission/server.go") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
