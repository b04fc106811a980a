package echotest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// wireChecks: what only shows after a while, next to others, or at a limit. They
// repeat what may go well by luck until it cannot.
var wireChecks = []Check{
	{Name: "quiet-clients", OnWire: true, Chapter: chapter5, Proof: On(quietClients),
		Promise: "a client that says nothing for seconds is not dropped, and is sent nothing",
		Cause:   "a timeout that nobody asked for: without -idle-timeout a client may be silent, stop inside a message or read late, for as long as it likes"},
	{Name: "bounded-queue", OnWire: true, Chapter: chapter2, Proof: On(boundedQueue),
		Promise: "the server soon stops reading from a client that does not read",
		Cause:   "unsent bytes are queued without a limit, or with far too high a one: stop reading from a client while it has unsent bytes"},
	{Name: "long-stream", OnWire: true, Chapter: chapter2, Proof: On(longStream),
		Promise: "64 MiB from one client come back unchanged, and so do more small messages than 16 bits can count",
		Cause:   "a counter or a position that is too small, or is not reset; a tail that is lost once in a thousand short writes"},
	{Name: "side-by-side", OnWire: true, Chapter: chapter3, when: concurrent, Proof: On(sideBySide),
		Promise: "clients that send at the same time, each a part of a message, get their own bytes",
		Cause:   "two clients share a buffer, or the place where a message is assembled"},
	{Name: "every-size", OnWire: true, Chapter: chapter5, when: framed, Proof: On(everySize),
		Promise: "frames of any legal size come back unchanged, around each power of two and up to -max-frame",
		Cause:   "a length assembled from signed bytes, cut to 16 bits, or compared with a buffer's size and off by one"},
	{Name: "header-in-pieces", OnWire: true, Chapter: chapter5, when: framed, Proof: On(headerInPieces),
		Promise: "a header that comes byte by byte, while others are served in between, is understood; so is a too-long one with nothing after it",
		Cause:   "a read is assumed to hold a whole header, or a length that is too long is noticed only when more comes"},
	{Name: "ends-anywhere", OnWire: true, Chapter: chapter5, when: framed, Proof: On(endsAnywhere),
		Promise: "end of file after 0 to 4 bytes of a header: the whole frames come back, even empty ones, then end of file",
		Cause:   "the end of file is handled before the last frames are, or an empty frame at the end is forgotten"},
	{Name: "lingers", OnWire: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(lingers),
		Promise: "after a too-long frame the server keeps reading for a moment, so that late input does not destroy the last replies",
		Cause:   "close(2) with unread input sends RST, which destroys what was sent: shut down the sending side, read and discard for a while, then close"},
}

// quietFor is how long clients say nothing. A read waits that long: a client
// that is dropped learns it at once.
const quietFor = 3300 * time.Millisecond

// quietClients has one client that has said nothing yet, one that was served, one
// inside a message, and one that was owed megabytes when it fell silent.
func quietClients(s *Server) error {
	var all clients
	defer func() { all.close() }()
	count := 4
	if !s.Concurrent {
		count = 1
	}
	for i := range count {
		c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(3000), 60_000), smallWindow)
		if err != nil {
			return err
		}
		all = append(all, c)
		if err := s.beforeQuiet(c, i); err != nil {
			return err
		}
	}
	return all.each(func(c *client) error {
		did := fmt.Sprintf("nothing for %v", quietFor)
		if err := After(s.keepQuiet(c), did); err != nil {
			return err
		}
		return After(c.exchange(c.next(c.whole())), did)
	})
}

// beforeQuiet brings a client into the i-th state in which it may fall silent.
func (s *Server) beforeQuiet(c *client, i int) error {
	switch i {
	case 0:
		return c.ping()
	case 1: // inside a frame; a stream of bytes has no inside
		if err := c.send(500); err != nil {
			return err
		}
		return c.recv(s.owed(c))
	case 2: // owed megabytes
		_, err := s.takes(c, mostUnread)
		return err
	}
	return nil // it has never said anything
}

// owed is how much of what was sent has to come back although nothing follows.
func (s *Server) owed(c *client) int64 {
	if s.Framed {
		return c.boundary(c.out.Load())
	}
	return c.out.Load()
}

// keepQuiet neither sends nor reads what is owed. Only a client that is owed
// nothing can tell before the end that it was dropped.
func (s *Server) keepQuiet(c *client) error {
	if c.in.Load() == s.owed(c) {
		return c.Silent(quietFor)
	}
	timer := time.NewTimer(quietFor)
	defer timer.Stop()
	<-timer.C
	return nil
}

// echoHolds measures how many bytes an echo server takes from a client that reads
// nothing, when it keeps one buffer of 64 KiB and the kernel the rest.
var echoHolds = sync.OnceValue(func() int64 {
	const guess = 10 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return guess
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			c.Close()
		}
	}()
	s := &Server{Addr: l.Addr().String()}
	deaf, err := s.dialSized(newStream(s.Promises, 0, sized(1000), 64<<10), smallWindow)
	if err != nil {
		return guess
	}
	defer deaf.Close()
	took, err := s.takes(deaf, mostUnread)
	if err != nil {
		return guess
	}
	return took
})

