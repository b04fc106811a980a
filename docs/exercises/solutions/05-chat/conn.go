package main

import (
	"fmt"
	"log"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/05-framing/frame"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/socket"
)

var (
	maxFrame = cli.Bytes("max-frame", 64<<10,
		"drop a client whose frame is longer than this many `bytes`")
	writeBuffer = cli.Bytes("write-buffer", 256<<10,
		"drop a client that leaves more than this many `bytes` unread")
)

// A conn is one client. After a visit it holds at most maxFrame and one read in
// received, and writeBuffer in unsent.
type conn struct {
	fd       int
	peer     netip.AddrPort
	received []byte // part of a frame
	unsent   []byte // what was said to it
	queued   bool   // deliver will send that
	room     *room  // nil: it has to join first
	name     string // in room
	ending
}

func (c *conn) wantsRead() bool  { return c.reason == nil || c.ignores() }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 && !c.queued }

// read reads once, and hands the messages that are whole to hear.
func (c *conn) read(buf []byte, hear func(c *conn, message []byte)) error {
	n, err := socket.TryRead(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		c.endOfInput()
		return nil
	case c.reason != nil:
		c.ignored += n
		return nil
	}
	c.received = append(c.received, buf[:n]...)
	for c.reason == nil {
		message, rest, err := frame.Cut(c.received, *maxFrame)
		if err != nil {
			log.Printf("client %v: %v", c.peer, err)
			c.reason = err
		}
		if message == nil {
			break
		}
		hear(c, message)
		c.received = rest
	}
	if c.reason != nil || len(c.received) == 0 {
		c.received = nil // an idle client holds no memory
	}
	return nil
}

// flush sends what is unsent. It returns an error for a client that does not keep
// up: to keep more for it would let it fill the server, to leave out messages
// would be a lie, and to wait for it would stop the room.
func (c *conn) flush() error {
	n, err := socket.TryWrite(c.fd, c.unsent)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.sent(n)
	c.unsent = c.unsent[n:]
	if len(c.unsent) == 0 {
		c.unsent = nil
	}
	if len(c.unsent) > *writeBuffer {
		return fmt.Errorf("too slow: %d bytes unread", len(c.unsent))
	}
	return nil
}
