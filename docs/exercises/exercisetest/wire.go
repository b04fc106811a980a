package exercisetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

// A client is one connection. Its reads and writes have a deadline, and its
// errors say what was sent before.
type client struct {
	*net.TCPConn
	sent []byte // the last bytes sent, for the failure
}

// dial connects to the server.
func (s *server) dial() (*client, error) { return s.dialWindow(0) }

// dialWindow connects with a receive buffer of window bytes (0: the system's): a
// small one makes that a client that does not read is soon a full one.
func (s *server) dialWindow(window int) (*client, error) {
	d := net.Dialer{Timeout: patience}
	if window > 0 {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, window)
			})
			return err
		}
	}
	c, err := d.DialContext(context.Background(), "tcp", s.addr)
	if err != nil {
		return nil, &echotest.Failure{Sent: "connect " + s.addr, Want: "a connection", Got: err.Error()}
	}
	return &client{TCPConn: c.(*net.TCPConn)}, nil
}

// send writes all of text.
func (c *client) send(text string) error {
	c.sent = []byte(text)
	c.SetWriteDeadline(time.Now().Add(patience))
	n, err := c.Write(c.sent)
	if err != nil {
		return &echotest.Failure{Sent: show(c.sent), Want: "a server that takes it", Got: fmt.Sprintf("%d bytes taken, then %s", n, plain(err))}
	}
	return nil
}

// recv wants the bytes of want to come, and says nothing of what follows them.
func (c *client) recv(want string) error {
	got := make([]byte, len(want))
	c.SetReadDeadline(time.Now().Add(patience))
	n, err := io.ReadFull(c, got)
	if err == nil && string(got) == want {
		return nil
	}
	came := show(got[:n])
	if err != nil && bytes.HasPrefix([]byte(want), got[:n]) {
		came += ", then " + plain(err)
	}
	return &echotest.Failure{Sent: show(c.sent), Want: show([]byte(want)), Got: came}
}

// exchange sends text and wants the answer.
func (c *client) exchange(text, answer string) error {
	if err := c.send(text); err != nil {
		return err
	}
	return c.recv(answer)
}

// recvEOF wants the end of file, and nothing before it.
func (c *client) recvEOF() error {
	buf := make([]byte, 1024)
	c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(buf)
	if n == 0 && err == io.EOF {
		return nil
	}
	got := show(buf[:n])
	if n == 0 {
		got = plain(err)
	}
	return &echotest.Failure{Sent: show(c.sent), Want: "end of file", Got: got}
}

// silent wants nothing to come within d.
func (c *client) silent(d time.Duration) error {
	buf := make([]byte, 1024)
	c.SetReadDeadline(time.Now().Add(d))
	n, err := c.Read(buf)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	got := show(buf[:n])
	if n == 0 {
		got = plain(err)
	}
	return &echotest.Failure{Sent: show(c.sent), Want: "nothing yet", Got: got}
}

// overfeed sends block over and over without reading until the server has taken no
// more for a while, or limit bytes, and returns how much it took.
func (c *client) overfeed(block []byte, limit int64) (took int64, err error) {
	const stalled = 250 * time.Millisecond
	for took < limit {
		c.SetWriteDeadline(time.Now().Add(stalled))
		at := took % int64(len(block))
		n, err := c.Write(block[at:])
		took += int64(n)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return took, &echotest.Failure{Sent: fmt.Sprintf("%d bytes, without reading", took), Want: "a server that waits until the client reads", Got: plain(err)}
		}
		if n == 0 {
			break
		}
	}
	return took, nil
}

// reset closes with RST instead of FIN.
func (c *client) reset() {
	c.SetLinger(0)
	c.Close()
}

// plain puts the usual ends of a connection into words.
func plain(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "end of file"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "nothing more (timed out)"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset by peer (RST)"
	}
	return err.Error()
}
