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

	"example/tcpladder/shared/socket"
)

// bufferSize is the number of bytes read from one client at a time: enough to keep
// calls few, and little enough to let the next client have its turn soon.
const bufferSize = 64 << 10

// serve accepts clients, and has each of them served at the same time as the
// others.
func serve(ctx context.Context, listener int) error {
	// Leave at once, whatever the clients do: what is unsent is lost.
	context.AfterFunc(ctx, func() { os.Exit(0) })
	full := false // out of descriptors, and said so
	for {
		fd, peer, err := socket.Accept(listener)
		switch {
		case err == nil:
			full = false
			// Your part: handle this client, while the next one is awaited.
			_, _ = fd, peer
			return errors.New("not implemented yet")
		case outOfDescriptors(err):
			if !full {
				log.Printf("accept: %v: new clients have to wait", err)
			}
			full = true
			time.Sleep(100 * time.Millisecond)
		case listenerBroken(err):
			return os.NewSyscallError("accept", err)
		}
	}
}

var _ = handle // given: call it

// handle serves one client from the first byte to the last.
func handle(fd int, peer netip.AddrPort) {
	err := echo(fd)
	if err != io.EOF {
		log.Printf("client %v: %v", peer, err)
	}
	socket.Close(fd)
}

// echo sends back what it reads. The error is io.EOF when the client has sent
// its last byte, which is not to say that it has stopped listening.
func echo(fd int) error {
	buf := make([]byte, bufferSize)
	for {
		n, err := socket.Read(fd, buf)
		if err != nil {
			return os.NewSyscallError("read", err)
		}
		if n == 0 {
			return io.EOF
		}
		if err := writeAll(fd, buf[:n]); err != nil {
			return os.NewSyscallError("write", err)
		}
	}
}

// writeAll writes until p is written: a signal can cut even a blocking write
// short.
func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := socket.Write(fd, p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
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
