// Package target builds and starts the servers that are measured.
package target

import (
	"context"
	"fmt"
	"time"

	"example/tcpladder/shared/proc"
)

// stopTime is how long a server may take to end after SIGTERM.
const stopTime = 3 * time.Second

// A Server is a process that listens.
type Server struct {
	Addr string // host:port
	Pid  int    // as it told itself, or else that of the process started

	process *proc.Process
}

// Start runs a command, on the given CPU alone or with cpu < 0 on any, and
// returns when it listens, see [proc.Process.Ready]. It calls line, unless that
// is nil, with each line that the server writes to standard error, from another
// goroutine.
func Start(ctx context.Context, cpu int, line func(string), args ...string) (*Server, error) {
	// In a process group of its own, Stop can reach what a shell has started.
	c := proc.Command{Args: args, Line: line, Group: true}
	if cpu >= 0 {
		c.CPUs = []int{cpu}
	}
	p, err := c.Start()
	if err != nil {
		return nil, err
	}
	s := &Server{process: p}
	if s.Addr, err = p.Ready(ctx); err != nil {
		if died := s.Died(); died != nil {
			err = died
		}
		s.Stop()
		return nil, err
	}
	s.Pid = p.Pid
	return s, nil
}

// CPU returns the CPU time that the server has used, in user mode and in the
// kernel; 0 if that is not known.
func (s *Server) CPU() time.Duration {
	cpu, _ := s.process.CPU()
	return cpu
}

// RSS returns the resident memory of the server in bytes; 0 if it is gone.
func (s *Server) RSS() int64 {
	resident, _, _ := s.process.Memory()
	return resident
}

// Died returns nil while the server runs, and how it ended if it does not.
func (s *Server) Died() error {
	if !s.process.Exited() {
		return nil
	}
	return fmt.Errorf("the server ended: %s%s", s.process.State(), s.lastWords())
}

// Explain adds to an error, seen on a connection, what the server has to say:
// that it has ended, or, on a line of its own, its last line on standard error.
func (s *Server) Explain(err error) error {
	s.process.Wait(100 * time.Millisecond) // its end may show a moment later
	if died := s.Died(); died != nil {
		return died
	}
	return fmt.Errorf("%w%s", err, s.lastWords())
}

func (s *Server) lastWords() string {
	line := s.process.Stderr.Last()
	if line == "" {
		return ""
	}
	return "\nit says: " + line
}

// Stop ends the server, with force if it does not stop on SIGTERM.
func (s *Server) Stop() { s.process.Stop(stopTime) }
