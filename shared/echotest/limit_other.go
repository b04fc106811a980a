//go:build !linux

package echotest

// lowerLimit: only Linux has a call for another process's limits.
func (s *Server) lowerLimit() (lift func() error, err error) {
	return nil, Skipf("the limits of a running process can be changed only on Linux")
}
