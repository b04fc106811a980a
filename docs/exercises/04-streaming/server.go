package main

import (
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

// bufferSize is the number of bytes read from one client at a time: enough to keep
// calls few, and little enough to let the next client have its turn soon.
const bufferSize = 64 << 10

type server struct {
	loop     *eventloop.Loop
	listener int
	clients  map[int]*conn // by descriptor
	places   [10]*conn     // by number; nil: free
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
	if err := s.listenToOperator(); err != nil {
		return err
	}
	context.AfterFunc(ctx, loop.Stop)
	// The loop stands still while nobody reads the standard output. A signal ends
	// the server all the same.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second/2, func() { os.Exit(0) }) })
	if err := loop.Run(); err != nil {
		return err
	}
	for _, c := range s.clients {
		if len(c.unsent) > 0 {
			c.flush() // once: nobody is waited for
		}
	}
	return nil
}

// settle ends c after an error, and else tells the loop what c waits for now. It
// returns no error itself: one client must not end Run.
func (s *server) settle(c *conn, err error) error {
	if err == nil {
		err = s.loop.Want(c.fd, c.wantsRead(), c.wantsWrite())
	}
	if err != nil {
		s.drop(c, err)
	} else if c.lingering && c.timer == nil {
		c.timer = s.loop.After(lingerTime, func() { s.drop(c, io.EOF) })
	}
	return nil
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
			s.pauseListener()
			return nil
		case listenerBroken(err):
			return os.NewSyscallError("accept", err)
		}
	}
	return nil
}

// pauseListener rests the listener: it would be reported at once, for ever.
func (s *server) pauseListener() {
	s.loop.Want(s.listener, false, false)
	s.loop.After(100*time.Millisecond, func() { s.loop.Want(s.listener, true, false) })
}

// welcome makes a client of a new connection. Linux does not let it inherit
// O_NONBLOCK from the listener.
func (s *server) welcome(fd int, peer netip.AddrPort) {
	c := &conn{fd: fd, peer: peer, number: -1}
	s.clients[fd] = c
	if err := socket.SetNonblock(fd); err != nil {
		s.drop(c, os.NewSyscallError("fcntl", err))
		return
	}
	read := func() error { return s.settle(c, c.read(s.buf, s.heard)) }
	write := func() error { return s.settle(c, c.flush()) }
	if err := s.loop.Add(fd, read, write); err != nil {
		s.drop(c, err)
		return
	}
	s.settle(c, s.admit(c))
}

// drop ends a client. Every way out leads through here.
func (s *server) drop(c *conn, err error) {
	if err != io.EOF {
		log.Printf("client %v: %v", c.peer, err)
	}
	s.vacate(c)
	c.timer.Stop()
	delete(s.clients, c.fd)
	if s.full { // there is a place now: do not wait for the timer
		s.loop.Want(s.listener, true, false)
	}
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
