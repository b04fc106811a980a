package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// An Idle crowd is connected, has had an echo, and says nothing more.
type Idle struct{ conns []net.Conn }

// idleTime is how long the echoes of one batch may take.
const idleTime = 20 * time.Second

// Hold connects n clients to cfg.Addr, and lets each have one message echoed, of
// cfg.Size and framed or not: so the server has met them all. Close ends them.
func Hold(cfg Config, n int) (*Idle, error) {
	cfg.Depth = 1
	message := newStream(cfg).at(0, newStream(cfg).frame)
	var crowd Idle
	for len(crowd.conns) < n {
		// Many at a time: a server that visits all its clients for each echo would
		// take minutes otherwise.
		if err := crowd.add(cfg.Addr, min(256, n-len(crowd.conns)), message); err != nil {
			err = fmt.Errorf("idle client %d of %d: %w", len(crowd.conns), n, err)
			crowd.Close()
			return nil, err
		}
	}
	return &crowd, nil
}

func (c *Idle) add(addr string, n int, message []byte) error {
	first := len(c.conns)
	for range n {
		conn, err := net.DialTimeout("tcp", addr, idleTime)
		if err != nil {
			return err
		}
		c.conns = append(c.conns, conn)
		conn.SetDeadline(time.Now().Add(idleTime))
		if _, err := conn.Write(message); err != nil {
			return err
		}
	}
	// First all are sent, then all are awaited: the server has them at once.
	echo := make([]byte, len(message))
	for _, conn := range c.conns[first:] {
		if _, err := io.ReadFull(conn, echo); errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("no echo in %v: does the server serve one client at a time?", idleTime)
		} else if err != nil {
			return fmt.Errorf("the server ended a connection: %w", err)
		}
		if string(echo) != string(message) {
			return errors.New("the echo is not what was sent")
		}
	}
	return nil
}

// Close ends all of them.
func (c *Idle) Close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}
