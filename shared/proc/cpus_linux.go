package proc

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

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

func pinThread(tid int, cpus ...int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("no CPU %v for this process: %w", cpus, os.NewSyscallError("sched_setaffinity", err))
	}
	return nil
}

// startOn starts the command on some CPUs. A child inherits the CPUs of the thread
// that forks it, and a server in Go counts them once, when it starts: so the
// thread is pinned before, not the child afterwards.
func startOn(cpus []int, cmd *exec.Cmd) error {
	if len(cpus) == 0 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	defer unix.SchedSetaffinity(0, &old)
	if err := pinThread(0, cpus...); err != nil {
		return err
	}
	return cmd.Start()
}
