package echotest

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// startChecks: what fails between the ready line and the first client, and when a
// client is set up.
var startChecks = []Check{
	{Name: "start-fails", Chapter: chapter2, when: concurrent, Proof: startFails,
		Promise: "a call that fails while the server sets itself up ends it with status 1 and one line that names the call",
		Cause:   "the error of fcntl(2), epoll_create1(2) or epoll_ctl(2) for the listener is dropped"},
	{Name: "set-up-fails", Chapter: chapter2, when: concurrent, Proof: hostile(setUpFails),
		Promise: "a client that cannot be set up is closed, with a line that names it and the call; the next is served",
		Cause:   "the error of fcntl(2) or epoll_ctl(2) for a client is dropped, or ends the server"},
	{Name: "select-broken", Chapter: chapter3, Proof: selectBroken,
		when:    func(p Promises) bool { return p.FDSet },
		Promise: "a lasting error of select(2) ends the server with status 1 and one line that names the call",
		Cause:   "EBADF or EINVAL of select(2) is retried, or ends the server without a word"},
	{Name: "listener-beyond-fd-setsize", Chapter: chapter3, Proof: listenerBeyond,
		when:    func(p Promises) bool { return p.FDSet },
		Promise: "a listener whose descriptor does not fit in an fd_set ends the server with status 1 and one line that contains the number",
		Cause:   "only clients are compared with FD_SETSIZE, or the comparison is off by one: 1024 does not fit in 1024 bits numbered from 0"},
}

// startFails makes one call after another fail. A server may do without any of them.
func startFails(t *Target) error {
	for _, failing := range []struct {
		call string
		n    int // of these calls works before
	}{{"fcntl", 0}, {"epoll_create1", 0}, {"epoll_ctl", 0}, {"epoll_ctl", 1}} {
		k := newKernel()
		var p *proc.Process
		err := t.handOver(k, proc.Command{}, func(with proc.Command) (err error) {
			k.set(failing.call, only(failing.n, unix.ENOMEM))
			p, err = t.Spawn(with, "-addr", "127.0.0.1:0")
			return err
		})
		if p != nil {
			defer p.Kill()
		}
		if err == nil {
			err = t.failsWith(p, k, failing.call, failing.n)
		}
		if err != nil {
			return After(err, fmt.Sprintf("call %d of %s fails with ENOMEM", failing.n+1, failing.call))
		}
	}
	return nil
}

// failsWith wants the end of a server whose call failed, or one that serves and
// has no need of the call.
func (t *Target) failsWith(p *proc.Process, k *kernel, call string, n int) error {
	s := &Server{Promises: t.Promises, Process: p}
	var err error
	if s.Addr, err = ready(p); err == nil {
		err = s.alive()
	}
	if k.count(call) <= n {
		return s.Explain(err)
	}
	return s.Explain(s.endsWith(call))
}

// endsWith wants the end of a server with status 1, and a word in its one line.
func (s *Server) endsWith(word string) error {
	code, err := s.Wait(stopLimit)
	if err != nil {
		return &Failure{Want: "exit status 1", Got: err.Error()}
	}
	s.Stderr.WaitEnd(patience)
	if list := s.Stderr.All(); code != 1 || len(list) != 1 || !strings.Contains(list[0], word) {
		return &Failure{Want: fmt.Sprintf("exit status 1 and one line on standard error that names %q", word),
			Got: fmt.Sprintf("%s, %d lines\n%s", s.State(), len(list), s.Stderr.Excerpt())}
	}
	return nil
}

// setUpFails makes a call fail for one client. The others must still be served.
func setUpFails(s *Server, k *kernel) error {
	others, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer others.close()
	lines := 0
	for _, call := range []string{"fcntl", "epoll_ctl"} {
		k.set(call, first(1, unix.ENOMEM))
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		if away, err := turnedAway(c); err != nil {
			return err
		} else if k.count(call) == 0 {
			continue // and it was served
		} else if lines++; !away {
			return After(Failf("the client is served"), call+" fails for a client")
		}
		if err := s.said(lines); err != nil {
			return After(err, call+" fails for a client")
		}
		want := fmt.Sprintf("client %v: %s: ", c.LocalAddr(), call)
		if last := s.Stderr.Last(); !strings.HasPrefix(last, want) {
			return &Failure{Sent: call + " fails for a client", Want: want + unix.ENOMEM.Error(), Got: last}
		}
		if err := errors.Join(others[0].ping(), s.alive()); err != nil {
			return After(err, call+" fails for another client")
		}
	}
	return nil
}

func selectBroken(t *Target) error {
	for _, errno := range []unix.Errno{unix.EBADF, unix.EINVAL} {
		s, k, err := t.startHostile(proc.Command{})
		if err != nil {
			return err
		}
		defer s.Kill()
		all, err := s.dialMany(1)
		if err != nil {
			return s.Explain(err)
		}
		defer all.close()
		k.set("select", always(errno))
		all[0].send(all[0].next(all[0].out.Load())) // it may be too late for that
		if err := s.endsWith("select"); err != nil {
			return s.Explain(After(err, "select(2) fails with "+unix.ErrnoName(errno)))
		}
	}
	return nil
}

// listenerBeyond starts a server that has inherited so many descriptors that its
// listener is beyond an fd_set, and then so many fewer that it just is.
func listenerBeyond(t *Target) error {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	if lim.Cur < unix.FD_SETSIZE+100 {
		return Skipf("only %d descriptors here (ulimit -n)", lim.Cur)
	}
	inherited := unix.FD_SETSIZE
	number, err := t.listenerAt(inherited)
	if err == nil && number > unix.FD_SETSIZE {
		_, err = t.listenerAt(inherited - (number - unix.FD_SETSIZE))
	}
	return err
}

// listenerAt wants a server that has inherited n descriptors to refuse to start. It
// returns the number of its listener.
func (t *Target) listenerAt(n int) (number int, err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	with := proc.Command{Files: map[string]*os.File{}}
	for i := range n {
		with.Files[strconv.Itoa(i)] = null
	}
	p, err := t.Spawn(with, "-addr", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer p.Kill()
	s := &Server{Promises: t.Promises, Process: p}
	if err = s.endsWith("descriptor"); err == nil {
		number, err = numberIn(s.Stderr.Last())
	}
	return number, s.Explain(After(err, fmt.Sprintf("started with %d more descriptors than usual", n)))
}

var descriptorNumber = regexp.MustCompile(`\d{4,}`)

// numberIn finds the number of a descriptor that is beyond an fd_set.
func numberIn(line string) (int, error) {
	n, err := strconv.Atoi(descriptorNumber.FindString(line))
	if err != nil || n < unix.FD_SETSIZE {
		return 0, &Failure{Want: fmt.Sprintf("the number of a descriptor, %d or more", unix.FD_SETSIZE), Got: line}
	}
	return n, nil
}
