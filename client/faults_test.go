package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// checkCommand starts client check with these arguments, in the folder from which
// the rungs are built.
func checkCommand(t *testing.T, env []string, args ...string) *proc.Process {
	t.Helper()
	p, err := proc.Command{Args: append([]string{goBuild(t, "."), "check"}, args...), Env: env}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// finish waits for the end of a check. It skips the test where strace is not there or
// may not do its work.
func finish(t *testing.T, p *proc.Process) (report string, status int) {
	t.Helper()
	<-p.Done()
	status, _ = p.Wait(patience)
	said := p.Stderr.Text()
	for _, reason := range []string{"-faults needs", "ptrace(2) is not permitted"} {
		if strings.Contains(said, reason) {
			t.Skip(strings.TrimSpace(said))
		}
	}
	fits(t, p.Stdout.Text()+said)
	return p.Stdout.Text() + said, status
}

func TestFaults(t *testing.T) {
	t.Parallel()
	report, status := finish(t, checkCommand(t, nil, "-faults", "-run", "^(accept/(EMFILE|EBADF)|read/EINTR|select/ENOMEM)$", "03"))
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"03-select\n", "accept (accept4)", "✓ EMFILE", "✓ EBADF (ended)", "✓ EINTR", "✓ ENOMEM\n", "4 passed, 0 failed, 0 not examined"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}

// A rung is held to every fault: about half a minute each.
func TestFaultsOfRungs(t *testing.T) {
	long(t)
	for _, r := range echotest.Rungs {
		t.Run(r.Folder, func(t *testing.T) {
			report, status := finish(t, checkCommand(t, nil, "-faults", r.Folder))
			t.Log("\n" + report)
			if status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
}

// The command behind -- is any program; the runtime of this one waits for its
// clients itself.
func TestFaultsOfCommand(t *testing.T) {
	long(t)
	t.Parallel()
	netecho := goBuild(t, "netecho")
	report, status := finish(t, checkCommand(t, nil, "-faults", "-run", "^(read/ECONNRESET|epoll_wait/.*)$", "--", netecho, "-raw", "-addr", "{addr}"))
	for _, want := range []string{"✓ ECONNRESET", "✓ EINTR  - EBADF", "not examined: the Go runtime makes this call too", "2 passed, 0 failed, 4 not examined"} {
		if status != 0 || !strings.Contains(report, want) {
			t.Errorf("status %d, no %q in\n%s", status, want, report)
		}
	}
}

func TestFaultsUsage(t *testing.T) {
	for line, want := range map[string]int{
		"-faults -list":                   0,
		"-faults -list -run EMFILE":       0,
		"-faults -run nonsense":           2,
		"-faults --":                      2,
		"-faults 03 -- true":              2,
		"-faults -addr 127.0.0.1:1":       2,
		"-faults -exercise 01-threads 01": 2,
		"03 -- true":                      2,
	} {
		if status := check(strings.Fields(line)); status != want {
			t.Errorf("check %s: status %d, want %d", line, status, want)
		}
	}
}

// Without strace, or on a system other than Linux, the command says so.
func TestFaultsCannot(t *testing.T) {
	t.Parallel()
	p := checkCommand(t, []string{"PATH=" + t.TempDir()}, "-faults", "--", "true", "{addr}")
	<-p.Done()
	if status, _ := p.Wait(patience); status != 1 || len(p.Stderr.All()) != 1 || !strings.HasPrefix(p.Stderr.Text(), "check: -faults needs") {
		t.Errorf("status %d, %q", status, p.Stderr.Text())
	}
}

// An interrupt ends strace and the server.
func TestFaultsInterrupted(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip(err)
	}
	pids := filepath.Join(t.TempDir(), "pids")
	script := `echo $$ >>` + pids + `; exec "$0" -raw -addr "$1"`
	p := checkCommand(t, nil, "-faults", "--", "sh", "-c", script, goBuild(t, "netecho"), "{addr}")
	if _, ok := p.Stdout.First(patience); !ok { // the server is known, the faults begin
		finish(t, p)
		t.Fatalf("no output: %s", p.Stderr.Text())
	}
	p.Signal(unix.SIGINT)
	if status, err := p.Wait(patience); status != 130 || err != nil {
		t.Errorf("status %d, %v\n%s%s", status, err, p.Stdout.Text(), p.Stderr.Text())
	}
	list, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(list)) {
		if pid, _ := strconv.Atoi(word); unix.Kill(pid, 0) != unix.ESRCH {
			t.Errorf("server %d is still there", pid)
		}
	}
}
