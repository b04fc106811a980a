package main

import (
	"bytes"
	"context"
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

// bufferSize is how much is read from one peer at a time, maxFrame the longest
// message that is taken from it.
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
	timer  *eventloop.Timer // runs out when it has been in this state for too long
}

// A client is all links together.
type client struct {
	loop   *eventloop.Loop
	buf    []byte // the bytes just read
	open   int    // links
	failed int    // links that ended before they were connected, or by an error
}

// connectAll shakes hands with all peers at once, so that a slow one delays nobody,
// and listens until the last of them has left. It returns an error if any failed.
func connectAll(ctx context.Context, peers []netip.AddrPort) error {
	loop, err := eventloop.New()
	if err != nil {
		return err
	}
	defer loop.Close()
	c := &client{loop: loop, buf: make([]byte, bufferSize), open: len(peers)}
	for _, peer := range peers {
		l := &link{client: c, peer: peer, fd: -1, unsent: hello()}
		l.start()
	}
	context.AfterFunc(ctx, loop.Stop)
	if err := loop.Run(); err != nil {
		return err
	}
	if c.failed > 0 {
		return fmt.Errorf("%d of %d connections failed", c.failed, len(peers))
	}
	return nil
}

// hello returns the frame that a link begins with.
func hello() []byte {
	spaces := bytes.Repeat([]byte(" "), *helloSize-len("hello"))
	return frame.Append(nil, append([]byte("hello"), spaces...))
}

// start begins to connect. A descriptor is registered after connect(2): before
// that, epoll(7) would report a hang-up, because the socket is not even on its way.
func (l *link) start() {
	l.enter(initiated)
	var err error
	if l.fd, err = dial(l.peer); err == nil {
		err = l.loop.Add(l.fd, l.visit)
	}
	if err == nil {
		err = l.loop.Want(l.fd, l.state.wantsRead(), l.state.wantsWrite())
	}
	if err != nil {
		l.end(err)
	}
}

// enter prints the new state, and sets the timer for it.
func (l *link) enter(s state) {
	l.state = s
	fmt.Printf("%v: %v\n", l.peer, s)
	l.timer.Stop()
	// Your part: not every state has a limit.
	l.timer = l.loop.After(*timeout, func() { l.end(errors.New("not implemented yet")) })
}

// visit does for l what can be done without waiting, and tells the loop what l
// waits for now. It reads first: a peer that has refused may be gone, and then the
// write would fail. It returns no error itself: that would end Run.
func (l *link) visit() error {
	var err error
	if l.state.wantsRead() {
		err = l.read()
	}
	if err == nil && l.state.wantsWrite() {
		err = l.write()
	}
	if err == nil {
		err = l.loop.Want(l.fd, l.state.wantsRead(), l.state.wantsWrite())
	}
	if err != nil {
		l.end(err)
	}
	return nil
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

// write learns how connect(2) has ended, and sends the hello, which may take more
// than one visit.
func (l *link) write() error {
	if err := connectError(l.fd); err != nil {
		return err
	}
	// Your part: from initiated to awaiting acknowledgement, in as many calls as it
	// takes. What is above is for the first of them.
	return errors.New("not implemented yet")
}

// read reads once and hears the frames that are whole. One read may bring a part
// of the acknowledgement, or what follows it too. It returns io.EOF at the end of
// the input.
func (l *link) read() error {
	n, err := socket.TryRead(l.fd, l.buf)
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
	// Your part.
	return errors.New("not implemented yet")
}
