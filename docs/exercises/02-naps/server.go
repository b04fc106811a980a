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

var nap = cli.Duration("nap", time.Millisecond, "sleep for this `duration` after each turn; 0s: never")

// bufferSize is the number of bytes read from one client at a time: enough to keep
// calls few, and little enough to let the next client have its turn soon.
const bufferSize = 64 << 10

type server struct {
	listener int
	clients  map[int]*conn // by descriptor
	buf      []byte        // what was just read, from whichever client
	full     bool          // out of descriptors, and said so
}

// serve asks every client in turn whether something can be done for it, and then
// naps.
func serve(ctx context.Context, listener int) error {
	// Leave at once, whatever the clients do: what is unsent is lost.
	context.AfterFunc(ctx, func() { os.Exit(0) })
	if err := socket.SetNonblock(listener); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	s := &server{listener: listener, clients: map[int]*conn{}, buf: make([]byte, bufferSize)}
	for {
		for _, c := range s.clients {
			s.visit(c)
		}
		if err := s.accept(); err != nil {
			return err
		}
		if err := rest(*nap); err != nil {
			return err
		}
	}
}

// rest naps for d.
func rest(d time.Duration) error {
	// Your part.
	return errors.New("not implemented yet")
}

// visit does for c what can be done without waiting.
func (s *server) visit(c *conn) {
	var err error
	if c.wantsWrite() {
		err = c.flush()
	} else if c.wantsRead() {
		err = c.read(s.buf)
	}
	if err != nil {
		s.drop(c, err)
	}
}

// accept lets in those who wait, but no crowd at a time: clients are waiting too.
func (s *server) accept() error {
	for range 64 {
		fd, peer, err := socket.Accept(s.listener)
		switch {
		case err == nil:
			s.welcome(fd, peer)
		case err == unix.EAGAIN:
			s.full = false
			return nil
		case outOfDescriptors(err):
			if !s.full {
				log.Printf("accept: %v: new clients have to wait", err)
			}
			s.full = true
			return nil
		case listenerBroken(err):
			return os.NewSyscallError("accept", err)
		}
	}
	return nil
}

// welcome makes a client of a new connection. Linux does not let it inherit
// O_NONBLOCK from the listener.
func (s *server) welcome(fd int, peer netip.AddrPort) {
	c := &conn{fd: fd, peer: peer}
	s.clients[fd] = c
	if err := socket.SetNonblock(fd); err != nil {
		s.drop(c, os.NewSyscallError("fcntl", err))
	}
}

// drop ends a client. Every way out leads through here.
func (s *server) drop(c *conn, err error) {
	if err != io.EOF {
		log.Printf("client %v: %v", c.peer, err)
	}
	delete(s.clients, c.fd)
	socket.Close(c.fd)
}

// outOfDescriptors reports whether accept(2) failed for want of a descriptor or
// of memory. The client stays in the kernel's queue: to try again at once would
// fail at once, for ever.
func outOfDescriptors(err error) bool {
	return err == unix.EMFILE || err == unix.ENFILE || err == unix.ENOBUFS || err == unix.ENOMEM
}

// listenerBroken reports whether accept(2) can never succeed again. Every other
// error, such as ECONNABORTED, is that of one client, who is gone.
func listenerBroken(err error) bool {
	return err == unix.EBADF || err == unix.EINVAL || err == unix.ENOTSOCK || err == unix.EOPNOTSUPP || err == unix.EFAULT
}
