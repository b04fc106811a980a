//go:build linux

package eventloop

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// interrupter returns a function that sends a signal to the thread that calls
// interrupter, and keeps the caller on it.
func interrupter() func() {
	runtime.LockOSThread() // for good: the thread ends with the test
	thread := unix.Gettid()
	return func() { unix.Tgkill(unix.Getpid(), thread, unix.SIGUSR1) }
}

func TestNamesOfTheSystemCalls(t *testing.T) {
	if names := [3]string{newCall, setCall, waitCall}; names != [3]string{"epoll_create1", "epoll_ctl", "epoll_wait"} {
		t.Errorf("the calls are named %q", names)
	}
}

func TestAFileCannotBeAdded(t *testing.T) {
	l := bareLoop(t)
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := l.Add(int(file.Fd()), nothing); !errors.Is(err, unix.EPERM) {
		t.Errorf("Add of a regular file: %v, want EPERM", err)
	}
}

// epoll_wait(2) counts milliseconds. Rounded down, they would make the loop spin
// for the rest of the last one.
func TestTheWaitIsNotTooShort(t *testing.T) {
	for _, d := range []time.Duration{1, 1e3, time.Millisecond - 1, 5*time.Millisecond + 1} {
		l := bareLoop(t)
		start := time.Now()
		for {
			n, err := l.poller.wait(d)
			if err == unix.EINTR {
				continue
			}
			if slept := time.Since(start); n != 0 || err != nil || slept < d {
				t.Errorf("wait(%v) = %d, %v after %v", d, n, err, slept)
			}
			break
		}
		l.After(d, l.Stop)
		run(t, l)
		if l.turn > 20 { // 1, and what signals cut short
			t.Errorf("%d turns to wait %v", l.turn, d)
		}
	}
}

// A wait that takes a millisecond longer than it should is nothing a clock can
// tell on a busy machine, if it is tried once.
func TestTheWaitIsNotTooLong(t *testing.T) {
	l := bareLoop(t)
	shortest := time.Hour
	for range 50 {
		start := time.Now()
		l.poller.wait(time.Millisecond)
		shortest = min(shortest, time.Since(start))
	}
	if shortest >= 2*time.Millisecond {
		t.Errorf("the shortest of 50 waits of 1 ms took %v", shortest)
	}
}
