package echotest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitChecks: running out of something is survivable, quiet, and ends by itself.
var limitChecks = []Check{
	{Name: "churn", OnWire: true, Chapter: chapter1, Proof: limited(fewDescriptors, churn),
		Promise: "thousands of connections come and go, and no descriptor is lost",
		Cause:   "a path on which a client ends without close(2): end of file, reset, or an error just after accept"},
	{Name: "out-of-descriptors", Alone: true, Chapter: chapter2, when: concurrent, Proof: limited(fewDescriptors, outOfDescriptors),
		Promise: "when descriptors run out, clients already served go on, the log stays short, the CPU idle, and those waiting are served as others leave",
		Cause:   "EMFILE from accept(2) ends the server, or the listener stays readable and the loop spins: leave the listener alone for a moment"},
	{Name: "out-of-descriptors-alone", Alone: true, Chapter: chapter1, Proof: On(outOfDescriptorsAlone),
		Promise: "EMFILE with no client that could leave is retried within a moment, and logged once",
		Cause:   "EMFILE from accept(2) ends the server, is retried without a pause, or is retried only when a client leaves"},
	{Name: "beyond-fd-setsize", Chapter: chapter4, when: func(p Promises) bool { return p.Concurrent && !p.FDSet }, Proof: On(beyondFDSetsize),
		Promise: "more clients than fit in an fd_set are served",
		Cause:   "select(2), or a table of a fixed size"},
}

// fewDescriptors is what a server gets that is to run out of them.
const fewDescriptors = 48

// room is how many clients can be connected at once, at most want: both ends
// need descriptors, and an fd_set has its own limit.
func (s *Server) room(want int) (int, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, err
	}
	n := want
	if have := uint64(lim.Cur); have < uint64(want)+200 {
		n = int(have) - 200
	}
	if s.FDSet {
		n = min(n, unix.FD_SETSIZE-40)
	}
	if n < 50 {
		return 0, Skipf("only %d descriptors here (ulimit -n)", lim.Cur)
	}
	return n, nil
}

// churn needs no count of descriptors: the server has so few that any leak
// brings it to an end.
func churn(s *Server) error {
	const rounds, width = 250, 8
	errs := make(chan error, width)
	for w := range width {
		go func() {
			var err error
			for i := 0; i < rounds && err == nil; i++ {
				err = s.comeAndGo(i + w)
			}
			errs <- err
		}()
	}
	var first error
	for range width {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	if first != nil {
		return After(first, fmt.Sprintf("%d connections, %d at a time, that end in four ways", rounds*width, width))
	}
	return s.alive()
}

// comeAndGo is one short connection. Most end with a reset, which leaves no
// TIME_WAIT behind: a machine has only so many ports.
func (s *Server) comeAndGo(i int) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(100), 300))
	if err != nil {
		return err
	}
	defer c.Close()
	switch i % 4 {
	case 0: // says nothing
	case 1: // leaves before the reply
		err = c.send(c.next(0))
	case 2: // leaves after the reply
		err = c.ping()
	case 3: // leaves politely
		if err = c.ping(); err == nil {
			err = c.finish()
		}
	}
	c.Reset()
	return err
}

// outOfDescriptors has more than twice as many clients come as there is room
// for; some kernels let no more than 128 wait.
func outOfDescriptors(s *Server) error {
	first, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer first.close()
	var all clients
	defer func() { all.close() }()
	for range 2 * fewDescriptors {
		c, err := s.dial()
		if err != nil {
			return err // the backlog is longer than this
		}
		all = append(all, c)
		if err := c.send(c.next(0)); err != nil {
			return err
		}
	}
	for range 50 {
		if err := first[0].ping(); err != nil {
			return After(err, fmt.Sprintf("%d more clients than there are descriptors", fewDescriptors))
		}
	}
	if err := s.still("the listener stays readable while accept(2) fails: leave it alone until a moment has passed or a client has left"); err != nil {
		return err
	}
	if err := s.said(1); err != nil {
		return After(err, fmt.Sprintf("%d more clients than there are descriptors, none of which leaves", fewDescriptors))
	}
	if err := leaveInTurn(all); err != nil {
		return err
	}
	if err := first[0].ping(); err != nil {
		return err
	}
	return errors.Join(s.alive(), s.shortLog(20))
}

