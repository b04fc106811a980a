//go:build !linux

package echotest

import "example/tcpladder/shared/proc"

// surrender: a server can hand its system calls to another process on Linux.
func surrender(socket int) {}

func (t *Target) startHostile(with proc.Command, args ...string) (*Server, *kernel, error) {
	return nil, nil, t.handOver(nil, with, nil)
}

func newKernel() *kernel { return nil }

func (t *Target) handOver(k *kernel, with proc.Command, start func(proc.Command) error) error {
	return Skipf("only on Linux can another process answer system calls")
}
