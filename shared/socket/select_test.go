package socket

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func setOf(fds ...int) *unix.FdSet {
	var set unix.FdSet
	for _, fd := range fds {
		set.Set(fd)
	}
	return &set
}

func TestSelect(t *testing.T) {
	ours, theirs := connect(t, listener(t))
	nfds := max(ours, theirs) + 1
	poll := unix.NsecToTimeval(0)
	readable, writable := setOf(ours, theirs), setOf(ours)
	if n, err := Select(nfds, readable, writable, &poll); n != 1 || err != nil {
		t.Errorf("Select = %d, %v; want 1: there is room to write", n, err)
	}
	if readable.IsSet(ours) || readable.IsSet(theirs) || !writable.IsSet(ours) {
		t.Error("the sets do not say what is ready")
	}
	unix.Write(theirs, []byte("x"))
	readable = setOf(ours, theirs)
	if n, err := Select(nfds, readable, nil, nil); n != 1 || err != nil || !readable.IsSet(ours) {
		t.Errorf("Select without a limit = %d, %v; want that %d is readable", n, err, ours)
	}
	start := time.Now()
	limit := unix.NsecToTimeval((20 * time.Millisecond).Nanoseconds())
	for {
		n, err := Select(nfds, setOf(theirs), &unix.FdSet{}, &limit)
		if err == unix.EINTR {
			continue // no answer
		}
		if slept := time.Since(start); n != 0 || err != nil || slept < 20*time.Millisecond {
			t.Errorf("Select = %d, %v after %v; want nothing after 20 ms", n, err, slept)
		}
		break
	}
	closed := next()
	if _, err := Select(closed+1, setOf(closed), &unix.FdSet{}, &poll); err != unix.EBADF {
		t.Errorf("Select of a closed descriptor: %v, want EBADF", err)
	}
}

func TestMembers(t *testing.T) {
	got := members(9, setOf(3, 5, 8, 9), setOf(0, 5))
	if len(got.Read) != 3 || got.Read[2] != 8 || len(got.Write) != 2 || got.Write[0] != 0 || got.Write[1] != 5 {
		t.Errorf("members below 9: %+v, want 3, 5 and 8 to read, 0 and 5 to write", got)
	}
	if got := members(1<<20, setOf(3), nil); len(got.Read) != 1 || len(got.Write) != 0 {
		t.Errorf("members below a million: %+v", got)
	}
}
