package echotest

import "golang.org/x/sys/unix"

// lowerLimit takes the live server's descriptors away but for the standard
// three, and gives the function that gives them back.
func (p *process) lowerLimit() (lift func() error, err error) {
	var old unix.Rlimit
	pid := p.cmd.Process.Pid
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return nil, err
	}
	lift = func() error { return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil) }
	return lift, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}, nil)
}
