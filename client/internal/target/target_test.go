package target

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// netecho builds the server on package net, and returns the program.
func netecho(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build a server with")
	}
	b, err := NewBuilder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	path, err := b.Net()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServer(t *testing.T) {
	path := netecho(t)
	for name, args := range map[string][]string{
		"ready line": {path, "-addr", "127.0.0.1:0"},
		"shell":      {"sh", "-c", path + " -addr 127.0.0.1:0"},
		"silent":     {"sh", "-c", path + " -addr {addr} >/dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Start(context.Background(), -1, args...)
			if err != nil {
				t.Fatal(err)
			}
			if !accepts(s.Addr) {
				t.Errorf("nobody listens on %s", s.Addr)
			}
			if RSS(s.Pid) < 100<<10 {
				t.Errorf("resident memory %d bytes", RSS(s.Pid))
			}
			s.Stop()
			if c, err := net.DialTimeout("tcp", s.Addr, time.Second); err == nil {
				c.Close()
				t.Error("the server listens after Stop")
			}
			if s.Died() == nil {
				t.Error("Died does not know it")
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	for command, want := range map[string]string{
		"echo out of luck >&2; exit 3":            "exit status 3 (it says: out of luck)",
		"true":                                    "the server ended",
		"kill -9 $$":                              "signal: killed",
		"echo listening; exec sleep 1; {addr}":    "the server ended",
		"for i in 1 2 3; do echo $i; done; false": "exit status 1",
	} {
		s, err := Start(context.Background(), -1, "sh", "-c", command)
		if err == nil {
			s.Stop()
			t.Errorf("%s: started", command)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", command, err, want)
		}
	}
}

func TestStartIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := Start(ctx, -1, "sh", "-c", "sleep 60"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// A process that computes uses CPU, one that sleeps does not.
func TestCPU(t *testing.T) {
	use := func(command string, enough func() bool) time.Duration {
		cmd := exec.Command("sh", "-c", command)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { cmd.Process.Kill(); cmd.Wait() }()
		for deadline := time.Now().Add(20 * time.Second); !enough() && time.Now().Before(deadline); {
			time.Sleep(50 * time.Millisecond)
			if cpu := CPU(cmd.Process.Pid); cpu > time.Second {
				return cpu
			}
		}
		return CPU(cmd.Process.Pid)
	}
	if cpu := use("while :; do :; done", func() bool { return false }); cpu < time.Second {
		t.Errorf("a busy process used %v in 20 s", cpu)
	}
	if cpu := use("exec sleep 60", func() bool { return true }); cpu > time.Second {
		t.Errorf("a sleeping process used %v", cpu)
	}
}

func TestRung(t *testing.T) {
	for _, name := range []string{"3", "03", "03-select"} {
		if folder, err := Rung(name); folder != "03-select" || err != nil {
			t.Errorf("Rung(%q) = %q, %v", name, folder, err)
		}
	}
	for _, name := range []string{"", "6", "0", "net", "select"} {
		if folder, err := Rung(name); err == nil {
			t.Errorf("Rung(%q) = %q", name, folder)
		}
	}
}

func TestDescriptors(t *testing.T) {
	if err := Descriptors(10); err != nil {
		t.Error(err)
	}
	if err := Descriptors(1 << 30); err == nil {
		t.Error("a billion descriptors are no error")
	}
}
