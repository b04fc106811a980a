//go:build !linux

package target

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

var errPin = errors.New("only Linux lets a program choose its CPU in a way that is known here")

// CPU returns the CPU time that the process has used, to a hundredth of a second
// or, on some systems, to a second; 0 if it is gone. See ps(1).
func CPU(pid int) (cpu time.Duration) {
	for _, part := range strings.FieldsFunc(ps(pid, "time="), func(r rune) bool { return r == ':' || r == '-' }) {
		seconds, _ := strconv.ParseFloat(part, 64)
		cpu = 60*cpu + time.Duration(seconds*float64(time.Second))
	}
	return cpu
}

// RSS returns the resident memory of the process in bytes; 0 if it is gone.
func RSS(pid int) int64 {
	kib, _ := strconv.ParseInt(ps(pid, "rss="), 10, 64)
	return kib << 10
}

func ps(pid int, column string) string {
	out, err := exec.Command("ps", "-o", column, "-p", fmt.Sprint(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// Pin is refused.
func Pin(cpu int) error { return errPin }

func startOn(cpu int, cmd *exec.Cmd) error {
	if cpu >= 0 {
		return errPin
	}
	return cmd.Start()
}
