package proc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// OwnPid is the number by which the live process knows itself: another one than ours
// if it was started in a PID namespace of its own.
func (p *Process) OwnPid() int { return ownPidOf(p.cmd.Process.Pid) }

// CPU is the CPU time that the process has used, in user mode and in the kernel;
// after its end too. While it runs, Linux counts in nanoseconds, and ps(1) in
// hundredths of a second or, on some systems, in seconds.
func (p *Process) CPU() (time.Duration, error) {
	if !p.Exited() {
		if cpu, err := cpuOf(p.Pid); err == nil || !p.Exited() {
			return cpu, err
		}
	}
	state := p.cmd.ProcessState
	return state.UserTime() + state.SystemTime(), nil
}

// Wanted is the CPU time that the live process has used or, on Linux, would have used
// if it had not been preempted. It shows that a process spins even where many others
// are busy.
func (p *Process) Wanted() (time.Duration, error) {
	var none threads
	now, err := threadsOf(p.Pid)
	return now.since(none), err
}

// Share is the part of one CPU that the process wants (see [Process.Wanted]) over a
// window of d.
func (p *Process) Share(d time.Duration) (float64, error) {
	before, err := threadsOf(p.Pid)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if _, err := p.Wait(d); err == nil { // a measurement takes its time: nothing is waited for
		return 0, fmt.Errorf("the server ended: %s", p.State())
	}
	after, err := threadsOf(p.Pid)
	return float64(after.since(before)) / float64(time.Since(start)), err
}

// Memory is what the live process holds, in bytes: resident, and mapped.
func (p *Process) Memory() (resident, mapped int64, err error) { return memoryOf(p.Pid) }

// Descriptors is how many descriptors the live process has open.
func (p *Process) Descriptors() (int, error) { return descriptorsOf(p.Pid) }

// RunState is the state of the live process in the letters of ps(1): T for one
// that was stopped.
func (p *Process) RunState() (string, error) { return runStateOf(p.Pid) }

// Suspend stops the process (SIGSTOP) and waits until it has stopped: the
// only event for that would be taken by os/exec.
func (p *Process) Suspend() error {
	if err := p.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	beat := time.NewTicker(time.Millisecond)
	defer beat.Stop()
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); <-beat.C {
		state, err := runStateOf(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if strings.HasPrefix(state, "T") {
			return nil
		}
	}
	return errors.New("the server does not stop at SIGSTOP")
}