// takes is fillUp with others served in between.
func (s *Server) takes(c *client, limit int64) (total int64, err error) {
	return c.fillUp(limit, func() error { return s.turns(5) })
}

// boundedQueue allows for kernels with larger buffers than this one's, and for
// what 05 holds: the write buffer, a frame and one read.
func boundedQueue(s *Server) error {
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 100_000), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	most := max(2*echoHolds()+4<<20, 16<<20)
	took, err := s.takes(c, most)
	if err == nil && took >= most {
		err = &Failure{Sent: c.told() + ", and read nothing", Want: "a server that stops reading one who does not read",
			Got: fmt.Sprintf("it took %d MiB; the kernel's buffers hold %d", took>>20, echoHolds()>>20)}
	}
	if err != nil {
		return err
	}
	return After(c.exchange(c.whole()), "sent until the server took no more, then began to read")
}

func longStream(s *Server) error {
	const total = 64 << 20
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(30_000), 1<<20+12_345))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.exchange(c.next(total)); err != nil {
		return err
	}
	if err := c.finish(); err != nil {
		return err
	}
	small, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(8), 600_000))
	if err != nil {
		return err
	}
	defer small.Close()
	return small.exchange(int64(len(small.block)))
}

// sideBySide has each client send in pieces that end anywhere, one piece of each
// in turn; and then all of them send megabytes at the same time.
func sideBySide(s *Server) error {
	const n, rounds = 10, 40
	var all clients
	defer func() { all.close() }()
	for range n {
		c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(3000), 100_000))
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range rounds {
		for _, c := range all {
			if err := c.send(c.out.Load() + 1 + random.Int64N(1<<random.IntN(13))); err != nil {
				return err
			}
		}
		for _, c := range all {
			if err := c.recv(s.owed(c)); err != nil {
				return After(err, fmt.Sprintf("%d clients send a piece in turn", n))
			}
		}
	}
	return all.each(func(c *client) error {
		err := c.exchange(c.next(3 << 20))
		if err == nil {
			err = c.finish()
		}
		return After(err, fmt.Sprintf("%d clients send 3 MiB at the same time", n))
	})
}

// sizes are those around each power of two, some whose bytes mean something in a
// text or are negative, and random ones up to the greatest.
func sizes() []int {
	list := []int{10, 13, 0x0d0a, 0x0a0d, 0x8080, 0xff00, 0x8080 << 4, 0xfffff}
	for bit := range 21 {
		list = append(list, 1<<bit-1, 1<<bit)
		if 1<<bit < defaultMaxFrame {
			list = append(list, 1<<bit+1)
		}
	}
	for less := range 16 {
		list = append(list, defaultMaxFrame-less)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 16 {
		list = append(list, defaultMaxFrame-random.IntN(1<<(4+random.IntN(16))))
	}
	return list
}

// everySize sends each frame alone, and then all of them in a row.
func everySize(s *Server) error {
	c, err := s.dialWith(streamOf(sizes()))
	if err != nil {
		return err
	}
	defer c.Close()
	for _, size := range sizes() {
		if err := c.exchange(c.next(c.out.Load())); err != nil {
			return After(err, fmt.Sprintf("a frame of %d bytes, after those that are shorter", size))
		}
	}
	if err := c.exchange(2 * int64(len(c.block))); err != nil { // the second round
		return After(err, fmt.Sprintf("%d frames in a row", len(c.ends)))
	}
	return c.finish()
}

// streamOf makes frames of these sizes, of random bytes.
func streamOf(sizes []int) *stream {
	next := 0
	total := 0
	for _, size := range sizes {
		total += 4 + size
	}
	return newStream(Promises{Framed: true}, seeds.Add(1), func(*rand.Rand) int {
		next++
		return sizes[next-1]
	}, total)
}

// headerInPieces lets the server read each byte before it sends the next: another
// client is served in between.
func headerInPieces(s *Server) error {
	c, err := s.dialWith(streamOf([]int{1, 0, 300, 70_000, 0, 0, 5}))
	if err != nil {
		return err
	}
	defer c.Close()
	for range 2 {
		for range c.ends {
			if err := s.byByte(c, 5); err != nil {
				return err
			}
			if err := c.exchange(c.whole()); err != nil {
				return After(err, "a header, byte by byte, with others served in between; then the rest of the frame")
			}
		}
	}
	for _, header := range []string{"\x00\x10\x00\x01", "\xff\xff\xff\xff", "\x80\x00\x00\x00"} {
		if err := s.tooLongByByte(header); err != nil {
			return After(err, "a frame, then the header "+show([]byte(header))+", byte by byte, and nothing behind it")
		}
	}
	return nil
}

// byByte sends n bytes, at most up to the end of the message.
func (s *Server) byByte(c *client, n int) error {
	end := c.next(c.out.Load())
	for range n {
		if c.out.Load() == end {
			return nil
		}
		if err := c.send(c.out.Load() + 1); err != nil {
			return err
		}
		if err := s.turns(2); err != nil {
			return After(err, "another client is inside a header")
		}
	}
	return nil
}

func (s *Server) tooLongByByte(header string) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.ping(); err != nil {
		return err
	}
	for i := range header {
		if _, err := c.Write([]byte{header[i]}); err != nil {
			return err
		}
		if err := s.turns(2); err != nil {
			return err
		}
	}
	return c.RecvEOF()
}

