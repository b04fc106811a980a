package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
	"example/tcpladder/shared/socket"
)

// bufferSize is the number of bytes read from one client at a time: enough to keep
// calls few, and little enough to let the next client have its turn soon.
const bufferSize = 64 << 10

type server struct {
	listener int
	clients  map[int]*conn // by descriptor
	buf      []byte        // what was just read, from whichever client
	full     bool          // out of descriptors, and said so
	crowded  bool          // out of bits in an fd_set, and said so
}

// serve sleeps until the kernel knows of something to do, and then visits those
// clients for which there is.
func serve(ctx context.Context, listener int) error {
	// Leave at once, whatever the clients do: what is unsent is lost.
	context.AfterFunc(ctx, func() { os.Exit(0) })
	if err := socket.SetNonblock(listener); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if listener >= unix.FD_SETSIZE {
		return fmt.Errorf("listener: descriptor %d, FD_SETSIZE %d", listener, unix.FD_SETSIZE)
	}
	s := &server{listener: listener, clients: map[int]*conn{}, buf: make([]byte, bufferSize)}
	for {
		readable, writable, err := s.wait()
		if err != nil {
			return err
		}
		for fd, c := range s.clients {
			if readable.IsSet(fd) || writable.IsSet(fd) {
				s.visit(c)
			}
		}
		if !readable.IsSet(listener) && !s.full {
			continue
		}
		if err := s.accept(); err != nil {
			return err
		}
	}
}

// wait asks select(2) which descriptors are ready for what is wanted of them.
// It writes the answer over the question, so the sets are made anew each time.
func (s *server) wait() (readable, writable unix.FdSet, err error) {
	nfds := s.listener + 1
	var timeout *unix.Timeval // none: sleep as long as it takes
	if s.full {
		// The listener would be reported at once, for ever.
		timeout = &unix.Timeval{Usec: 100_000}
	} else {
		readable.Set(s.listener)
	}
	for fd, c := range s.clients {
		if c.wantsRead() {
			readable.Set(fd)
		}
		if c.wantsWrite() {
			writable.Set(fd)
		}
		nfds = max(nfds, fd+1)
	}
	n, err := unix.Select(nfds, &readable, &writable, nil, timeout)
	narrate.Ready("select", nfds, n, err)
	if err == unix.EINTR {
		return unix.FdSet{}, unix.FdSet{}, nil // no answer: the sets still hold the question
	}
	return readable, writable, os.NewSyscallError("select", err)
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
	if fd >= unix.FD_SETSIZE {
		s.turnAway(fd, peer)
		return
	}
	s.crowded = false
	c := &conn{fd: fd, peer: peer}
	s.clients[fd] = c
	if err := socket.SetNonblock(fd); err != nil {
		s.drop(c, os.NewSyscallError("fcntl", err))
	}
}

// turnAway closes a descriptor for which an fd_set has no bit. (FdSet.Set would
// panic. FD_SET in C writes over whatever lies behind the set.)
func (s *server) turnAway(fd int, peer netip.AddrPort) {
	if !s.crowded {
		log.Printf("client %v: turned away: descriptor %d, FD_SETSIZE %d", peer, fd, unix.FD_SETSIZE)
	}
	s.crowded = true
	socket.Close(fd)
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
