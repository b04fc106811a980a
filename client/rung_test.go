package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait of these tests. It is far more than any of them
// needs, so that a busy machine does not fail them.
const patience = 30 * time.Second

// goBuild builds the command in dir and returns the program's path.
func goBuild(t *testing.T, dir string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to build it with")
	}
	if _, err := os.Stat(filepath.Join(dir, "main.go")); err != nil {
		t.Skipf("there is no source to build it from: %v", err)
	}
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build in %s: %v\n%s", dir, err, out)
	}
	return program
}

var readyLine = regexp.MustCompile(`^listening on (\S+) \(pid \d+\)$`)

// serveRung builds and starts a rung, "../05-framing", and returns its address.
// It is stopped at the end of the test.
func serveRung(t *testing.T, dir string, flags ...string) (addr string) {
	t.Helper()
	rung := exec.Command(goBuild(t, dir), append(flags, "-addr", "127.0.0.1:0")...)
	rung.Stderr = os.Stderr
	stdout, err := rung.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := rung.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		rung.Process.Signal(syscall.SIGTERM)
		// A rung that ignores the signal is a failure of its own tests.
		kill := time.AfterFunc(patience, func() { rung.Process.Kill() })
		rung.Wait()
		kill.Stop()
	})
	hang := time.AfterFunc(patience, func() { rung.Process.Kill() })
	defer hang.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	ready := readyLine.FindStringSubmatch(trimNewline(line))
	if ready == nil {
		t.Fatalf("%s said %q (%v), not that it is listening", dir, line, err)
	}
	return ready[1]
}

// trimNewline removes one newline from the end.
func trimNewline(line string) string {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		return line[:n-1]
	}
	return line
}
