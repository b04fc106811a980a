package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/05-framing/eventloop"
	"example/tcpladder/05-framing/frame"
	"example/tcpladder/shared/socket"
)

// bufferSize is the number of bytes read from one peer at a time, maxFrame the
// longest message that is taken from it.
const (
	bufferSize = 64 << 10
	maxFrame   = 1 << 20
)

// A state is how far a link has come.
type state int

const (
	initiated     state = iota // connect(2) has been called, and may still fail
	handshakeSent              // there is a connection; the hello is being sent
	awaitingAck                // the kernel has taken the last byte of the hello
	connected                  // the peer has said welcome
)

func (s state) String() string {
	return [...]string{"initiated", "handshake sent", "awaiting acknowledgement", "connected"}[s]
}

// wantsRead is true as soon as there is a connection: a peer may refuse before it
// has heard everything.
func (s state) wantsRead() bool  { return s >= handshakeSent }
func (s state) wantsWrite() bool { return s <= handshakeSent }

// A link is an outgoing connection. Nothing in it waits: an event or a timer
// brings it from one state to the next.
type link struct {
	*client
	peer   netip.AddrPort
	fd     int
	state  state
	unsent []byte           // of the hello
	in     []byte           // part of a frame
	timer  *eventloop.Timer // the end of its patience with this state
}

// A client is all links together.
type client struct {
	loop   *eventloop.Loop
	buf    []byte // what was just read, from whichever peer
	open   int    // links
	failed int    // links that ended before they were connected, or by an error
}

// connectAll shakes hands with all peers at once, so that those who are slow delay
// nobody, and listens until the last of them has left. It returns how many have
// failed.
func connectAll(ctx context.Context, peers []netip.AddrPort) (failed int, err error) {
	loop, err := eventloop.New()
	if err != nil {
		return 0, err
	}
	defer loop.Close()
	c := &client{loop: loop, buf: make([]byte, bufferSize), open: len(peers)}
	for _, peer := range peers {
		l := &link{client: c, peer: peer, fd: -1, unsent: hello()}
		l.settle(l.start())
	}
	context.AfterFunc(ctx, loop.Stop)
	err = loop.Run()
	return c.failed, err
}

// hello returns the frame that a link begins with.
func hello() []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(*helloSize))
	p = append(p, "hello"...)
	return append(p, bytes.Repeat([]byte(" "), *helloSize-len("hello"))...)
}

// start begins to connect. A descriptor is registered after connect(2): before
// it, epoll(7) would report a hang-up of a socket that is not even on its way.
func (l *link) start() (err error) {
	l.enter(initiated)
	if l.fd, err = dial(l.peer); err != nil {
		return err
	}
	read := func() error { l.settle(l.read()); return nil }
	write := func() error { l.settle(l.write()); return nil }
	return l.loop.Add(l.fd, read, write)
}

// enter tells the new state, and gives it its time.
func (l *link) enter(s state) {
	l.state = s
	fmt.Printf("%v: %v\n", l.peer, s)
	l.timer.Stop()
	l.timer = nil
	if s != connected && *timeout > 0 {
		l.timer = l.loop.After(*timeout, func() {
			l.settle(fmt.Errorf("timed out after %v", *timeout))
		})
	}
}

// settle comes after whatever happened to l: it ends l, or tells the loop what l
// is to wait for now.
func (l *link) settle(err error) {
	if err == nil {
		err = l.loop.Want(l.fd, l.state.wantsRead(), l.state.wantsWrite())
	}
	if err != nil {
		l.end(err)
	}
}

// end ends l. Every way out leads through here.
func (l *link) end(err error) {
	if l.state == connected && err == io.EOF {
		fmt.Printf("%v: closed\n", l.peer)
	} else {
		log.Printf("%v: %v: %v", l.peer, l.state, err)
		l.failed++
	}
	l.timer.Stop()
	if l.fd >= 0 {
		l.loop.Remove(l.fd)
	}
	if l.open--; l.open == 0 {
		l.loop.Stop()
	}
}

// write learns that connect(2) is over, and sends the hello, which may take more
// than one turn.
func (l *link) write() error {
	if l.state == initiated {
		if err := connectError(l.fd); err != nil {
			return err
		}
		l.enter(handshakeSent)
	}
	n, err := socket.WriteNow(l.fd, l.unsent)
	if err != nil && err != unix.EAGAIN {
		return os.NewSyscallError("write", err)
	}
	if l.unsent = l.unsent[n:]; len(l.unsent) == 0 {
		l.unsent = nil
		l.enter(awaitingAck)
	}
	return nil
}

// read reads once and hears all frames that are whole. One read may bring a part
// of the acknowledgement, or what comes behind it as well. The error is io.EOF
// when the peer has sent its last byte.
func (l *link) read() error {
	n, err := socket.ReadNow(l.fd, l.buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return os.NewSyscallError("read", err)
	case n == 0 && len(l.in) > 0:
		return io.ErrUnexpectedEOF
	case n == 0:
		return io.EOF
	}
	l.in = append(l.in, l.buf[:n]...)
	for {
		payload, rest, err := frame.Cut(l.in, maxFrame)
		if payload == nil {
			return err
		}
		if err := l.hear(payload); err != nil {
			return err
		}
		l.in = rest
		if len(rest) == 0 {
			l.in = nil // an idle link holds no memory
		}
	}
}

// hear takes one frame. What it means depends on the state.
func (l *link) hear(payload []byte) error {
	switch {
	case l.state == connected:
		fmt.Printf("%v: %q\n", l.peer, payload)
	case string(payload) != "welcome":
		return fmt.Errorf("refused: %q", payload)
	case l.state != awaitingAck:
		return errors.New("welcome before the whole hello was sent")
	default:
		l.enter(connected)
	}
	return nil
}
