package main

import (
	"bufio"
	"context"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/04-kqueue/eventloop"
	"example/tcpladder/shared/socket"
)

// acceptPause is how long to wait before calling accept again after an error that
// would come straight back.
const acceptPause = 100 * time.Millisecond

// lingerTime is how long a client that was shown out may take to leave; it is read
// and ignored meanwhile. If a socket is closed while input is unread or still to
// come, the kernel sends a reset, which can destroy the last lines on their way to
// the client (RFC 1122, 4.2.2.13).
const lingerTime = 2 * time.Second

type server struct {
	loop         *eventloop.Loop
	retry        *eventloop.Timer
	listener     int
	clients      map[int]*conn // by descriptor
	out          *bufio.Writer // gathers the lines of one turn, for any client
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
	s := &server{loop: loop, listener: listener, clients: map[int]*conn{},
		out: bufio.NewWriter(nil)}
	if err := loop.Add(listener, s.accept); err != nil {
		return err
	}
	context.AfterFunc(ctx, loop.Stop) // what is unsent is lost
	return loop.Run()
}

// visit does for c what can be done without waiting, and tells the loop what c
// waits for now. It returns no error itself: that would end Run.
func (s *server) visit(c *conn) error {
	var err error
	if c.wantsWrite() {
		err = c.flush()
	}
	if err == nil && c.wantsRead() {
		err = c.read(s.out)
	}
	if err == nil {
		err = s.finish(c)
	}
	if err == nil {
		err = s.loop.Want(c.fd, c.wantsRead(), c.wantsWrite())
	}
	if err != nil {
		s.drop(c, err)
	}
	return nil
}

// finish shows out a client that has ended, when all is sent.
func (s *server) finish(c *conn) error {
	if !c.ended || c.wantsWrite() || c.lingering {
		return nil
	}
	c.lingering = true
	c.timer = s.loop.After(lingerTime, func() { s.drop(c, io.EOF) })
	return os.NewSyscallError("shutdown", socket.ShutdownWrite(c.fd))
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
	c := newConn(s.loop, fd, peer)
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
		log.Printf("client %v: %v", c, err)
	}
	delete(s.clients, c.fd)
	if s.acceptFailed {
		s.resumeAccept() // its descriptor will be free
	}
	c.Close()
}
