package handout

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// write makes files in a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func needDiff(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("diff"); err != nil {
		t.Skip("there is no diff here")
	}
}

func TestCompare(t *testing.T) {
	needDiff(t)
	course := write(t, map[string]string{
		"docs/exercises/09-x/main.go":            "package main\n",
		"docs/exercises/09-x/part.go":            "package main\n\n// Your part.\n",
		"docs/exercises/solutions/09-x/part.go":  "package main\n\nfunc part() {}\n",
		"docs/exercises/solutions/09-x/part.txt": "why\n",
	})
	outside := filepath.Join(write(t, map[string]string{"secret.go": "package secret\n"}), "secret.go")
	unified := []string{"-u"}
	for name, c := range map[string]struct {
		files  map[string]string
		format []string
		want   string
	}{
		"the solution": {map[string]string{"part.go": "package main\n\nfunc part() {}\n", "part.txt": "why\n"}, unified, ""},
		"a part, in a copy of the course": {
			map[string]string{"docs/exercises/09-x/part.go": "package main\n\nfunc mine() {}\n", "docs/exercises/09-x/part.txt": "why\n", "part.go": "package no\n"}, unified,
			"--- solution/part.go\n+++ submission/part.go\n@@ -1,3 +1,3 @@\n package main\n \n-func part() {}\n+func mine() {}\n"},
		"the start, in a folder of exercises": {map[string]string{"09-x/main.go": "package main\n", "09-x/part.txt": "why\n"}, unified,
			"--- solution/part.go\n+++ submission/part.go\n@@ -1,3 +1,3 @@\n package main\n \n-func part() {}\n+// Your part.\n"},
		"one file more": {map[string]string{"part.go": "package main\n\nfunc part() {}\n", "part.txt": "why\n", "more.go": "package main\n", "no.s": "TEXT"}, unified,
			"--- solution/more.go\n+++ submission/more.go\n@@ -0,0 +1 @@\n+package main\n"},
		"what would move the cursor": {map[string]string{"part.go": "package main\n\nfunc part() {}\n", "part.txt": "\x1b[2J\u202ewhy\n"}, unified,
			"--- solution/part.txt\n+++ submission/part.txt\n@@ -1 +1 @@\n-why\n+\ufffd[2J\ufffdwhy\n"},
	} {
		dir := write(t, c.files)
		if err := os.Symlink(outside, filepath.Join(dir, "link.go")); err != nil {
			t.Fatal(err)
		}
		got, err := Compare(course, "09-x", dir, t.TempDir(), c.format)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, c.want)
		}
	}
}

// The diffs of different systems leave different gaps between the two columns.
func TestSideBySide(t *testing.T) {
	needDiff(t)
	course := write(t, map[string]string{"docs/exercises/09-x/a.go": "package a\n", "docs/exercises/solutions/09-x/a.go": "package one\n"})
	got, err := Compare(course, "09-x", write(t, map[string]string{"a.go": "package two\n"}), t.TempDir(), []string{"-y", "-W", "60"})
	if want := "solution/a.go | submission/a.go package one | package two"; err != nil || strings.Join(strings.Fields(got), " ") != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestNothingToCompare(t *testing.T) {
	needDiff(t)
	course := write(t, map[string]string{"docs/exercises/09-x/main.go": "package main\n", "docs/exercises/solutions/09-x/main.go": "package main\n"})
	long := strings.Repeat("x", longest+1)
	for want, dir := range map[string]string{
		"there is no 09-x in":      t.TempDir(),
		"no such file":             filepath.Join(t.TempDir(), "nobody"),
		"bytes, more than 1048576": write(t, map[string]string{"main.go": long}),
	} {
		if _, err := Compare(course, "09-x", dir, t.TempDir(), []string{"-u"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
