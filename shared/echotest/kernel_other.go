//go:build !linux

package echotest

import "example/tcpladder/shared/proc"

// surrender: a server can hand its system calls to another process on Linux.
func surrender(socket int) {}

func (t *Target) startHostile(with proc.Command, args ...string) (*Server, *kernel, error) {
	return nil, nil, Skipf("another process can answer system calls on Linux only")
}
