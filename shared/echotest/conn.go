package echotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is one connection, on which texts are sent and expected. Its reads and
// writes have a deadline, and its errors say what was sent before.
type Conn struct {
	*net.TCPConn
	told func() string // what was sent
	sent []byte        // the last text

	surplus    [1024]byte // what came where nothing was due
	server     *Server    // nil: not ours to look at
	flow       *client    // who counts what goes there and comes back; nil: nobody
	halfClosed atomic.Bool
	seen       atomic.Pointer[scene] // what the server did when patience was over
}

// NewConn makes a Conn of a connection.
func NewConn(c *net.TCPConn) *Conn {
	conn := &Conn{TCPConn: c}
	conn.told = func() string { return Quote(conn.sent) }
	return conn
}

// Connect connects to the server, with a receive buffer of window bytes (0: the
// system's): with a small one, a client that does not read is soon full. It
// has to be set before the connection is made.
func (s *Server) Connect(window int) (*Conn, error) {
	d := net.Dialer{Timeout: patience}
	if window > 0 {
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, window)
			})
			return err
		}
	}
	c, err := d.DialContext(s.context(), "tcp", s.Addr)
	if err != nil {
		f := &Failure{Sent: "connect " + s.Addr, Want: "a connection", Got: err.Error()}
		f.symptom, f.scene = noWay, s.look()
		return nil, f
	}
	context.AfterFunc(s.context(), func() { c.Close() })
	conn := NewConn(c.(*net.TCPConn))
	conn.server = s
	return conn, nil
}

// Sent says what was sent last.
func (c *Conn) Sent() string { return c.told() }

// Send writes all of text.
func (c *Conn) Send(text string) error {
	c.sent = []byte(text)
	for rest := c.sent; len(rest) > 0; {
		n, err := c.take(rest)
		rest = rest[n:]
		if err != nil && n == 0 {
			return c.broken(whatEnded(err, takesNone), &Failure{Sent: c.told(), Want: "the server takes it",
				Got: fmt.Sprintf("%d bytes taken, then %s", len(text)-len(rest), Plain(err))})
		}
	}
	return nil
}

// Recv wants the bytes of want to come, and says nothing of what follows them.
func (c *Conn) Recv(want string) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(patient{c}, got)
	if err == nil && string(got) == want {
		return nil
	}
	came, what := Quote(got[:n]), otherBytes
	if err != nil && bytes.HasPrefix([]byte(want), got[:n]) {
		came, what = came+", then "+Plain(err), whatEnded(err, silence)
	}
	return c.broken(what, &Failure{Sent: c.told(), Want: Quote([]byte(want)), Got: came})
}

// Exchange sends text and wants the answer.
func (c *Conn) Exchange(text, answer string) error {
	if err := c.Send(text); err != nil {
		return err
	}
	return c.Recv(answer)
}

// RecvEOF wants the end of file, and nothing before it.
func (c *Conn) RecvEOF() error {
	n, err := c.wait(c.surplus[:])
	return c.nothing(n, err, io.EOF, "end of file")
}

// Silent wants nothing to come within d.
func (c *Conn) Silent(d time.Duration) error {
	c.SetReadDeadline(time.Now().Add(d))
	n, err := c.Read(c.surplus[:])
	return c.nothing(n, err, os.ErrDeadlineExceeded, "nothing yet")
}

// nothing wants no byte to have come, and the reason that want names.
func (c *Conn) nothing(n int, err, reason error, want string) error {
	if n == 0 && errors.Is(err, reason) {
		return nil
	}
	if n == 0 {
		return c.broken(whatEnded(err, noEnd), &Failure{Sent: c.told(), Want: want, Got: Plain(err)})
	}
	f := &Failure{Sent: c.told(), Want: want, Got: Quote(c.surplus[:n])}
	if c.flow != nil {
		f.trace(c.flow.stream, c.flow.in.Load(), c.surplus[:n])
	}
	return c.broken(surplus, f)
}

// stalled is how long a write of some KiB must wait to count as stalled. If
// that is wrong once, on a busy machine, a check has sent less than it could.
const stalled = 200 * time.Millisecond

// Overfeed sends block over and over without reading until the server has taken no
// more for a while, or limit bytes, and returns how much it took.
func (c *Conn) Overfeed(block []byte, limit int64) (took int64, err error) {
	return c.fill(limit, func(took int64) []byte { return block[took%int64(len(block)):] })
}

// fill sends what next gives.
func (c *Conn) fill(limit int64, next func(took int64) []byte) (took int64, err error) {
	for took < limit {
		c.SetWriteDeadline(time.Now().Add(stalled))
		n, err := c.Write(next(took))
		took += int64(n)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return took, c.broken(whatEnded(err, takesNone), &Failure{Sent: fmt.Sprintf("%d bytes, without reading", took),
				Want: "a server that waits until the client reads", Got: Plain(err)})
		}
	}
	return took, nil
}

// Reset closes with RST instead of FIN.
func (c *Conn) Reset() {
	c.SetLinger(0)
	c.Close()
}

// Plain puts the usual ends of a connection into words.
func Plain(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "end of file"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "nothing more (timed out)"
	case errors.Is(err, net.ErrClosed):
		return "nothing more in time"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset by peer (RST)"
	}
	return err.Error()
}
