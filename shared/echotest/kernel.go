package echotest

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// kernelSocket is the name of the socket that a server is handed to hand its
// system calls to the tests, and kernelSocketIO that for read(2) and write(2) as well.
const (
	kernelSocket   = "kernel"
	kernelSocketIO = "kernel-io"
)

// A kernel answers some of the system calls of one server, each call with an
// error or by letting the real kernel do it.
type kernel struct {
	io     bool // read and write are among them
	mu     sync.Mutex
	plans  map[string]plan
	made   map[string][]time.Time // when each call came, since its plan was made
	called chan struct{}          // closed and replaced at each call
}

// A plan gives the error of the nth call, from 0 on; 0 is none. Without a plan
// all calls are left to the real kernel.
type plan func(n int) unix.Errno

// always fails every call.
func always(errno unix.Errno) plan { return func(int) unix.Errno { return errno } }

// first fails the first n calls.
func first(n int, errno unix.Errno) plan {
	return func(i int) unix.Errno {
		if i < n {
			return errno
		}
		return 0
	}
}

// only fails the nth call.
func only(n int, errno unix.Errno) plan {
	return func(i int) unix.Errno {
		if i == n {
			return errno
		}
		return 0
	}
}

// set makes a plan for a call and counts from 0 again.
func (k *kernel) set(call string, p plan) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.plans[call], k.made[call] = p, nil
}

// count is how often a call was made since its plan.
func (k *kernel) count(call string) int { return len(k.times(call)) }

func (k *kernel) times(call string) []time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.made[call]
}

// wait waits until a call was made n times since its plan.
func (k *kernel) wait(call string, n int, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		k.mu.Lock()
		have, called := len(k.made[call]), k.called
		k.mu.Unlock()
		if have >= n {
			return true
		}
		select {
		case <-called:
		case <-timer.C:
			return false
		}
	}
}
