package main

import (
	"context"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/docs/exercises/04-edge/eventloop"
	"example/tcpladder/shared/socket"
)

// bufferSize is the number of bytes read from one client at a time: enough to keep
// calls few, and little enough to let the next client have its turn soon.
const bufferSize = 4 << 10

type server struct {
	loop     *eventloop.Loop
	listener int
	clients  map[int]*conn // by descriptor
	buf      []byte        // what was just read, from whichever client
	full     bool          // out of descriptors, and said so
}

// serve registers each descriptor with an event loop, once. The loop sleeps until
// the kernel names those that are ready, and only these cost.
func serve(ctx context.Context, listener int) error {
	if err := socket.SetNonblock(listener); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	loop, err := eventloop.New()
	if err != nil {
		return err
	}
	defer loop.Close()
	s := &server{loop: loop, listener: listener, clients: map[int]*conn{}, buf: make([]byte, bufferSize)}
	if err := loop.Add(listener, s.accept, nil); err != nil {
		return err
	}
	context.AfterFunc(ctx, loop.Stop)
	if err := loop.Run(); err != nil {
		return err
	}
	for _, c := range s.clients {
		c.write(c.unsent) // once: nobody is waited for
	}
	return nil
}

// visit does for c what can be done without waiting.
func (s *server) visit(c *conn) {
	_, err := c.echo(s.buf)
	if err != nil {
		s.drop(c, err)
	}
	// Your part: if that was not all, who comes back?
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
			s.pauseListener(100 * time.Millisecond)
			return nil
		case listenerBroken(err):
			return os.NewSyscallError("accept", err)
		}
	}
	// Your part: there may be more of them.
	return nil
}

// pauseListener leaves the listener alone for d. Wanted anew, it is reported anew
// if somebody waits at the door.
func (s *server) pauseListener(d time.Duration) {
	s.loop.Want(s.listener, false, false)
	s.loop.After(d, func() { s.loop.Want(s.listener, true, false) })
}

// welcome makes a client of a new connection. Linux does not let it inherit
// O_NONBLOCK from the listener. It is registered for both, once and for all.
func (s *server) welcome(fd int, peer netip.AddrPort) {
	c := &conn{fd: fd, peer: peer}
	s.clients[fd] = c
	if err := socket.SetNonblock(fd); err != nil {
		s.drop(c, os.NewSyscallError("fcntl", err))
		return
	}
	read := func() error { s.visit(c); return nil }
	write := func() error {
		if len(c.unsent) > 0 { // otherwise nobody has waited for room
			s.visit(c)
		}
		return nil
	}
	err := s.loop.Add(fd, read, write)
	if err == nil {
		err = s.loop.Want(fd, true, true)
	}
	if err != nil {
		s.drop(c, err)
	}
}

// drop ends a client. Every way out leads through here.
func (s *server) drop(c *conn, err error) {
	if err != io.EOF {
		log.Printf("client %v: %v", c.peer, err)
	}
	delete(s.clients, c.fd)
	if s.full { // there is a place now: do not wait for the timer
		s.loop.Want(s.listener, true, false)
	}
	c.again.Stop()
	s.loop.Remove(c.fd)
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
