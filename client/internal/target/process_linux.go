package target

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the CPU time that the process has used, in user mode and in the
// kernel, to the nanosecond; 0 if it is gone. The clock of another process has
// an id that is made from its pid, see clock_getcpuclockid(3); /proc only counts
// in hundredths of a second.
func CPU(pid int) time.Duration {
	const perProcess = 2
	var t unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|perProcess), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// RSS returns the resident memory of the process in bytes; 0 if it is gone.
func RSS(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// Pin keeps this process on one CPU, see sched_setaffinity(2).
func Pin(cpu int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	for _, task := range tasks {
		tid, _ := strconv.Atoi(task.Name())
		if err := pinThread(tid, cpu); err != nil {
			return err
		}
	}
	return nil
}

func pinThread(tid, cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("no CPU %d for this process: %w", cpu, os.NewSyscallError("sched_setaffinity", err))
	}
	return nil
}

// startOn starts the command on one CPU. A child inherits the CPUs of the thread
// that forks it, and a server in Go counts them once, when it starts: so the
// thread is pinned before, not the child afterwards.
func startOn(cpu int, cmd *exec.Cmd) error {
	if cpu < 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	defer unix.SchedSetaffinity(0, &old)
	if err := pinThread(0, cpu); err != nil {
		return err
	}
	return cmd.Start()
}