// endsAnywhere tries each end twice: with the last bytes sent by themselves, and
// together with the frames before.
func endsAnywhere(s *Server) error {
	for _, frames := range [][]int{nil, {0}, {5}, {0, 0}, {300, 0}, {70_000}, {200_000, 0, 1}} {
		for part := range 5 {
			for _, together := range []bool{true, false} {
				if err := s.endsAfter(frames, part, together); err != nil {
					return After(err, fmt.Sprintf("%d frames (payloads of %v bytes), %d bytes of a header, half-close", len(frames), frames, part))
				}
			}
		}
	}
	return nil
}

func (s *Server) endsAfter(frames []int, part int, together bool) error {
	c, err := s.dialWith(streamOf(append(frames, 9)))
	if err != nil {
		return err
	}
	defer c.Close()
	owed := c.boundary(int64(len(c.block)) - 1)
	sent := make(chan error, 1)
	go func() {
		err := error(nil)
		if !together {
			err = c.send(owed)
		}
		sent <- errors.Join(err, c.send(owed+int64(part)), c.CloseWrite())
	}()
	if err := c.recv(owed); err != nil {
		return err
	}
	return errors.Join(c.RecvEOF(), <-sent)
}

// lingers repeats two things: a client that reads late what was owed to it before
// the error, with much behind it; and one that sends on after the end of file.
func lingers(s *Server) error {
	for i := range 6 {
		if err := s.readsLate(100_000 << (i % 4)); err != nil {
			return err
		}
	}
	// One that takes too long over it, on a busy machine, does not count.
	for counted, tries := 0, 1; counted < 3 && tries <= 20; tries++ {
		ok, err := s.sendsAfterEnd()
		if err != nil {
			return err
		}
		if ok {
			counted++
		}
		if tries == 20 && counted == 0 {
			return Skipf("the machine is too busy to send 5 KB within %v", inTime)
		}
	}
	return nil
}

// behind is what follows the header of a frame that is too long: more than a
// server reads at a time, and no more than it may be expected to ignore.
const behind = 768 << 10

func (s *Server) readsLate(size int64) error {
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 50_000), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.overfeed(size, false); err != nil {
		return err
	}
	did := fmt.Sprintf("%d bytes of frames, a too-long header and %d KiB more, before any was read", c.out.Load(), behind>>10)
	sent := make(chan error, 1)
	go func() {
		c.SetWriteDeadline(time.Now().Add(patience))
		_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, 1<<32-1), make([]byte, behind)...))
		sent <- err
	}()
	err = s.turns(10)
	if err == nil {
		err = c.drain()
	}
	if err != nil {
		c.Close()
	}
	if werr := <-sent; err == nil && werr != nil {
		err = &Failure{Want: "all of it is read or ignored", Got: Plain(werr)}
	}
	return After(err, did)
}

// inTime is how soon after the error a server must still be lingering.
const inTime = 600 * time.Millisecond

// sendsAfterEnd sends a little more after the end of file: a server that has closed
// answers that with RST, and the next write fails. It counts if it was in time.
func (s *Server) sendsAfterEnd() (counts bool, err error) {
	const pieces, beat = 5, 20 * time.Millisecond
	c, err := s.dial()
	if err != nil {
		return false, err
	}
	defer c.Close()
	if err := c.ping(); err != nil {
		return false, err
	}
	start := time.Now()
	if _, err := c.Write([]byte("\xff\xff\xff\xff")); err != nil {
		return false, err
	}
	if err := c.RecvEOF(); err != nil {
		return false, After(err, "a frame, then the header ff ff ff ff")
	}
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	for i := range pieces {
		<-ticks.C
		_, err := c.Write(make([]byte, 1000))
		took := time.Since(start)
		if took > inTime {
			return false, nil
		}
		if err != nil {
			return false, &Failure{Sent: "a frame, the header ff ff ff ff, and pieces of 1000 bytes after the end of file",
				Want: "a server that reads and ignores them for a second or so", Got: fmt.Sprintf("%s at piece %d, after %v", Plain(err), i+1, took.Round(time.Millisecond))}
		}
	}
	return true, nil
}
