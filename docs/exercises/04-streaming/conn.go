package main

import (
	"errors"
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/04-kqueue/eventloop"
	"example/tcpladder/shared/socket"
)

// maxUnsent bounds the bytes kept for a client that does not read. One that
// leaves more unread is dropped: if the operator waited for it, the other clients
// would wait too.
const maxUnsent = 256 << 10

var errSlow = errors.New("does not read what it is sent")

// A conn is one client.
type conn struct {
	fd        int
	peer      netip.AddrPort
	number    int              // of its place; negative: it has none
	line      []byte           // begun, and not ended yet
	unsent    []byte           // what it is to be sent
	ended     bool             // it is not listened to any more
	lingering bool             // and all is sent
	timer     *eventloop.Timer // ends that
}

func (c *conn) wantsRead() bool  { return c.lingering || !c.ended }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 }

// read reads once, and hands what it got to heard. It returns io.EOF at the end of
// the input of a client that lingers.
func (c *conn) read(buf []byte, heard func(c *conn, p []byte)) error {
	n, err := socket.TryRead(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0 && c.lingering:
		return io.EOF
	case n == 0:
		c.ended = true
	case !c.lingering:
		heard(c, buf[:n])
	}
	return nil
}

// send queues p behind what is unsent. The next visit sends it.
func (c *conn) send(p []byte) { c.unsent = append(c.unsent, p...) }

// flush sends what is unsent.
func (c *conn) flush() error {
	n, err := socket.TryWrite(c.fd, c.unsent)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.unsent = c.unsent[n:]
	if len(c.unsent) == 0 {
		c.unsent = nil // an idle client holds no memory
	}
	if len(c.unsent) > maxUnsent {
		return errSlow
	}
	return nil
}
