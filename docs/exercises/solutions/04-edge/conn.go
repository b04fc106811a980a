package main

import (
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/docs/exercises/04-edge/eventloop"
	"example/tcpladder/shared/socket"
)

// A conn is one client.
type conn struct {
	fd     int
	peer   netip.AddrPort
	unsent []byte           // the rest of an echo, for which there was no room
	again  *eventloop.Timer // visits it again, if the last visit was not enough
}

// A client is not read from while it has unsent bytes, so it costs at most one
// buffer, and is owed nothing when its input ends.
func (c *conn) wantsRead() bool  { return len(c.unsent) == 0 }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 }

// read reads once and echoes what it got. It returns io.EOF at the end of the
// input, and unix.EAGAIN if there is nothing to read, or no room for the echo.
func (c *conn) read(buf []byte) error {
	n, err := socket.TryRead(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return err
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return io.EOF
	}
	return c.write(buf[:n])
}

// write sends what there is room for, and keeps the rest. It returns unix.EAGAIN
// if there is no room at all.
func (c *conn) write(p []byte) error {
	n, err := socket.TryWrite(c.fd, p)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.unsent = append(c.unsent[:0], p[n:]...)
	if len(c.unsent) == 0 {
		c.unsent = nil // an idle client holds no memory
	}
	return err
}
