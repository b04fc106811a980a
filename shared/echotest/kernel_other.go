//go:build !linux

package echotest

// surrender: a server can hand its system calls to another process on Linux.
func surrender() {}

func (t *Target) startHostile(with outfit, args ...string) (*Server, *kernel, error) {
	return nil, nil, Skipf("another process can answer system calls on Linux only")
}