// leaveInTurn wants each client to be served once those before it have left.
func leaveInTurn(all clients) error {
	for i, c := range all {
		if err := c.recv(c.out.Load()); err != nil {
			return After(err, fmt.Sprintf("%d clients wait for a descriptor; %d have been served and have left", len(all)-i, i))
		}
		c.Close()
	}
	return nil
}

// shortLog wants at most n lines on standard error.
func (s *Server) shortLog(n int) error {
	if s.Process == nil {
		return nil
	}
	if got := len(s.Stderr.All()); got > n {
		return &Failure{Want: fmt.Sprintf("at most %d lines on standard error", n), Got: fmt.Sprintf("%d lines", got),
			Cause: "a line for each failing call: log once when the trouble begins"}
	}
	return nil
}

// said wants n lines on standard error, no more and no fewer.
func (s *Server) said(n int) error {
	if s.Stderr.WaitAll(patience, func(list []string) bool { return len(list) >= n }); len(s.Stderr.All()) == n {
		return nil
	}
	return &Failure{Want: fmt.Sprintf("lines on standard error: %d, one when the trouble begins", n), Got: fmt.Sprintf("%d:\n%s", len(s.Stderr.All()), s.Stderr.Excerpt()),
		Cause: "a line for each failing call, or none when the trouble comes back"}
}

// outOfDescriptorsAlone lowers the limit of a server that runs, under what it
// has open, so that no client's leaving can help; and lifts it again.
func outOfDescriptorsAlone(s *Server) error {
	if err := s.alive(); err != nil { // has opened what it needs
		return err
	}
	lift, err := s.lowerLimit()
	if err != nil {
		return err
	}
	defer lift()
	waiting, err := s.unserved()
	if err != nil {
		return err
	}
	defer waiting.Close()
	if err := s.still("accept(2) is retried without a pause while it fails"); err != nil {
		return err
	}
	if err := s.said(1); err != nil {
		return After(err, "no descriptor is left")
	}
	if err := errors.Join(lift(), waiting.recv(waiting.out.Load())); err != nil {
		return After(err, "no descriptor was left, and then there are some again")
	}
	waiting.Close()
	return errors.Join(s.alive(), s.said(1))
}

// unserved returns a client that waits for a descriptor. A server asleep in
// accept(2) has its next descriptor already, so the first may be served.
func (s *Server) unserved() (*client, error) {
	for range 3 {
		c, err := s.dial()
		if err != nil {
			return nil, err
		}
		if err := c.send(c.next(0)); err != nil {
			return nil, err
		}
		if c.Silent(100*time.Millisecond) == nil {
			return c, nil
		}
		c.Close()
	}
	return nil, Skipf("the lowered limit had no effect")
}

func beyondFDSetsize(s *Server) error {
	want := unix.FD_SETSIZE + 100
	if n, err := s.room(want); err != nil {
		return err
	} else if n < want {
		return Skipf("room for only %d clients (ulimit -n), not for %d", n, want)
	}
	all, err := s.dialWaves(want)
	defer all.close()
	if err != nil {
		return After(err, fmt.Sprintf("%d clients at once", want))
	}
	return s.still("idle clients cost CPU")
}

// turnedAway tells whether the server has closed the connection unasked.
func turnedAway(c *client) (bool, error) {
	if err := c.ping(); err == nil {
		return false, nil
	}
	c.SetReadDeadline(time.Now().Add(patience))
	_, err := c.Read(make([]byte, 1))
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		return false, &Failure{Sent: c.told(), Want: "an echo, or the end of the connection", Got: "neither"}
	}
	return err != nil || errors.Is(err, syscall.EPIPE), nil
}
