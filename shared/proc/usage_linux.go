package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf asks the clock of another process, whose id is made from its pid,
// see clock_getcpuclockid(3). /proc counts in hundredths of a second only.
func cpuOf(pid int) (time.Duration, error) {
	const perProcess = 2
	var t unix.Timespec
	err := unix.ClockGettime(int32(^pid<<3|perProcess), &t)
	return time.Duration(t.Nano()), os.NewSyscallError("clock_gettime", err)
}

// wantedBy adds up what proc(5) says of each thread in schedstat: the nanoseconds it
// ran, and those it was ready to run. Without that file it is the CPU time alone.
func wantedBy(pid int) (sum time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return cpuOf(pid)
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // a thread that has ended since
		}
		var ran, waited time.Duration
		if err == nil {
			_, err = fmt.Sscan(string(text), &ran, &waited)
		}
		if err != nil {
			return 0, err
		}
		sum += ran + waited
	}
	return sum, nil
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
