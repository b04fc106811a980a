package narrate

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// own returns a descriptor for writing to what fd is open on.
//
// poll(2) calls a terminal writable as long as it takes one byte. If it is
// nearly full, the rest of a line would have to wait. So a terminal is opened once
// more: O_NONBLOCK on an open file of our own disturbs nobody.
func own(fd int) int {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return fd // not a terminal
	}
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fd
	}
	// A high number, so that a program's own descriptors have the same numbers
	// with a terminal as with a pipe.
	high, err := unix.FcntlInt(uintptr(again), unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		return again
	}
	unix.Close(again)
	return high
}
