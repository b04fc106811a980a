//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package eventloop

import (
	"testing"

	"golang.org/x/sys/unix"
)

// interrupter returns a function that sends a signal to the process: to which
// of its threads is the kernel's choice.
func interrupter() func() {
	return func() { unix.Kill(unix.Getpid(), unix.SIGUSR1) }
}

func TestNamesOfTheSystemCalls(t *testing.T) {
	if names := [3]string{newCall, setCall, waitCall}; names != [3]string{"kqueue", "kevent", "kevent"} {
		t.Errorf("the calls are named %q", names)
	}
}

// The readinesses are bits, whatever the filters' numbers are.
func TestOneChangeForEachDifference(t *testing.T) {
	l := bareLoop(t)
	ours, _ := pair(t)
	all := []interest{0, readable, writable, readable | writable}
	for _, from := range all {
		for _, to := range all {
			for _, err := range []error{
				l.poller.set(ours, 0, from), l.poller.set(ours, from, to), l.poller.set(ours, to, 0),
			} {
				if err != nil {
					t.Errorf("from %d to %d: %v", from, to, err)
				}
			}
			quiet(t, l)
		}
	}
}
