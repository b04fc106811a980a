//go:build !linux

package proc

import (
	"errors"
	"os/exec"
)

var errPin = errors.New("only Linux lets a program choose its CPU in a way that is known here")

// Pin is refused.
func Pin(cpu int) error { return errPin }

func startOn(cpus []int, cmd *exec.Cmd) error {
	if len(cpus) > 0 {
		return errPin
	}
	return cmd.Start()
}
