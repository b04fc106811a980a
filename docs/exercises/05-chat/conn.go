package main

import (
	"encoding/binary"
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
	maxFrame    = cli.Bytes("max-frame", 64<<10, "close a client that announces a frame of more than this many `bytes`")
	writeBuffer = cli.Bytes("write-buffer", 256<<10, "close a client that has left more than this many `bytes` unread")
)

// To close a socket with unread input makes the kernel send a reset, and that
// destroys what the client has not read yet (RFC 1122, 4.2.2.13). So a client
// that has to go is told that nothing more will come, and then read and ignored
// until it goes, but not for longer than this, nor for more bytes.
const lingerTime, lingerBytes = 2 * time.Second, 16 << 20

var errStopped = errors.New("the server stops")

// A conn is one client. At the end of a turn it holds at most maxFrame and one
// read in in, and writeBuffer in out. An idle client has neither.
type conn struct {
	fd        int
	peer      netip.AddrPort
	hear      func(payload []byte) // what to do with a message
	room      *room                // nil: it has to join first
	name      string               // in room
	in        []byte               // not heard yet: part of a frame
	out       []byte               // said to it, and not sent yet
	queued    bool                 // waits for server.deliver
	end       error                // why it is heard no more; nil: it is
	lingering bool                 // all is sent, what comes is ignored
	ignored   int                  // bytes, so far
	timer     *eventloop.Timer     // the end of lingering
}

func (c *conn) wantsRead() bool {
	return c.lingering && c.ignored < lingerBytes || c.end == nil
}

// wantsWrite leaves out what was said in this turn: deliver will send that.
func (c *conn) wantsWrite() bool { return len(c.out) > 0 && !c.queued }

// read reads once, so that a client who never stops sending leaves the others
// their turn, and hears what is whole. The error is io.EOF when the client is
// finished with.
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
			c.ignored += n
		}
		return nil
	}
	c.in = append(c.in, buf[:n]...)
	return c.hearFrames()
}

// hearFrames hears the whole frames at the beginning of in, and keeps what is
// left.
func (c *conn) hearFrames() error {
	for c.end == nil {
		payload, rest, err := frame.Cut(c.in, *maxFrame)
		if err != nil {
			log.Printf("client %v: %v", c.peer, err)
			c.end = err
		}
		if payload == nil {
			break
		}
		c.hear(payload)
		c.in = rest
	}
	if c.end != nil || len(c.in) == 0 {
		c.in = nil
	}
	return c.next()
}

// queue puts a frame behind what is to be sent. It makes no system call: that is
// left to flush, which then sends all that was said in this turn at once.
func (c *conn) queue(payload []byte) {
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(len(payload)))
	c.out = append(c.out, payload...)
}

// flush sends what is queued.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return c.next()
	}
	n, err := socket.WriteNow(c.fd, c.out)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	if c.out = c.out[n:]; len(c.out) == 0 {
		c.out = nil
	}
	if len(c.out) > *writeBuffer {
		// Your part: it does not read, or too slowly.
		log.Fatal("not implemented yet")
	}
	return c.next()
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
	c.lingering = true
	return os.NewSyscallError("shutdown", socket.ShutdownWrite(c.fd))
}
