package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also a program with flags, when a test starts it as that. The
// variable says what it does behind Parse.
func TestMain(m *testing.M) {
	does := os.Getenv("CLI_TEST_PROGRAM")
	if does == "" {
		os.Exit(m.Run())
	}
	flag.CommandLine = flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	size := Bytes("size", 4096, "so many `bytes`")
	wait := Duration("wait", time.Second, "a `duration`")
	flag.Bool("v", false, "tell more")
	flag.Int("long", 0, "a text that says so much that it does not fit in the eighty columns of a screen")
	Parse()
	switch does {
	case "flags":
		println(*size, int64(*wait))
	case "fatal", "exit", "return":
		for i := range 20 {
			log.Printf("line %d", i)
		}
		log.Print("something else")
		if does == "fatal" {
			Fatal(errors.New("it is over"))
		}
		if does == "exit" {
			Exit()
		}
	case "survive":
		for i := range 3 {
			log.Printf("%s", strings.Repeat("x", i)) // three kinds
		}
		fmt.Println("still there")
		Exit()
	}
}

func program(does, args string) *exec.Cmd {
	command := exec.Command(os.Args[0], strings.Fields(args)...)
	command.Env = append(os.Environ(), "CLI_TEST_PROGRAM="+does, "GORACE=atexit_sleep_ms=0")
	return command
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args   string
		status int
		output string // a part of it
		lines  int
	}{
		{"", 0, "4096 1000000000", 1},
		{"-size 1 -wait 1m -v", 0, "1 60000000000", 1},
		{"-size 536870912", 0, "536870912 1000000000", 1},
		{"-wait 0", 0, "4096 0", 1},
		{"-h", 0, "  -size bytes     so many bytes (default 4096)\n", 6},
		{"-h", 0, "  -wait duration  a duration (default 1s)\n", 6},
		{"--help", 0, "  -v              tell more\n", 6},
		{"-h", 0, "  -long int       a text that says so much that it does not fit in the eighty\n                  columns of a screen\n", 6},
		{"-size 0", 2, `invalid value "0" for flag -size: not a number from 1 to 536870912`, 1},
		{"-size -5", 2, "-size", 1},
		{"-size 536870913", 2, "-size", 1},
		{"-size 99999999999999999999", 2, "-size", 1},
		{"-size 1k", 2, "-size", 1},
		{"-wait -1s", 2, "-wait: not a duration such as 500ms or 1m30s", 1},
		{"-wait 5", 2, "-wait", 1},
		{"-nonsense", 2, "-nonsense", 1},
		{"stray", 2, `unexpected argument "stray"`, 1},
		{"-v stray", 2, `(-h lists the flags)`, 1},
	} {
		command := program("flags", test.args)
		output, _ := command.CombinedOutput()
		status := command.ProcessState.ExitCode()
		if status != test.status || !strings.Contains(string(output), test.output) || strings.Count(string(output), "\n") != test.lines {
			t.Errorf("%q: exit status %d and\n%s\nwant %d and %d lines with %q", test.args, status, output, test.status, test.lines, test.output)
		}
	}
}

// What was asked for goes to standard output, a mistake to standard error.
func TestWhereParseWrites(t *testing.T) {
	for args, stdout := range map[string]bool{"-h": true, "-nonsense": false} {
		command := program("flags", args)
		var out, err bytes.Buffer
		command.Stdout, command.Stderr = &out, &err
		command.Run()
		if (out.Len() > 0) != stdout || (err.Len() > 0) == stdout {
			t.Errorf("%s: %q on standard output, %q on standard error", args, &out, &err)
		}
	}
}

// The log is bare lines, those of one kind are counted, and no count is lost at
// an end that goes through this package.
func TestEnds(t *testing.T) {
	const lines = "line 0\nline 1\nline 2\nline 3\nline 4\nsomething else\n"
	for does, want := range map[string]struct {
		status int
		log    string
	}{
		"fatal":  {1, lines + "… and 15 more like \"line 19\"\nit is over\n"},
		"exit":   {0, lines + "… and 15 more like \"line 19\"\n"},
		"return": {0, lines},
	} {
		command := program(does, "")
		var out, log bytes.Buffer
		command.Stdout, command.Stderr = &out, &log
		command.Run()
		if status := command.ProcessState.ExitCode(); status != want.status || log.String() != want.log || out.Len() > 0 {
			t.Errorf("%s: status %d, and\n%s%s\nwant %d and\n%s", does, status, &log, &out, want.status, want.log)
		}
	}
}

// A log whose reader has gone does not end the program.
func TestALogWithoutAReader(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	defer writer.Close()
	command := program("survive", "")
	command.Stderr = writer
	if out, err := command.Output(); err != nil || string(out) != "still there\n" {
		t.Errorf("%q, %v; want that the program survives", out, err)
	}
	command = program("fatal", "")
	command.Stderr = writer
	command.Run()
	if status := command.ProcessState.ExitCode(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
}

// fullPipe returns a pipe with no room. Its writer blocks.
func fullPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	unix.SetNonblock(fds[1], true)
	for _, size := range []int{4096, 1} {
		for {
			if _, err := unix.Write(fds[1], bytes.Repeat([]byte{'#'}, size)); err != nil {
				break
			}
		}
	}
	unix.SetNonblock(fds[1], false)
	reader, writer = os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
	t.Cleanup(func() {
		reader.Close()
		writer.Close()
	})
	return reader, writer
}

// A log that nobody reads stops no program, and a fatal error waits for a second.
func TestALogThatNobodyReads(t *testing.T) {
	_, writer := fullPipe(t)
	for does, least := range map[string]time.Duration{"survive": 0, "exit": 0, "fatal": 900 * time.Millisecond} {
		command := program(does, "")
		command.Stderr = writer
		start := time.Now()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		stuck := time.AfterFunc(30*time.Second, func() { command.Process.Kill() })
		command.Wait()
		stuck.Stop()
		want := 0
		if does == "fatal" {
			want = 1
		}
		if status, took := command.ProcessState.ExitCode(), time.Since(start); status != want || took < least {
			t.Errorf("%s: status %d after %v; want %d, after %v or more", does, status, took, want, least)
		}
	}
}

// Nothing of the log got out before, but the last line does.
func TestAFatalErrorIsWaitedFor(t *testing.T) {
	reader, writer := fullPipe(t)
	command := program("fatal", "")
	command.Stderr = writer
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	text, err := io.ReadAll(reader)
	command.Wait()
	if !strings.HasSuffix(strings.TrimLeft(string(text), "#"), "it is over\n") {
		t.Errorf("%q, %v; want the last line", text[max(0, len(text)-100):], err)
	}
}
