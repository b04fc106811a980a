package exercisetest

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

var edge = Exercise{
	Name:     "04-edge",
	Rung:     "04-kqueue",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	NotGraded: []string{
		"your predictions, and the system calls you counted",
		"a call of epoll_ctl that changes nothing",
		"the poller of the systems that you do not have",
	},
	Checks: append([]echotest.Check{
		{Name: "burst", Proof: on(edgeBurst),
			Promise: "a burst that arrives at once, and nothing after it, comes back whole",
			Cause:   "read once per event: a descriptor that stays ready does not become ready, so there is no other event; read until EAGAIN"},
		{Name: "room-again", Proof: on(sendsTheRest),
			Promise: "what did not fit in the socket is sent when there is room, even if no more input comes",
			Cause:   "a short write without an attempt until EAGAIN, or the event for writing is not used"},
		{Name: "registered-once", Proof: on(edgeRegisteredOnce),
			Promise: "a client is registered when it comes, for both and edge-triggered, and stays so until it leaves",
			Cause:   "interest is switched on and off, as level-triggered events need it, or EPOLLET is not set"},
		{Name: "many-waiting", Proof: on(edgeDoor),
			Promise: "all clients that wait to be accepted are, even if there are a hundred",
			Cause:   "accept stops before EAGAIN, and the listener is not reported again until somebody else comes"},
		{Name: "gone-is-gone", Proof: on(edgeGone),
			Promise: "no client is visited again when it has left, though it left with a visit still to come",
			Cause:   "a timer still calls visit for a client that was dropped, whose descriptor is closed or is another client's by then: keep one in c.again, and stop it in drop"},
		// A client is registered for reading, then for both: narration-order expects
		// one call. And accept may come back by a timer of the same turn, as the hint
		// says, before those whom it has let in are served: accept-turns forbids that.
	}, first(without(echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}), "narration-order", "accept-turns"), "turns-are-fair")...),
}

// edgeBurst sends, in one write, what the server needs twelve reads for.
func edgeBurst(s *server) error {
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Exchange("hello", "hello"); err != nil {
		return err
	}
	burst := strings.Repeat("0123456789abcdef", 48<<10/16)
	err = c.Exchange(burst, burst)
	return echotest.After(err, "a burst of 48 KiB, of which a read takes 4 KiB")
}

// edgeRegisteredOnce has a client talk, stop reading, and read on. At all of these
// times the kernel must show the registration that it began with.
func edgeRegisteredOnce(s *server) error {
	c, err := s.Connect(16 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Exchange("hello", "hello"); err != nil {
		return err
	}
	if err := s.edgeForBoth(c); err != nil {
		return err
	}
	sent, err := c.Overfeed([]byte(strings.Repeat("x", 64<<10)), endless)
	if err == nil {
		err = s.edgeForBoth(c)
	}
	if err != nil {
		return echotest.After(err, fmt.Sprintf("%d bytes, none of which the client reads", sent))
	}
	if err := c.Recv(strings.Repeat("x", int(sent))); err != nil {
		return err
	}
	if err := c.Exchange("goodbye", "goodbye"); err != nil {
		return err
	}
	return echotest.After(s.edgeForBoth(c), fmt.Sprintf("%d bytes, which the client reads late", sent))
}

// edgeForBoth wants c to be registered for reading and writing, edge-triggered.
func (s *server) edgeForBoth(c *echotest.Conn) error {
	list, err := s.Registrations()
	if err != nil {
		return err
	}
	fd, err := s.descriptorOf(c.LocalAddr())
	if err != nil {
		return err
	}
	got := "it is not registered"
	for _, r := range list {
		switch {
		case r.FD != fd || r.Runtime:
		case r.Read && r.Write && r.Edge:
			return nil
		default:
			got = fmt.Sprintf("reading: %v, writing: %v, edge-triggered: %v", r.Read, r.Write, r.Edge)
		}
	}
	return &echotest.Failure{Want: "the client registered for reading and writing, edge-triggered", Got: got}
}

// edgeGone has clients send more than a visit takes, read along, and leave: at once
// after the last byte, when visits are still to come.
func edgeGone(s *server) error {
	burst := strings.Repeat("0123456789abcdef", 4<<20/16)
	for range 20 {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		sent := make(chan error, 1)
		go func() {
			err := c.Send(burst)
			c.CloseWrite()
			sent <- err
		}()
		err = c.Recv(burst)
		c.Close()
		if err := errors.Join(<-sent, err); err != nil {
			return err
		}
	}
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Exchange("hello", "hello"); err != nil {
		return err
	}
	if log := s.Stderr.Excerpt(); log != "" {
		return &echotest.Failure{Sent: "20 clients, one after the other, who send 4 MiB, read them and leave", Want: "nothing in the log", Got: log}
	}
	return nil
}

// edgeDoor connects more clients than are let in at a time while the server is
// suspended, so that it hears of all of them at once.
func edgeDoor(s *server) error {
	if err := s.Suspend(); err != nil {
		return err
	}
	var all []*echotest.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	const clients = 100 // more than are let in at a time, and fewer than the shortest backlog, 128
	for range clients {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	if err := s.Signal(unix.SIGCONT); err != nil {
		return err
	}
	for i, c := range all {
		if err := c.Exchange("hello", "hello"); err != nil {
			return echotest.After(err, fmt.Sprintf("%d clients connect while the server is suspended, and number %d speaks", clients, i+1))
		}
	}
	return nil
}
