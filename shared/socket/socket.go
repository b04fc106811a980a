// Package socket is what the five servers share and what is no lesson: setting
// up a listening TCP socket, and the thinnest layer over the system calls on
// it.
//
// Errors are the system call's own (unix.EAGAIN stays unix.EAGAIN, so that a
// caller compares it with ==), with one exception: EINTR is retried. The Go
// runtime interrupts its own threads with SIGURG to preempt goroutines, so a
// call that is interrupted is everyday and means nothing.
//
// With narrate.On every call here is told in words.
package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// Accept takes the next connection whose handshake the kernel has finished, see
// accept(2). The new descriptor is close-on-exec and has TCP_NODELAY. Whether
// it blocks is for the caller to set: on macOS, NetBSD and OpenBSD it inherits
// the listener's O_NONBLOCK, on the others it does not.
func Accept(listener int) (fd int, peer netip.AddrPort, err error) {
	for {
		fd, peer, err = accept(listener)
		if err != unix.EINTR {
			break
		}
	}
	if err == nil {
		// Nagle's algorithm would hold a small answer back until the one before
		// is acknowledged, 40 ms with a peer that delays its acknowledgements.
		// That this fails on a connection which is reset already is no error of
		// accept: read(2) will tell.
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if narrate.On {
		narrate.Call("accept", listener, fd, err, peer.String())
	}
	return fd, peer, err
}

// Read reads at most len(p) bytes, see read(2). It returns 0 and no error at
// the end of the input.
func Read(fd int, p []byte) (int, error) { return read(unix.Read, fd, p) }

// ReadNow is Read, and somewhat faster, for a descriptor that does not block.
func ReadNow(fd int, p []byte) (int, error) { return read(readNow, fd, p) }

func read(call func(int, []byte) (int, error), fd int, p []byte) (n int, err error) {
	for {
		n, err = call(fd, p)
		if err != unix.EINTR {
			break
		}
	}
	n = max(n, 0)
	if narrate.On {
		narrate.Call("read", fd, n, err, readNote(p[:n]))
	}
	return n, err
}

// Write writes p or, if there is no room for all of it, the beginning of p; see
// write(2). It returns the number of bytes written.
func Write(fd int, p []byte) (int, error) { return write(unix.Write, fd, p) }

// WriteNow is Write, and somewhat faster, for a descriptor that does not block.
func WriteNow(fd int, p []byte) (int, error) { return write(writeNow, fd, p) }

func write(call func(int, []byte) (int, error), fd int, p []byte) (n int, err error) {
	for {
		n, err = call(fd, p)
		if err != unix.EINTR {
			break
		}
	}
	n = max(n, 0)
	if narrate.On {
		narrate.Call("write", fd, n, err, narrate.Bytes(p[:n]))
	}
	return n, err
}

// SetNonblock makes every later call on fd return EAGAIN instead of sleeping,
// see O_NONBLOCK in fcntl(2).
func SetNonblock(fd int) error {
	err := unix.SetNonblock(fd, true)
	narrate.Call("fcntl", fd, 0, err, "O_NONBLOCK")
	return err
}

// ShutdownWrite tells the peer that nothing more will come, behind what has
// been written already; reading goes on. See SHUT_WR in shutdown(2).
func ShutdownWrite(fd int) error {
	err := unix.Shutdown(fd, unix.SHUT_WR)
	narrate.Call("shutdown", fd, 0, err, "SHUT_WR")
	return err
}

// Close closes fd, see close(2). It is never retried, not even after EINTR: on
// Linux the number is free by then, and may be somebody else's.
func Close(fd int) error {
	err := unix.Close(fd)
	narrate.Call("close", fd, 0, err, "")
	return err
}

func readNote(p []byte) string {
	if len(p) == 0 {
		return "end of file"
	}
	return narrate.Bytes(p)
}
