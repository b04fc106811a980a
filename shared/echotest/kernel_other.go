//go:build !linux

package echotest

import "example/tcpladder/shared/proc"

// surrender: a server can hand its system calls to another process on Linux.
func surrender(socket int, io bool) {}

func (t *Target) startHostile(with proc.Command, args ...string) (*Server, *kernel, error) {
	return nil, nil, t.handOver(nil, with, nil)
}

func (t *Target) startWithKernel(k *kernel, with proc.Command, args ...string) (*Server, error) {
	return nil, t.handOver(k, with, nil)
}

func newKernel() *kernel { return &kernel{} }

func (t *Target) handOver(k *kernel, with proc.Command, start func(proc.Command) error) error {
	return Skipf("only on Linux can another process answer system calls")
}
