package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"example/tcpladder/shared/proc"
)

// A server is a subject that runs.
type server struct {
	*proc.Process
	addr  string
	group int // of processes
}

func start(ctx context.Context, argv []string) (s *server, err error) {
	for range 3 {
		// A free address may be taken by somebody else before the server has it.
		if s, err = startOnce(ctx, argv); !errors.Is(err, errEnded) {
			break
		}
	}
	return s, err
}

var errEnded = errors.New("the server ended")

func startOnce(ctx context.Context, argv []string) (*server, error) {
	p, err := proc.Command{Args: argv, Group: true}.Start()
	if err != nil {
		return nil, err
	}
	s := &server{Process: p, group: p.Pid}
	if s.addr, err = p.Ready(ctx); err != nil {
		err = s.explain(err)
		s.kill()
		return nil, err
	}
	return s, nil
}

// explain adds to an error what the server has to say, or says that it has ended.
func (s *server) explain(err error) error {
	if s.dying() {
		s.kill()
		err = fmt.Errorf("%w: %s", errEnded, s.State())
	}
	if words := lastWords(s.Stderr.All()); words != "" {
		return fmt.Errorf("%w\nit says: %s", err, words)
	}
	return err
}

// lastWords picks the line that says why the server ended: what a Go program begins
// its end with, or else the last one that is not indented. (A traceback of Python ends
// with the exception, one of Java with where it was.)
func lastWords(lines []string) string {
	for _, line := range lines {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return line
		}
	}
	for _, line := range slices.Backward(lines) {
		if strings.TrimLeft(line, " \t") == line && line != "" {
			return line
		}
	}
	return ""
}

// dying reports whether the server has ended, or is about to: its clients notice
// that first.
func (s *server) dying() bool {
	const exiting = 4 // PF_EXITING, include/linux/sched.h
	is, ok := statOf(s.group)
	return !ok || is.flags&exiting != 0 || strings.ContainsAny(is.state, "ZX")
}

// ends waits until the server has ended, if it is about to (or its shell is, because
// nobody listens any more), and ends what it has left behind: children that keep its
// output open.
func (s *server) ends() bool {
	for deadline := time.Now().Add(proc.Patience); !s.dying() && time.Now().Before(deadline); {
		if s.listener() != "" {
			return false
		}
		s.Wait(10 * time.Millisecond) // there is no event while its output is open
	}
	if !s.dying() {
		return false
	}
	s.kill()
	return true
}

// wanted is for how long all the threads of the server's processes have had a CPU or
// waited for one, as far as that is counted: a thread that waits shows it only when
// it gets one. So it also tells whether one is running, waits, or has been stopped by
// strace in the middle of a call.
func (s *server) wanted() (sum time.Duration, now bool) {
	for _, pid := range family(s.group) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		for _, task := range tasks {
			var had, waited int64 // ns; see sched-stats in the kernel's documentation
			text, _ := os.ReadFile(task + "/schedstat")
			fmt.Sscan(string(text), &had, &waited)
			sum += time.Duration(had + waited)
			is, ok := statAt(task)
			now = now || ok && strings.ContainsAny(is.state, "Rt")
		}
	}
	return sum, now
}

// stop sends SIGTERM and waits for the end. All we want of another program's
// shell is that it ends.
func (s *server) stop(rung bool) error {
	if rung {
		syscall.Kill(s.Pid, syscall.SIGTERM)
	} else {
		syscall.Kill(-s.group, syscall.SIGTERM)
	}
	for deadline := time.Now().Add(proc.Patience); !s.dying(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("still running %v after SIGTERM", proc.Patience)
		}
		s.Wait(10 * time.Millisecond)
	}
	s.kill()
	if code, _ := s.Wait(proc.Patience); rung && code != 0 {
		return fmt.Errorf("after SIGTERM: %s", s.State())
	}
	return nil
}

// kill leaves nothing behind.
func (s *server) kill() {
	for _, pid := range family(s.group) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	s.Kill()
}

// socketPath finds one of the server's sockets.
func (s *server) socketPath(match func(socket) bool) string {
	for _, k := range sockets(s.Pid) {
		if match(k) {
			return k.path
		}
	}
	return ""
}

func (s *server) listener() string {
	return s.socketPath(func(k socket) bool { return k.listens && k.local == portOf(s.addr) })
}

// served is the server's end of a client's connection, once it is accepted. The table
// changes while it is read, so that one look may miss it.
func (s *server) served(c *client) (path string) {
	local := portOf(c.conn.LocalAddr().String())
	for range 100 {
		path = s.socketPath(func(k socket) bool { return !k.listens && k.local == portOf(s.addr) && k.remote == local })
		if path != "" {
			break
		}
		s.Wait(10 * time.Millisecond)
	}
	return path
}
