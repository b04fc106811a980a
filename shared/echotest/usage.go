package echotest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// measurable tells why CPU and memory can not be judged, or nothing.
func (s *Server) measurable() bool { return s.process != nil && !raceEnabled }

// CPU is the CPU time the live process has used, from /proc on Linux and ps(1)
// elsewhere; both count in hundredths of a second.
func (p *process) CPU() (time.Duration, error) {
	if runtime.GOOS != "linux" {
		text, err := ps(p.cmd.Process.Pid, "time")
		if err != nil {
			return 0, err
		}
		return clock(text)
	}
	f, err := p.stat()
	if err != nil {
		return 0, err
	}
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// stat gives the fields of Linux's /proc/PID/stat from the third on, the state.
func (p *process) stat() ([]string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	// The name, in parentheses, may hold spaces: fields count from its end.
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return nil, fmt.Errorf("/proc/PID/stat: %q", stat)
	}
	return f, nil
}

// Suspend stops the process (SIGSTOP) and waits until it has stopped, for which
// there is no event that os/exec would not take.
func (p *process) Suspend() error {
	if err := p.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	beat := time.NewTicker(time.Millisecond)
	defer beat.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-beat.C {
		state, err := p.runState()
		if err != nil {
			return err
		}
		if strings.HasPrefix(state, "T") {
			return nil
		}
	}
	return errors.New("the server does not stop at SIGSTOP")
}

func (p *process) runState() (string, error) {
	if runtime.GOOS != "linux" {
		return ps(p.cmd.Process.Pid, "stat")
	}
	f, err := p.stat()
	if err != nil {
		return "", err
	}
	return f[0], nil
}

// clock reads ps's time, [[days-]hours:]minutes:seconds[.hundredths].
func clock(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "-")
	if !found {
		days, rest = "0", text
	}
	total, err := strconv.ParseFloat(days, 64)
	total *= 86400
	var seconds float64
	for part := range strings.SplitSeq(rest, ":") {
		v, bad := strconv.ParseFloat(part, 64)
		if bad != nil {
			err = bad
		}
		seconds = seconds*60 + v
	}
	if err != nil {
		return 0, fmt.Errorf("ps time %q: %v", text, err)
	}
	return time.Duration((total + seconds) * float64(time.Second)), nil
}

// Memory is what the live process holds, in bytes: resident, and mapped.
func (p *process) Memory() (resident, mapped int64, err error) {
	pid := p.cmd.Process.Pid
	if runtime.GOOS != "linux" {
		text, err := ps(pid, "rss", "vsz")
		if err == nil {
			_, err = fmt.Sscan(text, &resident, &mapped)
		}
		return resident << 10, mapped << 10, err // ps counts in KiB
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err == nil {
		_, err = fmt.Sscan(string(statm), &mapped, &resident)
	}
	page := int64(os.Getpagesize())
	return resident * page, mapped * page, err
}

func ps(pid int, columns ...string) (string, error) {
	args := []string{"-p", strconv.Itoa(pid)}
	for _, c := range columns {
		args = append(args, "-o", c+"=") // "=": no heading
	}
	ps := exec.Command("ps", args...)
	ps.Env = append(os.Environ(), "LC_ALL=C") // a point in numbers, not a comma
	out, err := ps.Output()
	if err != nil {
		return "", fmt.Errorf("ps of the server: %v", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Share is the part of one CPU the server uses over a window of d.
func (p *process) Share(d time.Duration) (float64, error) {
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	timer := time.NewTimer(d) // a measurement takes its time; nothing is waited for
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.done:
		return 0, Failf("the server ended: %v", p.State())
	}
	after, err := p.CPU()
	return float64(after-before) / float64(time.Since(start)), err
}

// still wants the server to come to rest. What spins never does, while what
// still has something to do may take its time.
func (s *Server) still(cause string) error {
	if !s.Sleeps || !s.measurable() {
		return nil
	}
	// One tick of the clock that counts. A loop that spins gets more than that
	// even on a machine where ten others want the CPU.
	const window, most = 250 * time.Millisecond, 0.045
	var share float64
	for deadline := time.Now().Add(patience / 4); time.Now().Before(deadline); {
		var err error
		if share, err = s.Share(window); err != nil {
			return err
		}
		if share <= most {
			return nil
		}
	}
	return &Failure{Want: "no CPU used while there is nothing to do",
		Got: fmt.Sprintf("%.0f %% of a CPU, for seconds", share*100), Cause: cause}
}

// growth is how much the resident and mapped memory grow while do runs. It
// is 0 where memory is not judged.
func (s *Server) growth(do func() error) (resident, mapped int64, err error) {
	if !s.measurable() {
		return 0, 0, do()
	}
	r0, m0, err := s.Memory()
	if err != nil {
		return 0, 0, err
	}
	if err := do(); err != nil {
		return 0, 0, err
	}
	r1, m1, err := s.Memory()
	return r1 - r0, m1 - m0, err
}
