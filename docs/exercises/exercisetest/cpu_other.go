//go:build !linux

package exercisetest

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// cpuOf is the CPU time that a live process has used, from ps(1), which prints it
// as [[days-]hours:]minutes:seconds.hundredths.
func cpuOf(pid int) (time.Duration, error) {
	out, err := exec.Command("ps", "-o", "time=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("ps: %w", err)
	}
	var seconds float64
	for part := range strings.FieldsFuncSeq(strings.TrimSpace(string(out)), func(r rune) bool { return r == ':' || r == '-' }) {
		value, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return 0, fmt.Errorf("ps: %q", out)
		}
		seconds = 60*seconds + value // (days count as hours: no check takes so long)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
