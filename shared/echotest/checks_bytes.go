package echotest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// byteChecks: every byte comes back, in order, unchanged, however the stream is cut
// up, and a client that stops sending still gets what it is owed.
var byteChecks = []Check{
	{Name: "echo", OnWire: true, Chapter: chapter1, Proof: On(echo),
		Promise: "what is sent comes back, to the client that sent it, one client after the other",
		Cause:   "the bytes of one read are not written back as they came"},
	{Name: "any-segmentation", OnWire: true, Chapter: chapter2, Proof: On(anySegmentation),
		Promise: "more than a MiB comes back unchanged, whatever pieces it was sent in",
		Cause:   "after a short write the unsent tail is lost, sent twice, or overtaken by newer bytes"},
	{Name: "dribble", OnWire: true, Chapter: chapter1, Proof: On(dribble),
		Promise: "bytes that come one by one come back",
		Cause:   "a read is taken for a whole message, or a reply waits for more than it needs"},
	{Name: "no-delay", Measures: true, OnWire: true, Alone: true, Chapter: chapter1, Proof: On(noDelay),
		Promise: "a reply does not wait for the acknowledgement of the one before",
		Cause:   "TCP_NODELAY is not set on the accepted socket: Nagle's algorithm holds the second reply back"},
	{Name: "half-close", OnWire: true, Chapter: chapter1, Proof: On(halfClose),
		Promise: "a client that half-closes gets every byte, then end of file",
		Cause:   "end of file is taken for 'close': it only means that no more input comes"},
	{Name: "many-clients", OnWire: true, Chapter: chapter3, when: concurrent, Proof: On(manyClients),
		Promise: "a thousand clients at once (what fits in an fd_set) are all served, each with its own bytes",
		Cause:   "a fixed number of clients, a buffer shared by two of them, or a descriptor's number kept after it was closed"},
	{Name: "idle-costs-nothing", Measures: true, Alone: true, Chapter: chapter3, Proof: On(idleCostsNothing), when: sleeps,
		Promise: "clients that say nothing cost no CPU",
		Cause:   "the loop goes round for no reason: readiness that nobody handles, write interest with nothing to write, or a wait that does not sleep"},
}

func echo(s *Server) error {
	for range 3 {
		c, err := s.dial()
		if err != nil {
			return err
		}
		for range 10 {
			if err := c.ping(); err != nil {
				c.Close()
				return err
			}
		}
		if err := c.finish(); err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

func anySegmentation(s *Server) error {
	st := newStream(s.Promises, seeds.Add(1), upTo(9000), 3<<19)
	c, err := s.dialWith(st)
	if err != nil {
		return err
	}
	defer c.Close()
	end := int64(len(st.block))
	sent := make(chan error, 1)
	go func() {
		random := rand.New(rand.NewPCG(1, 2))
		var err error
		for err == nil && c.out.Load() < end {
			// Sizes of every magnitude, from one byte to a whole read buffer and more.
			piece := 1 + random.Int64N(1<<random.IntN(18))
			err = c.send(min(end, c.out.Load()+piece))
		}
		sent <- errors.Join(err, c.CloseWrite())
	}()
	if err := c.recv(end); err != nil {
		return err
	}
	return errors.Join(c.RecvEOF(), <-sent)
}

func dribble(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(20), 3000))
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range int64(1500) {
		if err := c.send(i + 1); err != nil {
			return err
		}
		// On a raw stream each byte is owed at once, with frames each whole one.
		if err := c.recv(c.boundary(i + 1)); err != nil {
			return err
		}
		if !s.Framed {
			if err := c.recv(i + 1); err != nil {
				return err
			}
		}
	}
	return c.exchange(c.next(c.out.Load()))
}

// noDelay makes the server reply twice while the client has nothing to send
// that could carry an acknowledgement: a read ends at an urgent byte, so what
// comes before it and what comes after are two reads and two replies.
func noDelay(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(50), 4000))
	if err != nil {
		return err
	}
	defer c.Close()
	var took []time.Duration
	for range 60 {
		start := time.Now()
		if err := c.sendTwo(); err != nil {
			return err
		}
		if err := c.recv(c.out.Load()); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	// The delayed acknowledgement is 40 ms on Linux, 100 ms and more elsewhere.
	if slow := took[len(took)*3/4]; slow > 30*time.Millisecond {
		return &Failure{Sent: "two messages at a time, 60 times", Got: fmt.Sprintf("a quarter of the replies took %v or more", slow)}
	}
	return s.hasNoDelay(c)
}

