package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

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
	buf          []byte // the bytes just read
	acceptFailed bool   // and the log says so
	gone         int    // clients in a row that left before they were accepted
}

// serve serves all clients at the same time.
func serve(ctx context.Context, listener int) error {
	context.AfterFunc(ctx, cli.Exit) // at once: what is unsent is lost
	s := &server{listener: listener, buf: make([]byte, bufferSize)}
	return s.accept()
}

// accept takes one client after another. It returns if the listener is broken.
func (s *server) accept() error {
	for {
		fd, peer, err := socket.Accept(s.listener)
		switch {
		case err == nil:
			s.acceptFailed, s.gone = false, 0
			s.welcome(fd, peer)
		case socket.ListenerBroken(err):
			return os.NewSyscallError("accept", err)
		case socket.ClientGone(err) && s.gone < 63: // the 64th is one too many
			s.gone++
		default:
			s.pauseAccept(err)
		}
	}
}

// pauseAccept leaves waiting clients in the kernel's queue for a moment. The
// most likely reason is that there are no descriptors left.
func (s *server) pauseAccept(err error) {
	if !s.acceptFailed {
		log.Printf("accept: %v: new clients will have to wait", err)
	}
	s.acceptFailed = true
	time.Sleep(acceptPause)
}

// welcome serves a new client from its first byte to its last.
func (s *server) welcome(fd int, peer netip.AddrPort) {
	// Your part: serve this client while accept waits for the next one.
	cli.Fatal(errors.New("not implemented yet"))
	c := &conn{fd: fd, peer: peer}
	for {
		if err := c.read(s.buf); err != nil {
			s.drop(c, err)
			return
		}
	}
}

// drop disconnects a client. Every way out leads through here.
func (s *server) drop(c *conn, err error) {
	if err != io.EOF {
		log.Printf("client %v: %v", c.peer, err)
	}
	socket.Close(c.fd)
}
