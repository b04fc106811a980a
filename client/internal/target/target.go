// Package target builds and starts the servers that are measured, and reads
// their CPU time and memory.
package target

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A server that does not listen after startTime, or has not ended stopTime after
// SIGTERM, has failed.
const (
	startTime = 10 * time.Second
	stopTime  = 3 * time.Second
)

// ready is what a server prints when it listens.
var ready = regexp.MustCompile(`^listening on (\S+) \(pid (\d+)\)$`)

// A Server is a process that listens.
type Server struct {
	Addr string // host:port
	Pid  int    // as it told itself, or else that of the process started

	line   func(string)
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended

	mu     sync.Mutex
	stderr string // its last line
}

// Start runs a command, on the given CPU alone or with cpu < 0 on any, and
// returns when it listens. A server tells that by the line
//
//	listening on 127.0.0.1:9999 (pid 1234)
//
// on its standard output. In args {addr} stands for a free address; a server
// that got one may also just listen there and say nothing.
func Start(ctx context.Context, cpu int, args ...string) (*Server, error) {
	return StartListening(ctx, cpu, nil, args...)
}

// StartListening is Start, and calls line with each line that the server writes
// to standard error, from another goroutine; line may be nil.
func StartListening(ctx context.Context, cpu int, line func(string), args ...string) (*Server, error) {
	args, addr, err := fillAddr(args)
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: addr, line: line, exited: make(chan struct{})}
	s.cmd = exec.Command(args[0], args[1:]...)
	// In a process group of its own, Stop can reach what a shell has started.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, _ := s.cmd.StdoutPipe() // an error would show again in Start
	stderr, _ := s.cmd.StderrPipe()
	if err := startOn(cpu, s.cmd); err != nil {
		return nil, err
	}
	s.Pid = s.cmd.Process.Pid
	said := make(chan []string, 1)
	go s.follow(stdout, stderr, said)
	if err := s.wait(ctx, said); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// fillAddr puts a free address in the place of {addr}, if it occurs.
func fillAddr(args []string) (filled []string, addr string, err error) {
	for _, a := range args {
		if strings.Contains(a, "{addr}") && addr == "" {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, "", err
			}
			addr = l.Addr().String()
			l.Close()
		}
		filled = append(filled, strings.ReplaceAll(a, "{addr}", addr))
	}
	return filled, addr, nil
}

// follow reads what the server prints until it ends. A pipe that nobody reads
// would stop a server that logs a lot.
func (s *Server) follow(stdout, stderr io.Reader, said chan<- []string) {
	var reading sync.WaitGroup
	reading.Go(func() {
		eachLine(stdout, func(line string) {
			if m := ready.FindStringSubmatch(line); m != nil {
				select {
				case said <- m:
				default:
				}
			}
		})
	})
	reading.Go(func() {
		eachLine(stderr, func(line string) {
			s.mu.Lock()
			s.stderr = line
			s.mu.Unlock()
			if s.line != nil {
				s.line(line)
			}
		})
	})
	reading.Wait()
	s.cmd.Wait()
	close(s.exited)
}

func eachLine(r io.Reader, f func(string)) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f(lines.Text())
	}
	io.Copy(io.Discard, r) // after a line that is too long
}

// wait returns when the server listens.
func (s *Server) wait(ctx context.Context, said <-chan []string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case m := <-said:
			s.Addr = m[1]
			s.Pid, _ = strconv.Atoi(m[2])
			return nil
		case <-s.exited:
			return s.Died()
		case <-ctx.Done():
			if ctx.Err() == context.Canceled {
				return ctx.Err()
			}
			return fmt.Errorf("no line \"listening on ADDRESS (pid N)\" after %v", startTime)
		case <-again.C:
			if s.Addr != "" && accepts(s.Addr) {
				return nil
			}
		}
	}
}

func accepts(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Died returns nil while the server runs, and how it ended if it does not.
func (s *Server) Died() error {
	select {
	case <-s.exited:
		return fmt.Errorf("the server ended: %v%s", s.cmd.ProcessState, s.lastWords())
	default:
		return nil
	}
}

// Explain adds to an error, seen on a connection, what the server has to say:
// that it has ended, or its last line on standard error.
func (s *Server) Explain(err error) error {
	select {
	case <-s.exited:
	case <-time.After(100 * time.Millisecond): // its end may show a moment later
	}
	if died := s.Died(); died != nil {
		return died
	}
	return fmt.Errorf("%w%s", err, s.lastWords())
}

func (s *Server) lastWords() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stderr == "" {
		return ""
	}
	return fmt.Sprintf(" (it says: %s)", s.stderr)
}

// Stop ends the server, with force if it does not stop on SIGTERM.
func (s *Server) Stop() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(stopTime):
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.exited
	}
}
