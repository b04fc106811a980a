package main

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/04-kqueue/eventloop"
	"example/tcpladder/shared/socket"
)

// maxLine is the length of the longest line that is echoed, in bytes, with its
// newline. A client holds a buffer of that size as long as it is there, and at
// most as many unsent bytes.
const maxLine = 16 << 10

// A conn is one client, in the shapes that package io and its relatives know.
type conn struct {
	loop      *eventloop.Loop
	fd        int
	peer      netip.AddrPort
	in        *bufio.Reader    // reads from the conn itself
	unsent    []byte           // the rest of an echo, for which there was no room
	ended     bool             // the last line has been echoed
	lingering bool             // and sent: what comes is ignored
	timer     *eventloop.Timer // ends that
}

func newConn(loop *eventloop.Loop, fd int, peer netip.AddrPort) *conn {
	c := &conn{loop: loop, fd: fd, peer: peer}
	c.in = bufio.NewReaderSize(c, maxLine)
	return c
}

// Read reads once. It returns io.EOF at the end of the input, and unix.EAGAIN if
// there is nothing to read yet: a bufio.Reader hands that on and can be asked again
// later, but for a bufio.Scanner every error is the end.
func (c *conn) Read(p []byte) (int, error) {
	n, err := socket.TryRead(c.fd, p)
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

// Write takes all of p, as package io demands of a Write without error. It keeps
// what there is no room for, behind what it has kept before.
func (c *conn) Write(p []byte) (int, error) {
	n := 0
	if len(c.unsent) == 0 {
		var err error
		n, err = socket.TryWrite(c.fd, p)
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
	return c.loop.Remove(c.fd)
}

// String returns the client's address.
func (c *conn) String() string { return c.peer.String() }

// A client is not read while it has unsent bytes: so it costs two buffers at most.
func (c *conn) wantsRead() bool  { return c.lingering || !c.ended && len(c.unsent) == 0 }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 }

// read reads once, and echoes the lines that are whole by way of out. It returns
// io.EOF at the end of the input.
func (c *conn) read(out *bufio.Writer) error {
	if c.lingering {
		c.in.Discard(c.in.Buffered())
	}
	_, err := c.in.Peek(c.in.Buffered() + 1) // one more than there are: one Read
	switch {
	case err == unix.EAGAIN:
		return nil
	case err == io.EOF && c.in.Buffered() > 0:
		log.Printf("client %v: input ends in a line, %d bytes dropped", c, c.in.Buffered())
	}
	if err != nil || c.lingering {
		return err
	}
	out.Reset(c)
	return c.echo(out)
}

// echo echoes the whole lines in the buffer, up to an empty one. What is left of
// them is the beginning of a line.
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
		log.Printf("client %v: a line of more than %d bytes", c, maxLine)
		c.ended = true
	}
	return out.Flush()
}

// flush sends what is unsent.
func (c *conn) flush() error {
	n, err := socket.TryWrite(c.fd, c.unsent)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.unsent = bytes.Clone(c.unsent[n:]) // in the end, nothing
	return nil
}
