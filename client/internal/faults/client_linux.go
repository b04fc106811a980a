package faults

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"example/tcpladder/shared/proc"
)

// A client sends messages and collects what comes back.
type client struct {
	conn   net.Conn
	name   string
	served string // the server's end of the connection, once we have looked for it
	sent   []byte
	said   int // messages

	mu      sync.Mutex
	got     []byte
	ended   error         // why nothing more can come
	changed chan struct{} // closed and replaced when there is more
}

// connect makes a client; its name is in all its messages.
func connect(ctx context.Context, addr, name string) (*client, error) {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, name: name, changed: make(chan struct{})}
	go c.collect()
	return c, nil
}

func (c *client) collect() {
	buf := make([]byte, 4096)
	for {
		n, err := c.conn.Read(buf)
		c.mu.Lock()
		c.got = append(c.got, buf[:n]...)
		c.ended = err
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// say sends the next message. It is a frame and ends like a line, so that every
// kind of echo server sends the same back. An error shows in what comes back.
func (c *client) say() {
	c.said++
	text := fmt.Sprintf("%s, message %d: %0100d\n", c.name, c.said, c.said)
	p := append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	c.sent = append(c.sent, p...)
	c.conn.SetWriteDeadline(time.Now().Add(proc.Patience))
	c.conn.Write(p)
}

// A state is how a client's echo stands.
type state int

const (
	waits    state = iota // something is still to come
	complete              // everything came back
	dropped               // the connection ended before
	wrong                 // other bytes came
)

func (c *client) look() (state, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !bytes.HasPrefix(c.sent, c.got):
		return wrong, c.changed
	case len(c.got) == len(c.sent):
		return complete, c.changed
	case c.ended != nil:
		return dropped, c.changed
	}
	return waits, c.changed
}

// await waits until no more is to come, but not longer than limit.
func (c *client) await(ctx context.Context, limit time.Duration) state {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		s, changed := c.look()
		if s != waits {
			return s
		}
		select {
		case <-changed:
		case <-timer.C:
			return waits
		case <-ctx.Done():
			return waits
		}
	}
}

// over reports whether the server has ended the connection.
func (c *client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended != nil
}

// tale says what came back, for a report.
func (c *client) tale() string {
	s, _ := c.look()
	c.mu.Lock()
	defer c.mu.Unlock()
	came := fmt.Sprintf("%d of %d bytes", len(c.got), len(c.sent))
	switch s {
	case complete:
		return came
	case dropped:
		return fmt.Sprintf("%s, then %s", came, plain(c.ended))
	case wrong:
		i := 0
		for i < min(len(c.got), len(c.sent)) && c.got[i] == c.sent[i] {
			i++
		}
		return fmt.Sprintf("%d bytes, but from byte %d on not those that were sent: %.40q", len(c.got), i, c.got[i:])
	}
	return came + ", then nothing"
}
