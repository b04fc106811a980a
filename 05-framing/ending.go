package main

import (
	"errors"
	"io"
	"log"
	"os"
	"time"

	"example/tcpladder/05-framing/eventloop"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/memory"
	"example/tcpladder/shared/socket"
)

var (
	idleTimeout = cli.Duration("idle-timeout", 0,
		"drop a client that takes no reply for this `duration`; 0s: never")
	drainTimeout = cli.Duration("drain", time.Second,
		"when stopping, give clients this `duration` to take what they are owed")
)

// If a socket is closed while input is unread or still to come, the kernel sends a
// reset (some only in the second case), which can destroy the last replies on their
// way (RFC 1122, 4.2.2.13; RFC 9112, 9.6). So when there will be no more replies, the
// server says so with shutdown(2), and then reads and ignores what comes until the
// client closes too: for lingerTime at most, and no more than lingerBytes.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

var (
	errStopped = errors.New("the server is stopping")
	errIdle    = errors.New("idle for too long")
)

// An ending is how far a client is on its way out.
type ending struct {
	reason    error            // why no more frames are answered; nil as long as they are
	lingering bool             // all replies are sent, and shutdown is done
	ignored   int              // bytes read since then
	progress  time.Time        // when the client last took a reply
	timer     *eventloop.Timer // runs out when that is too long ago
}

// endOfInput is called when read returns 0. The client may still take replies.
func (c *conn) endOfInput() {
	if len(c.received) > 0 {
		log.Printf("client %v: input ends in a frame, %d bytes dropped", c.peer, len(c.received))
	}
	c.reason, c.received = io.EOF, nil
}

// ignores reports whether c is read and ignored. When the server is stopping, only
// the time is limited.
func (c *conn) ignores() bool {
	return c.lingering && (c.ignored < lingerBytes || c.reason == errStopped)
}

// sent notes that the kernel has taken n bytes for the client.
func (c *conn) sent(n int) {
	if n > 0 && c.timer != nil {
		c.progress = time.Now()
	}
}

// finish takes a client that is ending one step further, and sees to it that no
// client stays longer than it may. It returns io.EOF for a client that is done.
func (s *server) finish(c *conn) error {
	owed := len(c.unsent) > 0
	switch {
	case c.reason == io.EOF && !owed:
		return io.EOF
	case c.reason != nil && !owed && !c.lingering:
		c.lingering = true
		c.timer.Stop()
		c.timer = nil
		if err := socket.ShutdownWrite(c.fd); err != nil {
			return os.NewSyscallError("shutdown", err)
		}
	}
	if c.timer == nil && c.timeout() > 0 {
		s.expireAfter(c, c.timeout())
	}
	return nil
}

// timeout is how long a client may go without progress; 0: forever.
func (c *conn) timeout() time.Duration {
	if c.lingering {
		return lingerTime
	}
	return *idleTimeout
}

// expireAfter drops c unless it makes progress within d. Progress comes too often
// to set the timer each time: when the timer is due, it checks how long ago the last
// progress was, and waits out the rest.
func (s *server) expireAfter(c *conn, d time.Duration) {
	c.timer = s.loop.After(d, func() {
		if left := c.timeout() - time.Since(c.progress); left > 0 {
			s.expireAfter(c, left)
		} else {
			s.drop(c, errIdle)
		}
	})
}

// drain stops accepting and answering. It returns when every client has what it
// is owed and has left, or when the time for that is over.
func (s *server) drain() error {
	s.draining = true
	s.retry.Stop()
	s.acceptFailed = false
	s.loop.Remove(s.listener)
	s.loop.After(*drainTimeout, s.loop.Stop)
	for _, c := range s.clients {
		if c.reason == nil {
			c.reason, c.received = errStopped, nil
		}
		s.visit(c)
	}
	if len(s.clients) == 0 {
		return nil
	}
	return s.loop.Run()
}

// forget is called for a client that is dropped.
func (s *server) forget(c *conn) {
	c.timer.Stop()
	memory.Put(c.received)
	memory.Put(c.unsent)
	if s.draining && len(s.clients) == 0 {
		s.loop.Stop()
	}
}
