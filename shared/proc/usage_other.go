//go:build !linux

package proc

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

func cpuOf(pid int) (time.Duration, error) {
	text, err := ps(pid, "time")
	if err != nil {
		return 0, err
	}
	return clock(text)
}

// threads is the CPU time of a process: ps does not say how long it was ready to run.
type threads time.Duration

func threadsOf(pid int) (threads, error) {
	cpu, err := cpuOf(pid)
	return threads(cpu), err
}

func (now threads) since(before threads) time.Duration { return time.Duration(now - before) }

func memoryOf(pid int) (resident, mapped int64, err error) {
	text, err := ps(pid, "rss", "vsz")
	if err == nil {
		_, err = fmt.Sscan(text, &resident, &mapped)
	}
	return resident << 10, mapped << 10, err // ps counts in KiB
}

func runStateOf(pid int) (string, error) { return ps(pid, "stat") }

func ps(pid int, columns ...string) (string, error) {
	args := []string{"-p", strconv.Itoa(pid)}
	for _, c := range columns {
		args = append(args, "-o", c+"=") // "=": no heading
	}
	return output("ps", args...)
}

func ownPidOf(pid int) int { return pid } // there are no namespaces

// output runs a program that tells about another process.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C") // a point in numbers, not a comma
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s of the server: %v", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}
