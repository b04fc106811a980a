package main

import (
	"context"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/docs/exercises/04-spin/eventloop"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/socket"
)

// bufferSize is how much is read from one client at a time: enough to keep the
// calls few, and little enough that the next client soon has its turn.
const bufferSize = 64 << 10

// acceptPause is how long to wait before calling accept again after an error that
// would come straight back.
const acceptPause = 100 * time.Millisecond

var spin = cli.Duration("spin", 50*time.Microsecond,
	"ask for events for this `duration` before going to sleep; 0s: sleep at once")

var tick = cli.Duration("tick", 0,
	"wake up at this `duration` by a timer that does nothing; 0s: never")

type server struct {
	loop         *eventloop.Loop
	retry        *eventloop.Timer
	listener     int
	clients      map[int]*conn // by descriptor
	buf          []byte        // the bytes just read
	acceptFailed bool          // and the log says so
	gone         int           // clients in a row that left before they were accepted
}

// serve registers each descriptor with an event loop, once. The loop sleeps until
// the kernel names those that are ready, and visits only these.
func serve(ctx context.Context, listener int) error {
	if err := socket.SetNonblock(listener); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	loop, err := eventloop.New()
	if err != nil {
		return err
	}
	defer loop.Close()
	loop.Spin = *spin
	s := &server{loop: loop, listener: listener, clients: map[int]*conn{},
		buf: make([]byte, bufferSize)}
	if err := loop.Add(listener, s.accept); err != nil {
		return err
	}
	if *tick > 0 {
		loop.Every(*tick, func() {})
	}
	context.AfterFunc(ctx, loop.Stop) // what is unsent is lost
	return loop.Run()
}

// visit does for c what can be done without waiting, and tells the loop what c
// waits for now. It returns no error itself: that would end Run.
func (s *server) visit(c *conn) error {
	var err error
	if c.wantsWrite() {
		err = c.write(c.unsent)
	}
	if err == nil && c.wantsRead() {
		err = c.read(s.buf)
	}
	if err == nil {
		err = s.loop.Want(c.fd, c.wantsRead(), c.wantsWrite())
	}
	if err != nil {
		s.drop(c, err)
	}
	return nil
}

// accept takes the clients that are waiting, at most 64, so that the others get
// their turn. It returns an error if the listener is broken.
func (s *server) accept() error {
	for range 64 {
		fd, peer, err := socket.TryAccept(s.listener)
		switch {
		case err == nil:
			s.acceptFailed, s.gone = false, 0
			s.welcome(fd, peer)
		case err == unix.EAGAIN:
			s.acceptFailed, s.gone = false, 0
			return nil
		case socket.ListenerBroken(err):
			return os.NewSyscallError("accept", err)
		case socket.ClientGone(err) && s.gone < 63: // the 64th is one too many
			s.gone++
		default:
			s.pauseAccept(err)
			return nil
		}
	}
	return nil
}

// pauseAccept leaves waiting clients in the kernel's queue for a moment. The
// most likely reason is that there are no descriptors left.
func (s *server) pauseAccept(err error) {
	if !s.acceptFailed {
		log.Printf("accept: %v: new clients will have to wait", err)
	}
	s.acceptFailed = true
	s.loop.Want(s.listener, false, false)
	s.retry = s.loop.After(acceptPause, s.resumeAccept)
}

// resumeAccept ends the pause.
func (s *server) resumeAccept() {
	s.retry.Stop()
	if err := s.loop.Want(s.listener, true, false); err != nil {
		s.pauseAccept(err)
	}
}

// welcome makes a new connection a client. On Linux a connection does not inherit
// O_NONBLOCK from the listener.
func (s *server) welcome(fd int, peer netip.AddrPort) {
	c := &conn{fd: fd, peer: peer}
	s.clients[fd] = c
	err := os.NewSyscallError("fcntl", socket.SetNonblock(fd))
	if err == nil {
		err = s.loop.Add(fd, func() error { return s.visit(c) })
	}
	if err != nil {
		s.drop(c, err)
	}
}

// drop disconnects a client. Every way out leads through here.
func (s *server) drop(c *conn, err error) {
	if err != io.EOF {
		log.Printf("client %v: %v", c.peer, err)
	}
	delete(s.clients, c.fd)
	if s.acceptFailed {
		s.resumeAccept() // its descriptor will be free
	}
	s.loop.Remove(c.fd)
}
