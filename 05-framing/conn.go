package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/05-framing/eventloop"
	"example/tcpladder/05-framing/frame"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/socket"
)

var (
	maxFrame    = cli.Bytes("max-frame", 1<<20, "close a client that announces a frame of more than this many `bytes`")
	writeBuffer = cli.Bytes("write-buffer", 256<<10, "do not read a client that has left this many `bytes` of replies unread")
	idleTimeout = cli.Duration("idle-timeout", 0, "close a client that takes no reply for this `duration`; 0s: never")
)

// To close a socket with unread input makes the kernel send a reset, and that can
// destroy what the client was sent last (RFC 1122, 4.2.2.13; RFC 9112, 9.6). So a
// client that has to go is told that nothing more will come, and then read and
// ignored until it goes, but not for longer than this, nor for more bytes.
const lingerTime, lingerBytes = 2 * time.Second, 16 << 20

// handle is what this server is for. Put something else here.
var handle frame.Handler = func(reply, payload []byte) []byte { return append(reply, payload...) }

var errStopped, errIdle = errors.New("the server stops"), errors.New("no progress: closed")
var serverStart = time.Now() // a moment counted from here needs 8 bytes, a time.Time 24
var scratch []byte           // where replies are put together, whoever they are for

// A conn is one client. As nothing is read while out is full, in and out together
// hold at most writeBuffer + maxFrame + one read. An idle client has neither.
type conn struct {
	fd        int
	peer      netip.AddrPort
	in        []byte           // not answered yet: part of a frame or, while paused, frames
	out       []byte           // answers not sent yet
	end       error            // why there will be no more answers; nil: there will be
	paused    bool             // out has been full, and is not half empty yet
	lingering bool             // the last answer is sent, what comes is ignored
	ignored   int32            // bytes, so far: little more than lingerBytes
	since     time.Duration    // when it last made progress, counted from serverStart
	timer     *eventloop.Timer // see server.limit
}

func (c *conn) wantsRead() bool {
	return c.lingering && c.ignored < lingerBytes || c.end == nil && !c.paused
}
func (c *conn) wantsWrite() bool { return len(c.out) > 0 }

// read reads once, so that a client who never stops sending leaves the others
// their turn, and answers whole frames. The error is io.EOF when that was all.
func (c *conn) read(buf []byte) error {
	n, err := socket.ReadNow(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return c.endOfInput()
	case c.lingering:
		if c.end != errStopped { // a stop has a limit of its own
			c.ignored += int32(n)
		}
		return nil
	case len(c.in) > 0:
		return c.answer(append(c.in, buf[:n]...), false)
	}
	return c.answer(buf[:n], true)
}

// flush sends what is queued. Then there may be room to answer frames that came
// before: no event will tell of these, they have been read already.
func (c *conn) flush() error {
	if err := c.send(nil); err != nil {
		return err
	}
	return c.answer(c.in, false)
}

// answer answers the whole frames at the start of in until the client is paused,
// and keeps the rest: a copy if in is lent or mostly answered. While there is any
// room, a reply is taken however long it is; or the longest could never be sent.
func (c *conn) answer(in []byte, lent bool) error {
	rest := in
	for c.end == nil && !c.paused {
		var err error
		scratch, rest, err = frame.Answer(scratch[:0], rest, *maxFrame, *writeBuffer-len(c.out), handle)
		if err != nil {
			log.Printf("client %v: %v", c.peer, err)
			c.end = err
		}
		if len(scratch) == 0 {
			break
		}
		if err := c.send(scratch); err != nil {
			return err
		}
	}
	switch {
	case c.end != nil || len(rest) == 0:
		c.in = nil
	case lent || len(rest) <= len(in)/2:
		c.in = bytes.Clone(rest)
	default:
		c.in = rest
	}
	return c.next()
}

// send sends what is queued and p behind it, all in one write. What there is no
// room for is queued.
func (c *conn) send(p []byte) error {
	queued := len(c.out) > 0
	if queued {
		c.out = append(c.out, p...)
		p = c.out
	}
	n, err := socket.WriteNow(c.fd, p)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	if n > 0 && *idleTimeout > 0 {
		c.since = time.Since(serverStart)
	}
	switch {
	case n == len(p):
		c.out = nil
	case queued:
		c.out = p[n:]
	default:
		c.out = bytes.Clone(p[n:])
	}
	// Two marks, so that it does not stop and go with every byte.
	if len(c.out) >= *writeBuffer {
		c.paused = true
	} else if len(c.out) <= *writeBuffer/2 {
		c.paused = false
	}
	return nil
}

// endOfInput ends the client after its last byte. It may still be listening.
func (c *conn) endOfInput() error {
	c.end = io.EOF
	if len(c.in) > 0 {
		log.Printf("client %v: input ends inside a frame, %d bytes dropped", c.peer, len(c.in))
		c.in = nil
	}
	return c.next()
}

// stop ends the client because the server stops.
func (c *conn) stop() error {
	if c.end == nil {
		c.end, c.in = errStopped, nil
	}
	return c.next()
}

// next moves on a client that is ending, when all is sent.
func (c *conn) next() error {
	switch {
	case c.end == nil || len(c.out) > 0:
		return nil
	case c.end == io.EOF:
		return io.EOF
	case c.lingering:
		return nil
	}
	c.lingering, c.since = true, time.Since(serverStart)
	c.timer.Stop()
	c.timer = nil
	return os.NewSyscallError("shutdown", socket.ShutdownWrite(c.fd))
}

// patience is how long the client may go without progress; 0: for ever.
func (c *conn) patience() time.Duration {
	if c.lingering {
		return lingerTime
	}
	return *idleTimeout
}
