package main

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/grade"
	"example/tcpladder/shared/proc"
)

func TestGradeUsage(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{}, {dir}, {"-exercise", "04-status"}, {"-exercise", "04-nothing", dir},
		{"-exercise", "all", "-format", "xml", dir}, {"-exercise", "all", "-format", "junit", dir}, {"-nonsense"}} {
		if status := gradeAll(args); status != 2 {
			t.Errorf("grade %q: status %d, want 2", args, status)
		}
	}
	for line := range strings.Lines(gradeUsage) {
		if utf8.RuneCountInString(line) > 81 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
}

// class makes submissions: one that is right, one that is the start, one that is the
// rung, one that is nothing, and one that does not compile.
func class(t *testing.T) (dirs []string) {
	t.Helper()
	root, err := grade.FindRoot(".")
	if err != nil {
		t.Skip(err)
	}
	dir, exercises := t.TempDir(), filepath.Join(root, "docs/exercises")
	for name, folders := range map[string][]string{
		"right": {exercises + "/01-threads", exercises + "/solutions/01-threads"},
		"start": {exercises + "/01-threads"},
		"rung":  {root + "/01-blocking"},
		"none":  nil,
		"wrong": {exercises + "/01-threads"},
	} {
		submission := filepath.Join(dir, name)
		dirs = append(dirs, submission)
		if err := os.MkdirAll(submission, 0o777); err != nil {
			t.Fatal(err)
		}
		for _, folder := range folders {
			copyFiles(t, folder, submission+"/docs/exercises/01-threads")
		}
		if name == "wrong" {
			os.WriteFile(submission+"/docs/exercises/01-threads/main.go", []byte("package main\n\nfunc main() { nonsense }\n"), 0o666)
		}
	}
	slices.Sort(dirs)
	return dirs
}

func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	files, err := filepath.Glob(from + "/*.go")
	if err := errors.Join(err, os.MkdirAll(to, 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err := errors.Join(err, os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGrade grades a class as a teacher does: interrupted once, then to the end, then in
// each format.
func TestGrade(t *testing.T) {
	long(t)
	dirs, out := class(t), t.TempDir()
	program, remove, err := proc.Build("..", "example/tcpladder/client")
	if errors.Is(err, proc.ErrCannotBuild) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	args := []string{program, "grade", "-exercise", "01-threads", "-out", out}
	if grade.CanSandbox() != nil {
		args = append(args, "-unsafe")
	}
	args = append(args, dirs...)
	interruptGrade(t, args, out)
	report := runGrade(t, args)
	for _, want := range []string{" 2/2 ", "none           -    -     0/2    -  missing", "not built: main.go:3:15: undefined"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
	if points := pointsOf(t, runGrade(t, append(slices.Clone(args), "-format", "csv")), out); !slices.Equal(points, []string{"0", "2", "0", "0", "0"}) {
		t.Errorf("points %q", points)
	}
	runGrade(t, append(slices.Clone(args), "-format", "junit"))
	var suites struct {
		Suites []struct {
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	text, err := os.ReadFile(out + "/start.xml")
	if err := errors.Join(err, xml.Unmarshal(text, &suites)); err != nil || len(suites.Suites) != 1 || suites.Suites[0].Failures == 0 {
		t.Errorf("%v\n%s", err, text)
	}
	runGrade(t, append(slices.Clone(args), "-format", "gradescope"))
	if text, err := os.ReadFile(out + "/right.json"); err != nil || !strings.Contains(string(text), `"score": 1,`) {
		t.Errorf("%v\n%.200s", err, text)
	}
}

// interruptGrade ends grade when the first result is there: it says that the same
// command resumes.
func interruptGrade(t *testing.T, args []string, out string) {
	t.Helper()
	p, err := proc.Command{Args: args}.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if _, ok := p.Stderr.Wait(20*proc.Patience, func(line string) bool { return strings.Contains(line, "to grade: about") }); !ok {
		t.Fatalf("no estimate: %s", p.Stderr.Text())
	}
	if err := p.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code, err := p.Wait(2 * proc.Patience); code != 1 || err != nil || !strings.Contains(p.Stderr.Text(), "the same command resumes") {
		t.Errorf("status %d, %v: %s", code, err, p.Stderr.Text())
	}
	if kept, _ := filepath.Glob(out + "/results/*.json"); len(kept) == 0 {
		t.Error("nothing is kept")
	}
}

func runGrade(t *testing.T, args []string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return string(text)
}

// pointsOf reads the points of a CSV file.
func pointsOf(t *testing.T, said, out string) (points []string) {
	t.Helper()
	f, err := os.Open(out + "/grades.csv")
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil || len(lines) == 0 {
		t.Fatal(err)
	}
	at := slices.Index(lines[0], "points")
	for _, line := range lines[1:] {
		points = append(points, line[at])
	}
	return points
}
