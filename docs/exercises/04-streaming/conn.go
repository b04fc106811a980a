package main

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/04-kqueue/eventloop"
	"example/tcpladder/shared/socket"
)

// maxUnsent bounds the bytes kept for a client that does not read. One that
// leaves more unread is disconnected: whoever waited for it would make the others
// wait too.
const maxUnsent = 256 << 10

// lingerTime is how long a client that is turned away may take to leave; it is read
// and ignored meanwhile. To close a socket with unread input destroys what was sent
// on it last: the kernel answers with a reset (RFC 1122, 4.2.2.13).
const lingerTime = 2 * time.Second

var errSlow = errors.New("does not read what it is sent")

// A conn is one client.
type conn struct {
	fd        int
	peer      netip.AddrPort
	number    int              // of its place; negative: there was none
	line      []byte           // begun, and not ended yet
	unsent    []byte           // at most maxUnsent
	ended     bool             // nothing it sends is of interest any more
	lingering bool             // and all is sent: what comes is ignored
	timer     *eventloop.Timer // ends that
}

func (c *conn) wantsRead() bool  { return c.lingering || !c.ended }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 }

// read reads once, so that a client who sends without end leaves the others
// their turn, and hands what it has read to heard. The error is io.EOF when the
// client is finished with.
func (c *conn) read(buf []byte, heard func(c *conn, p []byte)) error {
	n, err := socket.ReadNow(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0 && c.lingering:
		return io.EOF
	case c.lingering:
		return nil
	case n == 0:
		c.ended = true
		return c.next()
	}
	heard(c, buf[:n])
	return nil
}

// send sends p behind what is unsent.
func (c *conn) send(p []byte) error {
	n := 0
	if len(c.unsent) == 0 {
		var err error
		n, err = socket.WriteNow(c.fd, p)
		if err != nil && err != unix.EAGAIN {
			return os.NewSyscallError("write", err)
		}
	}
	if len(c.unsent)+len(p)-n > maxUnsent {
		return errSlow
	}
	c.unsent = append(c.unsent, p[n:]...)
	return c.next()
}

// flush tries again to send what is unsent.
func (c *conn) flush() error {
	n, err := socket.WriteNow(c.fd, c.unsent)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.unsent = bytes.Clone(c.unsent[n:]) // in the end, none
	return c.next()
}

// next moves on a client that has ended, when all is sent: one that was turned
// away may still be sending.
func (c *conn) next() error {
	if !c.ended || len(c.unsent) > 0 || c.lingering {
		return nil
	}
	if c.number >= 0 {
		return io.EOF
	}
	c.lingering = true
	return os.NewSyscallError("shutdown", socket.ShutdownWrite(c.fd))
}
