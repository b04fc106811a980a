package echotest

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// A client is one connection with its stream, how much of it was sent, and how
// much came back. One goroutine may send while another receives.
type client struct {
	*Conn
	*stream
	out, in atomic.Int64
}

var seeds atomic.Uint64

// dial connects a client with a small stream of its own.
func (s *Server) dial() (*client, error) {
	return s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(200), 4000))
}

func (s *Server) dialWith(st *stream) (*client, error) { return s.dialSized(st, 0) }

// smallWindow is a receive buffer that holds little, and still lets a reader
// have a useful speed over loopback, whose segments are 64 KiB.
const smallWindow = 64 << 10

// dialSized connects with a receive buffer of window bytes (0: the system's).
func (s *Server) dialSized(st *stream, window int) (*client, error) {
	conn, err := s.Connect(window)
	if err != nil {
		return nil, err
	}
	return newClient(conn, st), nil
}

func newClient(conn *Conn, st *stream) *client {
	c := &client{Conn: conn, stream: st}
	conn.told, conn.flow = c.told, c
	remember(st)
	return c
}

// dialMany connects n clients and has each served once. On an error those
// already there are closed.
func (s *Server) dialMany(n int) (clients, error) {
	var all clients
	for range n {
		c, err := s.dial()
		if err == nil {
			all = append(all, c)
			err = c.ping()
		}
		if err != nil {
			all.close()
			return nil, After(err, fmt.Sprintf("client %d of %d connects", len(all), n))
		}
	}
	return all, nil
}

// dialWaves is dialMany for many: a few connect and are served at a time.
func (s *Server) dialWaves(n int) (all clients, err error) {
	const wave = 50 // some kernels let no more than 128 wait
	for len(all) < n && err == nil {
		var some clients
		if some, err = s.dialMute(min(wave, n-len(all))); err == nil {
			err = some.each(func(c *client) error { return c.recv(c.out.Load()) })
		}
		all = append(all, some...)
	}
	return all, After(err, fmt.Sprintf("%d clients have connected", len(all)))
}

type clients []*client

func (list clients) close() {
	for _, c := range list {
		c.Close()
	}
}

// send writes the stream up to offset end.
func (c *client) send(end int64) error {
	for c.out.Load() < end {
		p := c.at(c.out.Load(), int(min(end-c.out.Load(), 1<<20)))
		n, err := c.take(p)
		c.out.Add(int64(n))
		if err != nil && n == 0 {
			return c.broken(whatEnded(err, takesNone), &Failure{Sent: c.told(), Want: "a server that takes it", Got: Plain(err)})
		}
	}
	return nil
}

// recv reads the stream up to offset end and compares every byte.
func (c *client) recv(end int64) error {
	buf := make([]byte, 64<<10)
	for c.in.Load() < end {
		p := buf[:min(int64(len(buf)), end-c.in.Load())]
		n, err := c.wait(p)
		if bad := c.differ(c.in.Load(), p[:n]); bad >= 0 {
			return c.wrong(p[bad:n], c.in.Load()+int64(bad))
		}
		c.in.Add(int64(n))
		if err != nil {
			return c.broken(whatEnded(err, silence), &Failure{Sent: c.told(), Want: fmt.Sprintf("%d bytes back", end),
				Got: fmt.Sprintf("%d bytes, then %s", c.in.Load(), Plain(err))})
		}
	}
	return nil
}

func (c *client) wrong(got []byte, offset int64) error {
	f := &Failure{Sent: c.told(),
		Want: fmt.Sprintf("at offset %d: %s", offset, show(c.at(offset, 16))),
		Got:  "other bytes: " + show(got[:min(16, len(got))])}
	f.trace(c.stream, offset, got)
	return c.broken(otherBytes, f)
}

// told says what the client has sent.
func (c *client) told() string {
	n := c.out.Load()
	return fmt.Sprintf("%d bytes: %s", n, show(c.at(0, int(min(n, 16)))))
}

// ping sends the next message and wants it back.
func (c *client) ping() error {
	end := c.next(c.out.Load())
	if err := c.send(end); err != nil {
		return err
	}
	return c.recv(end)
}

// exchange sends up to offset end while it reads what comes back.
func (c *client) exchange(end int64) error {
	sent := make(chan error, 1)
	go func() { sent <- c.send(end) }()
	err := c.recv(end)
	if err != nil {
		c.Close() // lets the sender end
	}
	return errors.Join(err, <-sent)
}

// finish half-closes and wants what is owed up to the last whole message, then
// the end of file.
func (c *client) finish() error {
	if err := c.CloseWrite(); err != nil {
		return err
	}
	return c.drain()
}

// drain reads what is owed, then the end of file.
func (c *client) drain() error {
	owed := c.out.Load()
	if err := c.recv(owed); err != nil {
		return err
	}
	return c.RecvEOF()
}

// fill sends without reading until the server takes no more, at most limit
// bytes, and tells how much it took.
func (c *client) fill(limit int64) (took int64, err error) {
	start := c.out.Load()
	took, err = c.Conn.fill(limit, func(took int64) []byte {
		return c.at(start+took, int(min(limit-took, 32<<10)))
	})
	c.out.Store(start + took)
	return took, err
}

// fillUp is fill again and again, until the server has taken nothing three times in
// a row: on a busy machine, one write that waits does not mean that it is full.
func (c *client) fillUp(limit int64, between func() error) (total int64, err error) {
	for idle := 0; idle < 3 && total < limit; idle++ {
		took, err := c.fill(limit - total)
		if err == nil {
			err = between()
		}
		if err != nil {
			return total, err
		}
		if total += took; took > 0 {
			idle = -1
		}
	}
	return total, nil
}

// turns waits until the server has gone round its loop n times: so often a
// client of its own got an answer. A server of one client has no such turns.
func (s *Server) turns(n int) error {
	if !s.Concurrent {
		return nil
	}
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for range n {
		if err := c.ping(); err != nil {
			return because(err, "one client keeps the server from serving another")
		}
	}
	return nil
}

// alive wants a new client to be served.
func (s *Server) alive() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	return After(c.ping(), "a new client connects")
}
