//go:build !linux

package proc

import (
	"errors"
	"os/exec"
)

var errPin = errors.New("pinning to a CPU works only on Linux here")

// Pin is refused.
func Pin(cpu int) error { return errPin }

func startOn(cpus []int, cmd *exec.Cmd) error {
	if len(cpus) > 0 {
		return errPin
	}
	return cmd.Start()
}
