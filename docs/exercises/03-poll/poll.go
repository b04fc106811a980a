package main

import (
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// poll sleeps until a descriptor in fds is ready for what its entry asks, or until
// timeout milliseconds have passed (-1: never), and writes each answer into its
// entry; see poll(2). EINTR is returned, because it is not an answer.
func poll(fds []unix.PollFd, timeout int) (int, error) {
	if !narrate.On {
		return unix.Poll(fds, timeout)
	}
	asked := narrate.Call{Name: "poll", Arg: len(fds), Want: &narrate.Set{},
		Timeout: time.Duration(timeout) * time.Millisecond}
	for _, f := range fds {
		asked.Want.Add(int(f.Fd), f.Events&unix.POLLIN != 0, f.Events&unix.POLLOUT != 0)
	}
	call := narrate.Wait(asked)
	n, err := unix.Poll(fds, timeout)
	for _, f := range fds {
		call.Ready.Add(int(f.Fd), f.Revents&^unix.POLLOUT != 0, f.Revents&unix.POLLOUT != 0)
	}
	call.Return(n, err)
	return n, err
}
