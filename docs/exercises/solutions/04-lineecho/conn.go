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

// Read reads once. The error is io.EOF at the end of the input and unix.EAGAIN
// while there is none: a bufio.Reader hands that on and can be asked again later,
// but for a bufio.Scanner every error is the end.
func (c *conn) Read(p []byte) (int, error) {
	n, err := socket.ReadNow(c.fd, p)
	switch {
	case err == unix.EAGAIN:
		return 0, err
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write takes all of p, as package io demands of a Write without error. What the
// kernel has no room for is kept, behind what was kept before.
func (c *conn) Write(p []byte) (int, error) {
	n := 0
	if len(c.unsent) == 0 {
		var err error
		n, err = socket.WriteNow(c.fd, p)
		if err != nil && err != unix.EAGAIN {
			return n, os.NewSyscallError("write", err)
		}
	}
	c.unsent = append(c.unsent, p[n:]...)
	return len(p), nil
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

// echo echoes the whole lines in the buffer, up to an empty one. What is left of
// them is the beginning of one that is not whole.
func (c *conn) echo(out *bufio.Writer) error {
	for !c.ended {
		there, _ := c.in.Peek(c.in.Buffered())
		if bytes.IndexByte(there, '\n') < 0 {
			break
		}
		line, _ := c.in.ReadSlice('\n')
		if string(line) == "\n" || string(line) == "\r\n" {
			c.ended = true
		} else if _, err := out.Write(line); err != nil {
			return err
		}
	}
	if c.in.Buffered() == maxLine {
		log.Printf("client %v: %v", c, errTooLong)
		c.ended = true
	}
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
