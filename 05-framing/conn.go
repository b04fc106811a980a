package main

import (
	"log"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"example/tcpladder/05-framing/frame"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/memory"
	"example/tcpladder/shared/socket"
)

var (
	maxFrame = cli.Bytes("max-frame", 1<<20,
		"drop a client whose frame is longer than this many `bytes`")
	writeBuffer = cli.Bytes("write-buffer", 256<<10,
		"stop reading from a client that leaves this many `bytes` of replies unread")
)

// handle is what this server is for. Put something else here.
func handle(reply, message []byte) []byte { return append(reply, message...) }

const maxWrite = 256 << 10 // bytes at a time: a long reply must not keep the others waiting

// replies is where the replies of one turn are put together, for any client.
var replies []byte

// A conn is one client. It is not read while it is paused, so received and unsent
// together hold at most writeBuffer + maxFrame + one read.
type conn struct {
	fd       int
	peer     netip.AddrPort
	received []byte // part of a frame or, while paused, frames
	unsent   []byte // replies for which there was no room
	paused   bool   // unsent has reached writeBuffer, and is not down to half of it
	ending
}

func (c *conn) wantsRead() bool  { return c.reason == nil && !c.paused || c.ignores() }
func (c *conn) wantsWrite() bool { return len(c.unsent) > 0 }

// read reads once and answers the frames that are whole.
func (c *conn) read(buf []byte) error {
	n, err := socket.TryRead(c.fd, buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0:
		c.endOfInput()
		return nil
	case c.reason != nil:
		c.ignored += n
		return nil
	}
	return c.answer(buf[:n])
}

// answer answers the whole frames in received, and then in more, until the
// client is paused, and keeps the rest. As long as there is any room, a reply is
// taken however long it is: otherwise the longest could never be sent.
func (c *conn) answer(more []byte) error {
	codec := frame.Codec{Max: *maxFrame, Handle: handle}
	c.received, more = codec.Complete(c.received, more)
	complete := c.received
	for c.reason == nil && !c.paused {
		var err error
		room := *writeBuffer - len(c.unsent)
		replies, c.received, err = codec.Answer(replies[:0], c.received, room)
		if err == nil && len(c.received) == 0 {
			replies, more, err = codec.Answer(replies, more, room)
		}
		if err != nil {
			log.Printf("client %v: %v", c.peer, err)
			c.reason, c.received, more = err, nil, nil
		}
		if len(replies) == 0 {
			break
		}
		if err := c.write(replies); err != nil {
			return err
		}
	}
	if len(c.received) < len(complete) || len(complete) == 0 {
		if len(c.received) > 0 {
			more = c.received
		}
		c.received = memory.Keep(more)
		memory.Put(complete)
	}
	replies = memory.Trim(replies)
	return nil
}

// flush sends what is unsent, and then answers the frames in received: no event
// will come for these, they have been read already.
func (c *conn) flush() error {
	if err := c.write(nil); err != nil {
		return err
	}
	return c.answer(nil)
}

// write sends what there is room for, and keeps the rest.
func (c *conn) write(p []byte) error {
	queued := len(c.unsent) > 0
	if queued {
		c.unsent = append(c.unsent, p...) // in order: p goes last
		p = c.unsent
	}
	n, err := socket.TryWrite(c.fd, p[:min(len(p), maxWrite)])
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	c.sent(n)
	switch {
	case n == len(p):
		memory.Put(c.unsent)
		c.unsent = nil // an idle client holds no memory
	case queued && n < len(p)/2:
		c.unsent = slices.Delete(c.unsent, 0, n)
	default: // p is a buffer that all clients share, or mostly sent
		rest := memory.Keep(p[n:])
		memory.Put(c.unsent)
		c.unsent = rest
	}
	// Two marks, so that a client is not paused and resumed with every byte.
	if len(c.unsent) >= *writeBuffer {
		c.paused = true
	} else if len(c.unsent) <= *writeBuffer/2 {
		c.paused = false
	}
	return nil
}
