package echotest

import "golang.org/x/sys/unix"

// lowerLimit takes away all the live server's descriptors but the standard three,
// and returns the function that gives them back.
func (s *Server) lowerLimit() (lift func() error, err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(s.Pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return nil, err
	}
	lift = func() error { return unix.Prlimit(s.Pid, unix.RLIMIT_NOFILE, &old, nil) }
	return lift, unix.Prlimit(s.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}, nil)
}
