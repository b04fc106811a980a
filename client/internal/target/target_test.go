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
	b := NewBuilder()
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
			s, err := Start(context.Background(), -1, nil, args...)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := net.Dial("tcp", s.Addr); err != nil {
				t.Error(err)
			} else {
				c.Close()
			}
			if s.RSS() < 100<<10 {
				t.Errorf("resident memory %d bytes", s.RSS())
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
		"echo out of luck >&2; exit 3":            "exit status 3\nit says: out of luck",
		"true":                                    "the server ended",
		"kill -9 $$":                              "signal: killed",
		"echo listening; exec sleep 1; {addr}":    "the server ended",
		"for i in 1 2 3; do echo $i; done; false": "exit status 1",
	} {
		s, err := Start(context.Background(), -1, nil, "sh", "-c", command)
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
	if _, err := Start(ctx, -1, nil, "sh", "-c", "sleep 60"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
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
