package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A byteServer echoes bytes, and may do it wrong. The zero value does not.
type byteServer struct {
	readTime  time.Duration // drops who says nothing for so long
	writeTime time.Duration // drops who takes nothing for so long
	queue     int           // reads on although so many bytes are unsent
	heartbeat time.Duration // says something unasked

	change func(total int64, p []byte) []byte // what the total-th byte and those behind it become
	atEOF  func(*net.TCPConn)                 // what the end of the input does

	nth     int64          // the n-th client gets a wrong byte
	shared  *[4 << 10]byte // one buffer for all clients
	one     sync.Mutex     // held while a client is served, if alone
	alone   bool           // one client at a time
	onReset func()         // what a reset does to the server
	clients atomic.Int64
}

func (s *byteServer) serve(c *net.TCPConn) {
	if s.alone {
		s.one.Lock()
		defer s.one.Unlock()
	}
	n := s.clients.Add(1)
	out := s.writer(c)
	defer out.Close()
	if s.heartbeat > 0 {
		ticks := time.NewTicker(s.heartbeat)
		defer ticks.Stop()
		go func() {
			for range ticks.C {
				c.Write([]byte("."))
			}
		}()
	}
	buf, total := make([]byte, 64<<10), int64(0)
	if s.shared != nil {
		buf = s.shared[:]
	}
	for {
		if s.readTime > 0 {
			c.SetReadDeadline(time.Now().Add(s.readTime))
		}
		read, err := c.Read(buf)
		p := buf[:read]
		if n == s.nth && read > 0 {
			p[0] ^= 0x20
		}
		if s.change != nil {
			p = s.change(total, p)
		}
		total += int64(read)
		if _, werr := out.Write(p); werr != nil {
			return
		}
		if err != nil {
			if err == io.EOF && s.atEOF != nil {
				s.atEOF(c)
			} else if err != io.EOF && s.onReset != nil {
				s.onReset()
			}
			return
		}
	}
}

// writer is c, or a queue before it.
func (s *byteServer) writer(c *net.TCPConn) io.WriteCloser {
	if s.queue > 0 {
		return newQueue(c, s.queue)
	}
	return writeEnd{c, s.writeTime}
}

// writeEnd leaves closing to whoever accepted.
type writeEnd struct {
	c    *net.TCPConn
	time time.Duration
}

func (w writeEnd) Write(p []byte) (int, error) {
	if w.time > 0 {
		w.c.SetWriteDeadline(time.Now().Add(w.time))
	}
	return w.c.Write(p)
}

func (w writeEnd) Close() error { return nil }

// A queue takes up to limit bytes that the connection has no room for.
type queue struct {
	mu      sync.Mutex
	changed *sync.Cond
	c       *net.TCPConn
	unsent  []byte
	limit   int
	ended   bool
	sent    chan bool
}

func newQueue(c *net.TCPConn, limit int) *queue {
	q := &queue{c: c, limit: limit, sent: make(chan bool)}
	q.changed = sync.NewCond(&q.mu)
	go q.drain()
	return q
}

func (q *queue) drain() {
	defer close(q.sent)
	for {
		q.mu.Lock()
		for len(q.unsent) == 0 && !q.ended {
			q.changed.Wait()
		}
		p := q.unsent
		q.unsent = nil
		q.mu.Unlock()
		if len(p) == 0 {
			return
		}
		for len(p) > 0 {
			n, err := q.c.Write(p[:min(len(p), 64<<10)])
			if err != nil {
				return
			}
			p = p[n:]
		}
		q.mu.Lock()
		q.changed.Broadcast()
		q.mu.Unlock()
	}
}

func (q *queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.unsent) >= q.limit {
		q.changed.Wait()
	}
	q.unsent = append(q.unsent, p...)
	q.changed.Broadcast()
	return len(p), nil
}

func (q *queue) Close() error {
	q.mu.Lock()
	q.ended = true
	q.changed.Broadcast()
	q.mu.Unlock()
	<-q.sent
	return nil
}

// A frameServer echoes frames, and may do it wrong. The zero value does not.
type frameServer struct {
	readTime time.Duration
	max      uint32                // other than 1 MiB
	decode   func([]byte) uint32   // other than big-endian
	change   func(p []byte) []byte // what a payload becomes
	bad      func(*net.TCPConn)    // what a too long frame does, other than to linger
	needs    int                   // bytes that must come behind a header before it is looked at
	hasty    bool                  // takes what a read brings for the whole header
	cut      bool                  // sends the header back before the payload is there
	skip     bool                  // takes an empty frame for nothing
	lazy     bool                  // answers one frame for each read
	endless  bool                  // does not close at the end of file
	broken   bool                  // echoes what it has of a frame at the end of the input
	partial  func(*net.TCPConn)    // what the end of file inside a frame does
	assembly *sync.Mutex           // one place for all clients to put a frame together, held so long
}

// linger is what a server has to do before it closes.
func linger(c *net.TCPConn) {
	c.CloseWrite()
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	io.CopyN(io.Discard, c, 16<<20)
}

func (s *frameServer) serve(c *net.TCPConn) {
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		if s.readTime > 0 {
			c.SetReadDeadline(time.Now().Add(s.readTime))
		}
		n, err := s.header(in)
		if err == nil && n > s.most() {
			if s.bad == nil {
				linger(c)
			} else {
				s.bad(c)
			}
			return
		}
		if err == nil {
			err = s.frame(c, in, n)
		}
		if err == nil {
			continue
		}
		if err == io.ErrUnexpectedEOF && s.partial != nil {
			s.partial(c)
		}
		if s.endless {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			<-timer.C
		}
		return
	}
}

func (s *frameServer) most() uint32 {
	if s.max == 0 {
		return 1 << 20
	}
	return s.max
}

func (s *frameServer) header(in *bufio.Reader) (uint32, error) {
	header := make([]byte, 4)
	if s.hasty {
		if _, err := in.Peek(1); err != nil {
			return 0, err
		}
		in.Read(header)
	} else if _, err := io.ReadFull(in, header); err != nil {
		return 0, err
	}
	if s.needs > 0 && binary.BigEndian.Uint32(header) > 0 {
		if _, err := in.Peek(s.needs); err != nil {
			return 0, err
		}
	}
	if s.decode != nil {
		return s.decode(header), nil
	}
	return binary.BigEndian.Uint32(header), nil
}

func (s *frameServer) frame(c *net.TCPConn, in *bufio.Reader, n uint32) error {
	if s.skip && n == 0 {
		return nil
	}
	header := binary.BigEndian.AppendUint32(nil, n)
	if s.cut {
		c.Write(header)
		header = nil
	}
	if s.assembly != nil {
		s.assembly.Lock()
		defer s.assembly.Unlock()
	}
	payload := make([]byte, n)
	if got, err := io.ReadFull(in, payload); err != nil {
		if s.broken {
			c.Write(append(header, payload[:got]...))
		}
		return io.ErrUnexpectedEOF
	}
	if s.change != nil {
		payload = s.change(payload)
	}
	if s.lazy {
		in.Discard(in.Buffered())
	}
	_, err := c.Write(append(header, payload...))
	return err
}

// flip changes one byte of p.
func flip(p []byte) []byte {
	p = bytes.Clone(p)
	if len(p) > 0 {
		p[len(p)-1] ^= 1
	}
	return p
}
