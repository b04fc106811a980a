package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
)

// quotes matches a line that a command does not wrap: in it there is a string, a system
// call, or what a server has logged.
var quotes = regexp.MustCompile(`"|\) = -?\d|^ +(server {4}|it says: )`)

// fits wants no line to be wider than a screen.
func fits(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := cli.Columns(strings.TrimRight(line, "\n")); n > cli.Width && !quotes.MatchString(line) {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// flat undoes the wrapping.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// printed runs a command of the client, and returns what it prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer func(out, err *os.File) { os.Stdout, os.Stderr = out, err }(os.Stdout, os.Stderr)
	os.Stdout, os.Stderr = file, file
	dispatch(args)
	file.Seek(0, io.SeekStart)
	text, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWidth: whatever a command says about itself fits on the wall of a classroom.
func TestWidth(t *testing.T) {
	lines := []string{
		"", "nonsense", "-h", "check -list", "check -faults -list",
		"talk -nonsense stray", "talk -addr an-address-without-a-port-of-which-the-name-is-rather-long",
		"check 06 -exercise 01-threads -faults -addr 127.0.0.1:1 01 02", "check -exercise nonsense", "check -run nonsense-that-is-not-a-check",
		"bench -rung 05 -addr 127.0.0.1:9", "bench -size 100000000", "bench -c 1000000 -depth 1000000",
		"watch 01 02", "watch 06", "watch --", "watch -publish x -record y -script z", "watch 01 -- a",
	}
	for _, c := range commands {
		lines = append(lines, c.name+" -h")
	}
	for _, e := range exercisetest.Exercises() {
		lines = append(lines, "check -list -exercise "+e.Name)
	}
	for _, line := range lines {
		text := printed(t, strings.Fields(line)...)
		if text == "" {
			t.Errorf("client %s prints nothing", line)
		}
		if fits(t, text); t.Failed() {
			t.Fatalf("client %s", line)
		}
	}
}

// TestCrossesFit: every check can get a cross, and be left out.
func TestCrossesFit(t *testing.T) {
	var list []echotest.Check
	for _, r := range echotest.Rungs {
		list = append(list, echotest.Checks(r.Promises)...)
	}
	for _, e := range exercisetest.Exercises() {
		list = append(list, e.Checks...)
	}
	for _, c := range list {
		var out strings.Builder
		e := &examination{out: &out, first: true}
		e.tell(c, nil, 0)
		e.tell(c, echotest.Skipf("%s", c.Promise), 0)
		e.tell(c, &echotest.Failure{Sent: c.Promise, Want: c.Promise, Got: c.Promise, Cause: c.Cause, Chapter: c.Chapter}, 0)
		if fits(t, out.String()); t.Failed() {
			t.Fatal(c.Name)
		}
		if !strings.Contains(flat(out.String()), flat("cause "+c.Cause)) {
			t.Errorf("%s: the cause is not whole:\n%s", c.Name, &out)
		}
	}
}
