package exercisetest

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

var edge = Exercise{
	Name:     "04-edge",
	Rung:     "04-kqueue",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	Checks: append([]echotest.Check{
		{Name: "burst", Proof: on(edgeBurst),
			Promise: "a burst that arrives at once, and nothing after it, comes back whole",
			Cause:   "read once per event: a descriptor that stays ready does not become ready, so there is no other event; read until EAGAIN"},
		{Name: "room-again", Proof: on(edgeRoomAgain, "-v=json"),
			Promise: "what did not fit in the socket is sent when there is room, even if no more input comes",
			Cause:   "a short write without an attempt until EAGAIN, or the event for writing is not used"},
		{Name: "registered-once", Proof: on(edgeRegisteredOnce, "-v=json"),
			Promise: "a client is registered when it comes, for both, and no system call changes that until it leaves",
			Cause:   "interest is switched on and off, as level-triggered events need it"},
		{Name: "many-waiting", Proof: on(edgeDoor),
			Promise: "all clients that wait to be accepted are, even if there are a hundred",
			Cause:   "accept stops before EAGAIN, and the listener is not reported again until somebody else comes"},
		// A client is registered for reading, then for both: narration-order expects
		// one call.
	}, without(echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}), "narration-order")...),
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

// edgeRoomAgain sends piece by piece, each when the last one was written, and stops
// as soon as a write falls short: no event for reading will help the server.
func edgeRoomAgain(s *server) error {
	c, err := s.Connect(16 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	story := s.story()
	var sent strings.Builder
	for owed := int64(0); owed == 0; {
		piece := fmt.Sprintf("%-4000d", sent.Len())
		if err := c.Send(piece); err != nil {
			return err
		}
		sent.WriteString(piece)
		if owed, err = story.owed(c, int64(sent.Len())); err != nil {
			return echotest.After(err, fmt.Sprintf("%d bytes, in pieces of 4000", sent.Len()))
		}
		if sent.Len() > endless {
			return echotest.Failf("64 MiB, of which nothing was read back, and no write fell short")
		}
	}
	return echotest.After(c.Recv(sent.String()), fmt.Sprintf("%d bytes, until one write fell short, and nothing more", sent.Len()))
}

// owed waits until the server has read the bytes that c has sent and goes to sleep,
// and returns how many of them it has not written by then.
func (s *story) owed(c *echotest.Conn, sent int64) (int64, error) {
	_, err := s.until(func(*echotest.Object) bool {
		d := s.served(c)
		return s.asleep && d != nil && d.Read == sent
	})
	if err != nil {
		return 0, err
	}
	return sent - s.served(c).Written, nil
}

// edgeRegisteredOnce has a client talk, stop reading, and read on. All of that
// must be possible with the registration that it began with.
func edgeRegisteredOnce(s *server) error {
	c, err := s.Connect(16 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	story := s.story()
	if err := c.Exchange("hello", "hello"); err != nil {
		return err
	}
	if _, err := story.owed(c, 5); err != nil {
		return err
	}
	if w := story.served(c).Want; !w.Read || !w.Write {
		return echotest.Failf("the client is registered for reading: %v, for writing: %v", w.Read, w.Write)
	}
	sent, err := c.Overfeed([]byte(strings.Repeat("x", 64<<10)), endless)
	if err != nil {
		return err
	}
	stuck := func(d *echotest.Descriptor) bool { return d.Read > d.Written }
	if err := story.unchanged(c, stuck); err != nil {
		return echotest.After(err, fmt.Sprintf("%d bytes, none of which the client reads", sent))
	}
	if err := c.Recv(strings.Repeat("x", int(sent))); err != nil {
		return err
	}
	if err := c.Exchange("goodbye", "goodbye"); err != nil {
		return err
	}
	all := func(d *echotest.Descriptor) bool { return d.Written == sent+12 }
	return echotest.After(story.unchanged(c, all), fmt.Sprintf("%d bytes, which the client reads late", sent))
}

// unchanged wants no call to change what is wanted of c before the server sleeps
// and done is true.
func (s *story) unchanged(c *echotest.Conn, done func(*echotest.Descriptor) bool) error {
	changed := false
	_, err := s.until(func(o *echotest.Object) bool {
		d := s.served(c)
		changed = o.FD == d.FD || !d.Want.Read || !d.Want.Write
		return changed || s.asleep && done(d)
	})
	if err == nil && changed {
		w := s.served(c).Want
		err = &echotest.Failure{Want: "no call to epoll_ctl or kevent for the client",
			Got: fmt.Sprintf("one, and then reading is wanted: %v, writing: %v", w.Read, w.Write)}
	}
	return err
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
