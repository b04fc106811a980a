package echotest

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// A heldLog is a server's standard error that nobody reads: a pipe or a
// terminal. What was filled in comes out of it before what the server says.
type heldLog struct {
	server, reader *os.File
	filled         int64
}

// holdPipe makes a pipe. Its writing end blocks, which os.Pipe's would not: the
// server is to have what it gets from a shell.
func holdPipe() (*heldLog, error) {
	var fds [2]int
	syscall.ForkLock.RLock() // or a server that another check starts inherits it
	err := unix.Pipe(fds[:])
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	return &heldLog{server: os.NewFile(uintptr(fds[1]), "log"), reader: os.NewFile(uintptr(fds[0]), "log's reader")}, nil
}

// fill leaves no room in the log.
func (h *heldLog) fill() error {
	fd := int(h.server.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	// First in large pieces, then byte by byte.
	for _, size := range []int{4096, 1} {
		for {
			n, err := unix.Write(fd, make([]byte, size))
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				return os.NewSyscallError("write", err)
			}
			h.filled += int64(n)
		}
	}
	return unix.SetNonblock(fd, false)
}

func (h *heldLog) close() {
	h.server.Close()
	h.reader.Close()
}

// startHeld starts a server whose log is h.
func (t *Target) startHeld(h *heldLog, args ...string) (*Server, error) {
	if t.addr != "" {
		return nil, Skipf("the log of a server that somebody else started cannot be held")
	}
	return t.StartWith(proc.Command{Stderr: h.server}, args...)
}

// release begins to read the log: what was filled in is thrown away, the rest
// is collected in stderr as if it had been read all the time.
func (s *Server) release(h *heldLog) error {
	h.server.Close() // or its end would never come
	if _, err := io.CopyN(io.Discard, h.reader, h.filled); err != nil {
		return fmt.Errorf("the held log: %v", err)
	}
	go func() {
		io.Copy(s.Stderr, h.reader)
		s.Stderr.Close()
	}()
	return nil
}
