package proc

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf asks the clock of another process, which has an id that is made from its
// pid, see clock_getcpuclockid(3). /proc counts in hundredths of a second only.
func cpuOf(pid int) (time.Duration, error) {
	const perProcess = 2
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|perProcess), &t)
	return time.Duration(t.Nano()), os.NewSyscallError("clock_gettime", err)
}

func memoryOf(pid int) (resident, mapped int64, err error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err == nil {
		_, err = fmt.Sscan(string(statm), &mapped, &resident)
	}
	page := int64(os.Getpagesize())
	return resident * page, mapped * page, err
}

func descriptorsOf(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries), err
}

func runStateOf(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, may hold anything: the state is behind its end.
	text := string(stat)
	return strings.TrimSpace(text[strings.LastIndexByte(text, ')')+1:]), err
}
