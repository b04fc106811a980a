package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/04-kqueue/eventloop"
	"example/tcpladder/shared/cli"
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

// Read reads once, see io.Reader. It returns io.EOF at the end of the input, and
// unix.EAGAIN if there is nothing to read yet.
func (c *conn) Read(p []byte) (int, error) {
	// Your part.
	cli.Fatal(errors.New("not implemented yet"))
	return 0, nil
}

// Write takes all of p, see io.Writer: it must not return fewer than len(p)
// without an error. It keeps in unsent what there is no room for.
func (c *conn) Write(p []byte) (int, error) {
	// Your part.
	cli.Fatal(errors.New("not implemented yet"))
	return 0, nil
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

// echo writes the whole lines in the buffer c.in to out, up to an empty one, and
// flushes out.
func (c *conn) echo(out *bufio.Writer) error {
	// Your part. What is left in the buffer has to stay there. A line that is too
	// long ends the client, and is logged.
	cli.Fatal(errors.New("not implemented yet"))
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
