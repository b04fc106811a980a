package exercisetest

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf is the CPU time that a live process has used. The clock of another
// process has an id that is made from its pid, see clock_getcpuclockid(3).
func cpuOf(pid int) (time.Duration, error) {
	const perProcess = 2
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|perProcess), &t)
	return time.Duration(t.Nano()), os.NewSyscallError("clock_gettime", err)
}
