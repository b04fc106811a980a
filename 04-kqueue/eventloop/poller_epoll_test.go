//go:build linux

package eventloop

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

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

// refusing calls f on a thread whose epoll_ctl(2) does nothing but fail. It skips
// the test where that cannot be had, see seccomp(2).
func refusing(t *testing.T, errno unix.Errno, f func()) {
	t.Helper()
	const load, jump, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the system call
		{Code: jump, K: unix.SYS_EPOLL_CTL, Jf: 1},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the filter cannot be taken off, and ends with the thread
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("no filter for system calls: %v", err)
	}
}

func TestNewThatCannotAdd(t *testing.T) {
	bareLoop(t) // what the Go runtime needs is open from here on
	free := next(t)
	refusing(t, unix.ENOMEM, func() {
		l, err := New()
		var failed *os.SyscallError
		if l != nil || !errors.As(err, &failed) || failed.Syscall != setCall || failed.Err != unix.ENOMEM {
			t.Errorf("New: %v, %v, want ENOMEM of %s", l, err, setCall)
		}
	})
	if next(t) != free {
		t.Error("something was left open")
	}
}

// A change that a signal interrupts has been made.
func TestAnInterruptedChangeIsMade(t *testing.T) {
	l := bareLoop(t)
	fd, _ := pair(t)
	refusing(t, unix.EINTR, func() {
		if err := l.Add(fd, nothing); err != nil {
			t.Errorf("Add: %v", err)
		}
		if err := l.Want(fd, true, true); err != nil {
			t.Errorf("Want: %v", err)
		}
	})
}
