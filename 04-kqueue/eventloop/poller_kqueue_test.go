//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package eventloop

import "golang.org/x/sys/unix"

// interrupter returns a function that sends a signal to the process: to which
// of its threads is the kernel's choice.
func interrupter() func() {
	return func() { unix.Kill(unix.Getpid(), unix.SIGUSR1) }
}
