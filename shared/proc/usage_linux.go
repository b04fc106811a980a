package proc

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
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

// threads is how each thread of a process has fared.
type threads map[string]thread

// A thread was ready to run after it had slept, and after it had been preempted. See
// schedstat and status in proc_pid_task(5).
type thread struct {
	ran, ready       time.Duration // on a CPU, and in the queue for one
	slept, preempted int           // times
}

// threadsOf reads them. Without schedstat, it is the CPU time alone.
func threadsOf(pid int) (threads, error) {
	folders, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	all := threads{}
	for _, folder := range folders {
		times, err := os.ReadFile(folder + "/schedstat")
		counts, err2 := os.ReadFile(folder + "/status")
		if err = cmp.Or(err, err2); errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended since
		}
		var t thread
		if err == nil {
			_, err = fmt.Sscan(string(times), &t.ran, &t.ready)
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(counts)) {
			fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &t.slept)
			fmt.Sscanf(line, "nonvoluntary_ctxt_switches: %d", &t.preempted)
		}
		all[folder] = t
	}
	if len(all) == 0 {
		var cpu time.Duration
		cpu, err = cpuOf(pid)
		all[""] = thread{ran: cpu}
	}
	return all, err
}

// since returns the CPU time that was used since before, and what was wanted by threads
// that were preempted. One that has just been woken waits for a CPU too, but how long
// says only how busy the machine is.
func (now threads) since(before threads) (sum time.Duration) {
	for name, t := range now {
		b := before[name]
		sum += t.ran - b.ran
		if preempted := t.preempted - b.preempted; preempted > 0 {
			waits := preempted + t.slept - b.slept
			sum += (t.ready - b.ready) * time.Duration(preempted) / time.Duration(waits)
		}
	}
	return sum
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

// ownPidOf reads the last number of NSpid, see proc(5).
func ownPidOf(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if numbers, found := strings.CutPrefix(line, "NSpid:"); found {
			if list := strings.Fields(numbers); len(list) > 0 {
				pid, _ = strconv.Atoi(list[len(list)-1])
			}
		}
	}
	return pid
}
