package main

import (
	"io"
	"net/netip"
	"os"

	"example/tcpladder/shared/socket"
)

// A conn is one client.
type conn struct {
	fd   int
	peer netip.AddrPort
	talk conversation
}

// read reads once and answers what it got. It returns io.EOF at the end of the
// input.
func (c *conn) read(buf []byte) error {
	n, err := socket.Read(c.fd, buf)
	switch {
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		return io.EOF
	}
	return c.write(c.talk.answer(buf[:n]))
}

// write sends p. A signal can cut even a blocking write short.
func (c *conn) write(p []byte) error {
	for len(p) > 0 {
		n, err := socket.Write(c.fd, p)
		if err != nil {
			return os.NewSyscallError("write", err)
		}
		p = p[n:]
	}
	return nil
}