// hasNoDelay looks at the server's end of the connection itself, where that can be
// done: a machine that is busy can hide the delay.
func (s *Server) hasNoDelay(c *client) error {
	k := s.look().of(procAddr(c.LocalAddr().String()))
	if k == nil {
		return nil
	}
	if set, err := optionOf(s.Pid, k.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err == nil && set == 0 {
		return &Failure{Want: "the option TCP_NODELAY on the accepted socket", Got: fmt.Sprintf("descriptor %d does not have it", k.fd)}
	}
	return nil
}

// sendTwo sends two messages with an urgent byte between them, as fast as it
// can: the second has to leave before the reply to the first is there.
func (c *client) sendTwo() error {
	first := c.next(c.out.Load())
	last := c.next(first)
	a, b := c.at(c.out.Load(), int(first-c.out.Load())), c.at(first, int(last-first))
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	outer := raw.Control(func(fd uintptr) {
		_, err1 := unix.Write(int(fd), a)
		err2 := unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil)
		_, err3 := unix.Write(int(fd), b)
		err = errors.Join(err1, err2, err3)
	})
	c.out.Store(last)
	return errors.Join(err, outer)
}

func halfClose(s *Server) error {
	for _, size := range []int64{0, 1, 100, 100_000} {
		c, err := s.dial()
		if err != nil {
			return err
		}
		if size > 0 {
			err = c.send(c.next(size))
		}
		if err == nil {
			err = c.finish()
		}
		c.Close()
		if err != nil {
			return After(err, "half-close after sending")
		}
	}
	return nil
}

func halfCloseQueued(s *Server) error { return sweep(s, true) }

// sweep has clients send without reading, the first a little less than the
// kernel holds of the replies, each next one 100 KB more, so that some of them
// leave the server with unsent bytes (and, of frames, with whole ones in hand)
// while nothing more comes. Then all read.
func sweep(s *Server, halfClose bool) error {
	sizes := []int64{60_000, 300_000, 1_000_000}
	for d := int64(-400_000); d <= 800_000; d += 100_000 {
		sizes = append(sizes, max(kernelHolds()+d, 100_000))
	}
	if !s.Concurrent {
		return sweepOneByOne(s, sizes, halfClose)
	}
	var all clients
	defer func() { all.close() }()
	for _, size := range sizes {
		c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), longBlock), smallWindow)
		if err != nil {
			return err
		}
		all = append(all, c)
		if err := c.overfeed(size, halfClose); err != nil {
			return err
		}
	}
	if err := s.turns(100); err != nil {
		return err
	}
	if err := s.still("a client that does not read keeps the loop awake: interest in reading (or a wake-up for its end of file) is kept while its bytes cannot be sent"); err != nil {
		return err
	}
	for _, c := range all {
		if err := c.settle(halfClose); err != nil {
			return err
		}
	}
	return nil
}

func sweepOneByOne(s *Server, sizes []int64, halfClose bool) error {
	for _, size := range sizes {
		c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), longBlock), smallWindow)
		if err != nil {
			return err
		}
		err = c.overfeed(size, halfClose)
		if err == nil {
			err = c.settle(halfClose)
		}
		c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// kernelHolds measures how many bytes one can write to a client that reads
// nothing: the sender's buffer, which grows, and the client's small window.
var kernelHolds = sync.OnceValue(func() int64 {
	const guess = 2 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return guess
	}
	defer l.Close()
	s := &Server{Addr: l.Addr().String()}
	deaf, err := s.dialSized(newStream(s.Promises, 0, sized(1000), 1000), smallWindow)
	if err != nil {
		return guess
	}
	defer deaf.Close()
	c, err := l.Accept()
	if err != nil {
		return guess
	}
	defer c.Close()
	writer := newClient(NewConn(c.(*net.TCPConn)), newStream(s.Promises, 0, sized(1000), 64<<10))
	took, err := writer.fill(mostUnread)
	if err != nil {
		return guess
	}
	return took
})

// overfeed sends about n bytes, whole messages, and reads nothing. If the server
// takes no more, the message that was begun is completed while reading.
func (c *client) overfeed(n int64, halfClose bool) error {
	if _, err := c.fill(c.next(n)); err != nil {
		return err
	}
	if out := c.out.Load(); c.boundary(out) != out {
		if err := c.exchange(c.next(out)); err != nil {
			return err
		}
	}
	if halfClose {
		return c.CloseWrite()
	}
	return nil
}

// settle reads what overfeed has left to read, and the end of file.
func (c *client) settle(closed bool) error {
	err := c.recv(c.out.Load())
	if err == nil && !closed {
		err = c.CloseWrite()
	}
	if err == nil {
		err = c.RecvEOF()
	}
	return After(err, fmt.Sprintf("%d bytes, then half-close=%v, before any was read", c.out.Load(), closed))
}

func manyClients(s *Server) error {
	n, err := s.room(1100)
	if err != nil {
		return err
	}
	all, err := s.dialWaves(n)
	defer all.close()
	if err != nil {
		return err
	}
	for range 2 {
		for _, c := range all {
			if err := c.send(c.next(c.out.Load())); err != nil {
				return err
			}
		}
		for i, c := range all {
			if err := c.recv(c.out.Load()); err != nil {
				return After(err, fmt.Sprintf("client %d of %d, all at once", i+1, n))
			}
		}
	}
	return nil
}
