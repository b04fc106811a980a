package socket

import (
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// Select sleeps until a descriptor below nfds is ready for what the sets ask,
// or until timeout has passed (nil: never), and writes the answer over the
// sets; see select(2). EINTR is returned, because it is not an answer: the sets
// still hold the question.
func Select(nfds int, readable, writable *unix.FdSet, timeout *unix.Timeval) (int, error) {
	if !narrate.On {
		return unix.Select(nfds, readable, writable, nil, timeout)
	}
	asked := narrate.Call{Name: "select", Arg: nfds, Want: members(nfds, readable, writable), Timeout: -1}
	if timeout != nil {
		asked.Timeout = time.Duration(timeout.Nano())
	}
	call := narrate.Wait(asked)
	n, err := unix.Select(nfds, readable, writable, nil, timeout)
	if err == nil {
		call.Ready = members(nfds, readable, writable)
	}
	call.Return(n, err)
	return n, err
}

// members lists what is in the sets.
func members(nfds int, readable, writable *unix.FdSet) *narrate.Set {
	set := &narrate.Set{}
	for fd := range min(nfds, unix.FD_SETSIZE) {
		set.Add(fd, readable != nil && readable.IsSet(fd), writable != nil && writable.IsSet(fd))
	}
	return set
}
