package cli

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain is also a program with flags, when a test starts it as that.
func TestMain(m *testing.M) {
	if os.Getenv("CLI_TEST_PROGRAM") == "" {
		os.Exit(m.Run())
	}
	flag.CommandLine = flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	size := Bytes("size", 4096, "so many `bytes`")
	wait := Duration("wait", time.Second, "a `duration`")
	flag.Bool("v", false, "tell more")
	Parse()
	println(*size, int64(*wait))
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
		{"-wait 0", 0, "4096 0", 1},
		{"-h", 0, "  -size bytes     so many bytes (default 4096)\n", 4},
		{"--help", 0, "  -v              tell more\n", 4},
		{"-size 0", 2, `invalid value "0" for flag -size: not a number from 1 to 536870912`, 1},
		{"-size 536870913", 2, "-size", 1},
		{"-size 1k", 2, "-size", 1},
		{"-wait -1s", 2, "-wait", 1},
		{"-wait 5", 2, "-wait", 1},
		{"-nonsense", 2, "-nonsense", 1},
		{"stray", 2, `unexpected argument "stray"`, 1},
	} {
		command := exec.Command(os.Args[0], strings.Fields(test.args)...)
		command.Env = append(os.Environ(), "CLI_TEST_PROGRAM=1", "GORACE=atexit_sleep_ms=0")
		output, _ := command.CombinedOutput()
		status := command.ProcessState.ExitCode()
		if status != test.status || !strings.Contains(string(output), test.output) || strings.Count(string(output), "\n") != test.lines {
			t.Errorf("%q: exit status %d and\n%s\nwant %d and %d lines with %q", test.args, status, output, test.status, test.lines, test.output)
		}
	}
}
