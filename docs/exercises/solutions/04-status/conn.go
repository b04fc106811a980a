package main

import (
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/socket"
)

// A conn is one client.
type conn struct {
	fd     int
	peer   netip.AddrPort
	unsent []byte // read from the client, and not yet taken back by it
}

// A client is not read while it has unsent bytes: so it holds one buffer at most,
// and when its input ends, nothing is owed to it any more.
func (c *conn) wantsRead() bool  { return len(c.unsent) == 0 }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 }

// read reads once, so that a client who never stops sending leaves the others
// their turn, and echoes. The error is io.EOF at the end of the input.
func (c *conn) read(buf []byte) error {
	n, err := socket.ReadNow(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return io.EOF
	}
	return c.write(buf[:n])
}

// flush tries again to send what is unsent.
func (c *conn) flush() error {
	return c.write(c.unsent)
}

// write sends what there is room for, and keeps a copy of the rest.
func (c *conn) write(p []byte) error {
	n, err := socket.WriteNow(c.fd, p)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.unsent = append(c.unsent[:0], p[n:]...)
	if len(c.unsent) == 0 {
		c.unsent = nil // an idle client holds no memory
	}
	return nil
}
