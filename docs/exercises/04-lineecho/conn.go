package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/04-kqueue/eventloop"
	"example/tcpladder/shared/socket"
)

// maxLine is the length of the longest line that is echoed, in bytes, with its
// newline. A client holds a buffer of that size as long as it is there, and at
// most as many unsent bytes.
const maxLine = 16 << 10

// lingerTime is how long a client that was shown out may take to leave; it is read
// and ignored meanwhile. To close a socket with unread input destroys what was sent
// on it last: the kernel answers with a reset (RFC 1122, 4.2.2.13).
const lingerTime = 2 * time.Second

var errTooLong = fmt.Errorf("a line of more than %d bytes", maxLine)

var _ = errTooLong // given: for the log, from echo

// A conn is one client, in the shapes that package io and its relatives know.
type conn struct {
	loop      *eventloop.Loop
	fd        int
	peer      netip.AddrPort
	in        *bufio.Reader    // reads from the conn itself
	unsent    []byte           // echoed, and not yet taken by the client
	ended     bool             // the last line has been echoed
	lingering bool             // and sent: what comes is ignored
	timer     *eventloop.Timer // ends that
}

var _ interface {
	io.ReadWriteCloser
	fmt.Stringer
} = (*conn)(nil)

func newConn(loop *eventloop.Loop, fd int, peer netip.AddrPort) *conn {
	c := &conn{loop: loop, fd: fd, peer: peer}
	c.in = bufio.NewReaderSize(c, maxLine)
	return c
}

// Read reads once, see io.Reader. The error is io.EOF at the end of the input, and
// unix.EAGAIN while there is none.
func (c *conn) Read(p []byte) (int, error) {
	// Your part.
	log.Fatal("not implemented yet")
	return 0, nil
}

// Write takes all of p, see io.Writer: it must not return fewer than len(p)
// without an error. What the kernel has no room for is kept in unsent.
func (c *conn) Write(p []byte) (int, error) {
	// Your part.
	log.Fatal("not implemented yet")
	return 0, nil
}

// Close closes the connection at the end of the loop's turn.
func (c *conn) Close() error {
	c.timer.Stop()
	c.loop.Remove(c.fd)
	return nil
}

// String is the client's address.
func (c *conn) String() string { return c.peer.String() }

// A client is not read while it has unsent bytes, so that it can not make them
// more and more.
func (c *conn) wantsRead() bool  { return c.lingering || !c.ended && len(c.unsent) == 0 }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 }

// readable reads once, so that a client who sends without end leaves the others
// their turn, and echoes by way of out. The error is io.EOF when the client is
// finished with.
func (c *conn) readable(out *bufio.Writer) error {
	if c.lingering {
		return c.ignore()
	}
	_, err := c.in.Peek(c.in.Buffered() + 1) // one more byte than there are: one Read
	if err == unix.EAGAIN {
		return nil
	}
	if err == io.EOF && c.in.Buffered() > 0 {
		log.Printf("client %v: input ends inside a line, %d bytes dropped", c, c.in.Buffered())
	}
	if err != nil {
		return err
	}
	out.Reset(c)
	if err := c.echo(out); err != nil {
		return err
	}
	return c.next()
}

// echo writes the whole lines in the buffer c.in to out, up to an empty one, and
// flushes out.
func (c *conn) echo(out *bufio.Writer) error {
	// Your part. What is left in the buffer has to stay there.
	log.Fatal("not implemented yet")
	return out.Flush()
}

// writable sends what is unsent.
func (c *conn) writable() error {
	n, err := socket.WriteNow(c.fd, c.unsent)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.unsent = bytes.Clone(c.unsent[n:]) // in the end, none
	return c.next()
}

// next shows out a client that has ended, when all is sent.
func (c *conn) next() error {
	if !c.ended || len(c.unsent) > 0 {
		return nil
	}
	c.lingering = true
	return os.NewSyscallError("shutdown", socket.ShutdownWrite(c.fd))
}

var ignored [maxLine]byte

// ignore reads what is not wanted, until the client leaves.
func (c *conn) ignore() error {
	_, err := c.Read(ignored[:])
	if err == unix.EAGAIN {
		return nil
	}
	return err
}
