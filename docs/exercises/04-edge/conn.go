package main

import (
	"log"
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
	unsent []byte           // read from the client, and not yet taken back by it
	again  *eventloop.Timer // to come back, when it has had more than its share
}

// echo reads and echoes until the kernel says EAGAIN to the one or the other. Only
// then is there an event to come: a descriptor that stays ready is not reported
// again. If the client has more than its share, dry is false, and the caller has
// to come back. The error is io.EOF when the client has sent its last byte.
//
// A client is not read while it has unsent bytes. So it cannot make the server
// hold more than one buffer for it, and when read reports the end of its input
// nothing is owed to it any more.
func (c *conn) echo(buf []byte) (dry bool, err error) {
	// Your part. First goes what is unsent.
	log.Fatal("not implemented yet")
	return false, nil
}

// write sends p, and keeps a copy of what the kernel has no room for: p is the
// buffer of all clients. A short write is tried again: that there will be an
// event is only sure after EAGAIN.
func (c *conn) write(p []byte) error {
	for len(p) > 0 {
		n, err := socket.WriteNow(c.fd, p)
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			return os.NewSyscallError("write", err)
		}
		p = p[n:]
	}
	if len(p) == 0 {
		c.unsent = nil // an idle client holds no memory
		return nil
	}
	c.unsent = append(c.unsent[:0], p...)
	return nil
}
