// Package socket is what the five servers share and none of them teaches:
// setting up a listening TCP socket, and the thinnest layer over the system
// calls on sockets.
//
// Errors are the system call's own (unix.EAGAIN stays unix.EAGAIN, so that a
// caller can compare with ==), with one exception: after EINTR the call is made
// again. The Go runtime interrupts its own threads with SIGURG to preempt
// goroutines, so an interrupted call is normal and means nothing.
//
// Accept, Read and Write may sleep. TryAccept, TryRead and TryWrite are for
// descriptors that do not block: instead of sleeping they return unix.EAGAIN. On a
// descriptor that blocks they would stop the whole program.
package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// Accept takes the next connection whose handshake the kernel has finished, see
// accept(2). The new descriptor is close-on-exec, and has TCP_NODELAY and
// keep-alive set. Whether it blocks is for the caller to set: on macOS, NetBSD
// and OpenBSD it inherits the listener's O_NONBLOCK, on the others it does not.
func Accept(listener int) (fd int, peer netip.AddrPort, err error) {
	if !narrate.On {
		return acceptOne(listener)
	}
	call := narrate.Enter(narrate.Call{Name: "accept", Arg: listener})
	fd, peer, err = acceptOne(listener)
	if err == nil {
		call.Words = peer.String()
	}
	call.Return(fd, err)
	return fd, peer, err
}

// TryAccept is Accept for a listener that does not block. It returns unix.EAGAIN
// if nobody is waiting.
func TryAccept(listener int) (fd int, peer netip.AddrPort, err error) {
	fd, peer, err = acceptOne(listener)
	if narrate.On {
		call := narrate.Call{Name: "accept", Arg: listener, Result: fd, Err: err}
		if err == nil {
			call.Words = peer.String()
		}
		narrate.Done(call)
	}
	return fd, peer, err
}

func acceptOne(listener int) (fd int, peer netip.AddrPort, err error) {
	for {
		fd, peer, err = accept(listener)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		setUp(fd)
	}
	return fd, peer, err
}

// setUp sets the options of a connection. They can fail on one that has been
// reset already. That is no error of accept: read(2) will report it.
func setUp(fd int) {
	// Nagle's algorithm would hold a small answer back until the one before it
	// is acknowledged: 40 ms with a peer that delays its acknowledgements.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	// Without keep-alive, a peer that vanishes without a word (its power fails,
	// its network is gone) would be held forever.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	for _, option := range keepAlive {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option.name, option.value)
	}
}

// Keep-alive begins after 15 s of silence, probes every 15 s, and gives up after 9
// probes: the same values as in package net.
const (
	keepAliveIdle     = 15 // seconds
	keepAliveInterval = 15 // seconds
	keepAliveCount    = 9
)

type tcpOption struct{ name, value int }

// Read reads at most len(p) bytes, see read(2). It returns 0 and no error at
// the end of the input.
func Read(fd int, p []byte) (int, error) {
	if !narrate.On {
		return read(unix.Read, fd, p)
	}
	call := narrate.Enter(narrate.Call{Name: "read", Arg: fd})
	n, err := read(unix.Read, fd, p)
	call.Bytes, call.Words = bytesRead(p[:n])
	call.Return(n, err)
	return n, err
}

// TryRead is Read for a descriptor that does not block. It returns unix.EAGAIN
// if there is nothing to read yet.
func TryRead(fd int, p []byte) (int, error) {
	n, err := read(tryRead, fd, p)
	if narrate.On {
		call := narrate.Call{Name: "read", Arg: fd, Result: n, Err: err}
		call.Bytes, call.Words = bytesRead(p[:n])
		narrate.Done(call)
	}
	return n, err
}

func read(call func(int, []byte) (int, error), fd int, p []byte) (n int, err error) {
	for {
		n, err = call(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// bytesRead says what a read that succeeded has brought.
func bytesRead(p []byte) (payload []byte, words string) {
	if len(p) == 0 {
		return nil, "end of file"
	}
	return p, ""
}

// Write writes p, see write(2), and returns the number of bytes written. A
// signal can make it fewer than len(p).
func Write(fd int, p []byte) (int, error) {
	if !narrate.On {
		return write(unix.Write, fd, p)
	}
	call := narrate.Enter(narrate.Call{Name: "write", Arg: fd})
	n, err := write(unix.Write, fd, p)
	call.Bytes = p[:n]
	call.Return(n, err)
	return n, err
}

// TryWrite is Write for a descriptor that does not block. It writes what there
// is room for, and returns unix.EAGAIN if there is no room.
func TryWrite(fd int, p []byte) (int, error) {
	n, err := write(tryWrite, fd, p)
	if narrate.On {
		narrate.Done(narrate.Call{Name: "write", Arg: fd, Result: n, Err: err, Bytes: p[:n]})
	}
	return n, err
}

func write(call func(int, []byte) (int, error), fd int, p []byte) (n int, err error) {
	for {
		n, err = call(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// SetNonblock makes every later call on fd return EAGAIN instead of sleeping,
// see O_NONBLOCK in fcntl(2).
func SetNonblock(fd int) error {
	err := unix.SetNonblock(fd, true)
	narrate.Done(narrate.Call{Name: "fcntl", Arg: fd, Err: err, Words: "O_NONBLOCK"})
	return err
}

// ShutdownWrite tells the peer that nothing more will come after what has
// already been written; reading goes on. See SHUT_WR in shutdown(2).
func ShutdownWrite(fd int) error {
	err := unix.Shutdown(fd, unix.SHUT_WR)
	narrate.Done(narrate.Call{Name: "shutdown", Arg: fd, Err: err, Words: "SHUT_WR"})
	return err
}

// Close closes fd, see close(2). The call is not repeated, even after EINTR:
// on Linux the number is free by then, and may already be somebody else's.
func Close(fd int) error {
	err := unix.Close(fd)
	narrate.Done(narrate.Call{Name: "close", Arg: fd, Err: err})
	return err
}
