package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/socket"
)

// bufferSize is how much is read from one client at a time: enough to keep the
// calls few, and little enough that the next client soon has its turn.
const bufferSize = 64 << 10

// acceptPause is how long to wait before calling accept again after an error that
// would come straight back.
const acceptPause = 100 * time.Millisecond

type server struct {
	listener     int
	clients      map[int]*conn // by descriptor
	buf          []byte        // the bytes just read
	acceptFailed bool          // and the log says so
	gone         int           // clients in a row that left before they were accepted
	retryAt      time.Time     // when to call accept again
}

// serve sleeps until the kernel knows of something to do, and then visits only
// the clients that are ready.
func serve(ctx context.Context, listener int) error {
	context.AfterFunc(ctx, cli.Exit) // at once: what is unsent is lost
	if err := socket.SetNonblock(listener); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	s := &server{listener: listener, clients: map[int]*conn{},
		buf: make([]byte, bufferSize)}
	for {
		if err := s.wait(); err != nil {
			return err
		}
		// Your part: visit only the clients that are ready, and accept only if the
		// listener is.
		for _, c := range s.clients {
			s.visit(c)
		}
		if err := s.accept(); err != nil {
			return err
		}
	}
}

// wait asks poll(2) which descriptors are ready for what they want.
func (s *server) wait() error {
	// Your part: the whole list, the timeout, and what to do when poll fails.
	list := []unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}}
	_, err := poll(list, -1)
	cli.Fatal(errors.Join(err, errors.New("not implemented yet")))
	return nil
}

// visit does for c what can be done without waiting.
func (s *server) visit(c *conn) {
	var err error
	if c.wantsWrite() {
		err = c.write(c.unsent)
	}
	if err == nil && c.wantsRead() {
		err = c.read(s.buf)
	}
	if err != nil {
		s.drop(c, err)
	}
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
	s.retryAt = time.Now().Add(acceptPause)
}

// welcome makes a new connection a client. On Linux a connection does not inherit
// O_NONBLOCK from the listener.
func (s *server) welcome(fd int, peer netip.AddrPort) {
	c := &conn{fd: fd, peer: peer}
	s.clients[fd] = c
	if err := socket.SetNonblock(fd); err != nil {
		s.drop(c, os.NewSyscallError("fcntl", err))
	}
}

// drop disconnects a client. Every way out leads through here.
func (s *server) drop(c *conn, err error) {
	if err != io.EOF {
		log.Printf("client %v: %v", c.peer, err)
	}
	delete(s.clients, c.fd)
	s.retryAt = time.Time{} // its descriptor is free
	socket.Close(c.fd)
}
