package echotest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// frameChecks: a frame is a 4-byte big-endian length and that many bytes.
var frameChecks = []Check{
	{Name: "header-split", OnWire: true, Chapter: chapter5, when: framed, Proof: On(headerSplit),
		Promise: "a frame may be cut anywhere, even inside its header",
		Cause:   "the header is decoded before all of its 4 bytes are there"},
	{Name: "many-frames-at-once", OnWire: true, Chapter: chapter5, when: framed, Proof: On(manyFrames),
		Promise: "every frame in a read is answered",
		Cause:   "only the first frame of a read is taken; the next waits for bytes that never come"},
	{Name: "empty-frames", OnWire: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(emptyFrames),
		Promise: "an empty frame is a frame; a million of them are cheap",
		Cause:   "length 0 is taken for 'nothing there', or the read buffer is moved for each frame (quadratic): keep a position, compact once per read"},
	{Name: "greatest-frame", OnWire: true, Chapter: chapter5, when: framed, Proof: On(greatestFrame),
		Promise: "a frame of exactly -max-frame bytes is legal",
		Cause:   "the maximum is compared with >=, or with the header included"},
	{Name: "too-long", OnWire: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(tooLong),
		Promise: "a header over -max-frame ends that client: replies to the frames before it, then end of file, one log line, others unharmed",
		Cause:   "the length is compared after conversion to a signed type or after adding 4, or memory is allocated for it"},
	{Name: "too-long-while-queued", OnWire: true, Chapter: chapter5, when: framed, Proof: On(tooLongWhileQueued),
		Promise: "the replies owed before a too-long frame arrive, even when the client reads late and keeps sending",
		Cause:   "close(2) with unread input sends RST, which destroys what was sent: shut down the sending side, read and discard for a while, then close"},
	{Name: "linger-ends", OnWire: true, Chapter: chapter5, when: framed, Proof: lingerWhateverIdle,
		Promise: "a client that keeps sending after a too-long frame is read from for a while, but not forever, whatever -idle-timeout is",
		Cause:   "close(2) follows the protocol error at once, or what is read and discarded after it has no bound in time and size"},
	{Name: "linger-end-of-file", Chapter: chapter5, when: framed, Proof: On(lingerEndOfFile, "-v"),
		Promise: "a client that closes after a too-long frame is closed at once: its end of file is read once",
		Cause:   "end of file ends the linger too: otherwise the descriptor stays readable, and the loop spins until the time is over"},
	{Name: "large-frame-costs", Measures: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(largeFrameCosts, "-max-frame", "33554432"),
		Promise: "the CPU time that a frame of 32 MiB costs grows with its bytes, not with their square",
		Cause:   "what has come of a frame is copied at each read (quadratic): append to it, and let it double when it is full"},
	{Name: "large-frame-in-pieces", Chapter: chapter5, when: framed, Proof: On(largeFrameInPieces, "-v"),
		Promise: "next to other clients, a long frame is read in pieces of 64 KiB, so that each costs the others little",
		Cause:   "a read takes as much as there is, and a long frame makes that much more expensive"},
	{Name: "claims-cost-nothing", Measures: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(claimsCostNothing, "-max-frame", "67108864"),
		Promise: "memory grows with the bytes received, not with the bytes a header claims",
		Cause:   "a buffer is allocated for the claimed length"},
	{Name: "half-frame-waits", OnWire: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(halfFrameWaits),
		Promise: "no part of a frame comes back before it is whole, and a client that stops inside one keeps nobody waiting",
		Cause:   "bytes are echoed as they come (cut-through), or the server waits for the rest of one client's frame"},
	{Name: "half-frame-ends", OnWire: true, Chapter: chapter5, when: framed, Proof: On(halfFrameEnds),
		Promise: "at end of file inside a frame the whole frames come back, nothing of the last, then end of file; one log line",
		Cause:   "at end of file the whole frames in hand are dropped, or the broken one is answered"},
	{Name: "small-limits", Chapter: chapter5, when: framed, Proof: On(smallLimits, "-max-frame", "1000", "-write-buffer", "1"),
		Promise: "-max-frame and -write-buffer are respected, and a frame longer than the write buffer still passes",
		Cause:   "a frame is admitted only if it fits into the write buffer: admit it while the queue is below the mark"},
	{Name: "idle-holds-no-buffer", Measures: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(idleHoldsNoBuffer),
		Promise: "a client that is idle after a large frame holds no buffer",
		Cause:   "a connection keeps the buffer of its largest frame"},
}

// defaultMaxFrame is 05's -max-frame when it is not given.
const defaultMaxFrame = 1 << 20

func headerSplit(s *Server) error {
	st := &stream{}
	for _, payload := range []string{"", "abc", "", "0123456"} {
		st.block = append(st.block, frame([]byte(payload))...)
		st.ends = append(st.ends, len(st.block))
	}
	c, err := s.dialWith(st)
	if err != nil {
		return err
	}
	defer c.Close()
	for cut := 1; cut < len(st.block); cut++ {
		at := c.out.Load() + int64(cut)
		err := c.send(at)
		if err == nil { // what is whole comes back before the rest is sent
			err = c.recv(c.boundary(at))
		}
		if err == nil {
			err = c.exchange(at - int64(cut) + int64(len(st.block)))
		}
		if err != nil {
			return After(err, fmt.Sprintf("4 frames of %d bytes, cut after byte %d", len(st.block), cut))
		}
	}
	return nil
}

func manyFrames(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(3), 100_000))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.exchange(int64(len(c.block)))
}

// emptyFrames: moving the rest of a 256 KiB read for each frame in it takes a
// hundred times as long as reading on.
func emptyFrames(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, 0, sized(0), 4<<20))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.ping(); err != nil {
		return err
	}
	if !s.measurable() {
		return c.exchange(1 << 20) // a server that makes two calls for each frame may take seconds over them
	}
	before, err := s.CPU()
	if err != nil {
		return err
	}
	if err := c.exchange(4 << 20); err != nil {
		return err
	}
	used, err := s.CPU()
	if used -= before; err == nil && used > 1500*time.Millisecond {
		err = &Failure{Sent: c.told(), Want: "a million frames in well under a second of CPU", Got: fmt.Sprintf("%v of CPU", used)}
	}
	return err
}

func greatestFrame(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(defaultMaxFrame), 1))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.exchange(5 * int64(len(c.block)))
}

var tooLongs = []uint32{defaultMaxFrame + 1, 1<<31 - 1, 1 << 31, 1<<32 - 4, 1<<32 - 1}

func tooLong(s *Server) error {
	witness, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer witness.close()
	for _, length := range tooLongs {
		header := binary.BigEndian.AppendUint32(nil, length)
		did := "3 frames, then the header " + show(header) + " and 64 KiB more"
		resident, _, err := s.growth(func() error { return s.overstep(header) })
		if err != nil {
			return After(err, did)
		}
		if resident > 64<<20 {
			return &Failure{Sent: did, Want: "no memory for it", Got: fmt.Sprintf("%d MiB more", resident>>20)}
		}
		if err := witness[0].ping(); err != nil {
			return After(err, "another client: "+did)
		}
	}
	if s.Process == nil {
		return nil
	}
	if err := s.settled(); err != nil {
		return err
	}
	return s.said(len(tooLongs))
}

// overstep sends three frames and the header of one that is too long. What comes after
// it is ignored, and worth no other line, nor is a reset.
func (s *Server) overstep(header []byte) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for range 3 {
		if err := c.send(c.next(c.out.Load())); err != nil {
			return err
		}
	}
	if _, err := c.Write(append(header, make([]byte, 64<<10)...)); err != nil {
		return err
	}
	if err := c.drain(); err != nil {
		return err
	}
	c.Write(make([]byte, 1000))
	if header[3]&1 > 0 {
		c.Reset()
	} else {
		c.Close()
	}
	return s.logged(c, fmt.Sprint(binary.BigEndian.Uint32(header)))
}

// logged wants one line on standard error that names the client and word.
func (s *Server) logged(c *client, word string) error {
	if s.Process == nil {
		return nil
	}
	peer := c.LocalAddr().String()
	want := fmt.Sprintf("one line on standard error that names the client, %s, and %q", peer, word)
	_, ok := s.Stderr.Wait(patience/4, func(line string) bool {
		return strings.Contains(line, peer) && strings.Contains(line, word)
	})
	if ok {
		return s.shortLog(10)
	}
	missing := &Failure{Want: want, Got: "no such line"}
	if word != "" {
		missing.Cause = "a protocol error is not logged: the operator has to know whose it is"
	}
	return missing
}

// tooMuch is what a client may have sent of a frame before it is told that the
// frame is too long.
const tooMuch = 8 << 20

func tooLongWhileQueued(s *Server) error {
	// At the last size the header comes while there is a queue, below the mark.
	for _, size := range []int64{100_000, 1_000_000, kernelHolds() + 150_000} {
		c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 50_000), smallWindow)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.overfeed(size, false); err != nil {
			return err
		}
		out := c.out.Load()
		last := slices.Clone(c.at(out, int(c.next(out+10_000)-out))) // frames in the same read as the header
		c.out.Add(int64(len(last)))
		sent := make(chan error, 1)
		go func() {
			c.SetWriteDeadline(time.Now().Add(patience))
			_, err := c.Write(append(append(last, 0xff, 0, 0, 0), make([]byte, tooMuch)...))
			sent <- err
		}()
		err = s.turns(20)
		if err == nil {
			err = c.drain()
		}
		if err != nil {
			c.Close() // lets the sender end
		}
		if err = errors.Join(err, <-sent); err != nil {
			return After(err, fmt.Sprintf("%d bytes of frames, a too-long header and %d MiB more, before any was read", c.out.Load(), tooMuch>>20))
		}
	}
	return nil
}

// lingerWhateverIdle has a linger end, with an idle timeout that is much longer, and not end, with
// one that is much shorter.
func lingerWhateverIdle(t *Target) error {
	err := On(lingerEnds, "-idle-timeout", "1m")(t)
	if err == nil {
		err = After(On(lingerGoesOn, "-idle-timeout", "100ms")(t), "with -idle-timeout 100ms")
	}
	return err
}

// lingerGoesOn has a client send a byte now and then after the end of file, for
// several times the idle timeout.
func lingerGoesOn(s *Server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte{0xff, 0, 0, 0}); err != nil {
		return err
	}
	if err := c.RecvEOF(); err != nil {
		return err
	}
	beat := time.NewTicker(50 * time.Millisecond)
	defer beat.Stop()
	for start := time.Now(); time.Since(start) < 450*time.Millisecond; <-beat.C {
		if _, err := c.Write([]byte{0}); err != nil {
			return &Failure{Sent: "the header ff 00 00 00, and after the end of file a byte every 50 ms", Want: "a server that reads and ignores them for a while",
				Got: fmt.Sprintf("an end of the connection after %v", time.Since(start)), Cause: "the time to linger is that of -idle-timeout"}
		}
	}
	return nil
}

// lingerEnds has two clients send on after the end of file: one fast, the other
// a byte now and then. The server must not hang up on the slow one at once.
func lingerEnds(s *Server) error {
	fast, err := s.dial()
	if err != nil {
		return err
	}
	defer fast.Close()
	slow, err := s.dial()
	if err != nil {
		return err
	}
	defer slow.Close()
	beat := time.NewTicker(50 * time.Millisecond)
	defer beat.Stop()
	err = clients{fast, slow}.each(func(c *client) error {
		if c == fast {
			_, err := c.sendOn(make([]byte, 32<<10), nil)
			return err
		}
		took, err := c.sendOn([]byte{0}, beat.C)
		if err == nil && took < 500*time.Millisecond {
			err = &Failure{Sent: "the header ff 00 00 00, and after the end of file a byte every 50 ms", Want: "a server that reads and ignores them for a while",
				Got: fmt.Sprintf("the connection ended after %v", took), Cause: "close(2) comes at once, or shutdown(2) does not come before it"}
		}
		return err
	})
	if err == nil {
		err = s.shortLog(2) // one for each header; none for the end of the linger
	}
	return err
}

// lingerEndOfFile closes where the server lingers, and counts how often the server
// reads the end of file.
func lingerEndOfFile(s *Server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte{0xff, 0, 0, 0}); err != nil {
		return err
	}
	if err := c.RecvEOF(); err != nil {
		return err
	}
	c.Close()
	ends := 0
	s.Stderr.WaitAll(patience, func(list []string) bool {
		from := slices.IndexFunc(list, func(l string) bool { return strings.HasPrefix(l, "shutdown(") })
		if from < 0 {
			return false
		}
		fd, _, _ := strings.Cut(strings.TrimPrefix(list[from], "shutdown"), " ")
		ends = 0
		for _, l := range list[from:] {
			if strings.HasPrefix(l, "close"+fd+" ") {
				return true
			}
			if strings.HasPrefix(l, "read"+fd+" = 0") {
				ends++
			}
		}
		return ends > 1
	})
	if ends != 1 {
		return &Failure{Sent: "the header ff 00 00 00; after the end of file, a close",
			Want: "one read that returns 0, then a close", Got: s.Stderr.Excerpt()}
	}
	return nil
}

// sendOn sends a header that is too long, and then piece after piece, one at
// each beat (nil: without a pause), until the server has closed. It tells how long
// that took from the end of file on.
func (c *client) sendOn(piece []byte, beat <-chan time.Time) (took time.Duration, err error) {
	const most, mostBeats = 128 << 20, 100
	if _, err := c.Write([]byte{0xff, 0, 0, 0}); err != nil {
		return 0, err
	}
	if err := c.RecvEOF(); err != nil {
		return 0, err
	}
	start, sent := time.Now(), 0
	for deadline := start.Add(patience); time.Now().Before(deadline) && sent < most; {
		c.SetWriteDeadline(deadline)
		n, err := c.Write(piece)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return time.Since(start), nil // the server has closed
		}
		if sent += n; beat != nil {
			if <-beat; sent >= mostBeats {
				break
			}
		}
	}
	return 0, &Failure{Sent: fmt.Sprintf("the header ff 00 00 00, and after the end of file pieces of %d bytes", len(piece)),
		Want: "the connection ends", Got: fmt.Sprintf("the server has taken %d bytes and keeps reading", sent)}
}

// largeFrameCosts looks for one cheap large frame: the collector may begin early, and
// fresh memory costs page faults, which small frames do not.
func largeFrameCosts(s *Server) error {
	const size, most = 32 << 20, 15
	if !s.measurable() {
		return Skipf("CPU is not judged with the race detector")
	}
	small, err := s.cpuOfEcho(1<<20, size)
	if err != nil {
		return err
	}
	var ratio float64
	for range 3 {
		large, err := s.cpuOfEcho(size, size)
		if err != nil {
			return err
		}
		if ratio = float64(large) / float64(small); ratio <= most {
			return nil
		}
	}
	return &Failure{Sent: "32 frames of 1 MiB, then a frame of 32 MiB, three times", Want: fmt.Sprintf("at most %d times the CPU time", most), Got: fmt.Sprintf("%.1f times", ratio)}
}

var readLine = regexp.MustCompile(`^read\((\d+)\) = (\d+)`)

// largeFrameInPieces makes the kernel's buffers grow first, or a read could not bring
// more than a piece anyway.
func largeFrameInPieces(s *Server) error {
	const size, piece = 1 << 20, 64 << 10
	other, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer other.close()
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(size), 1))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.exchange(c.next(8<<20)), s.Suspend()); err != nil {
		return err
	}
	from, before := 0, int(c.out.Load()+other[0].out.Load())
	s.Stderr.WaitAll(patience, func(list []string) bool { // what was narrated may come late
		from = len(list)
		return narratedReads(list) >= before
	})
	_, err = c.fill(size)
	if err = errors.Join(err, s.Signal(unix.SIGCONT)); err == nil {
		err = c.exchange(c.next(c.out.Load() - 1))
	}
	if err != nil {
		return err
	}
	has, tooMuch := 0, ""
	s.Stderr.WaitAll(patience, func(list []string) bool {
		has = 0
		for _, line := range list[from:] {
			m := readLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			n, _ := strconv.Atoi(m[2]) // the pattern has digits
			if has >= piece && n > piece {
				tooMuch = line
			}
			has += n
		}
		return has >= size+4
	})
	if tooMuch != "" || has != size+4 {
		return &Failure{Sent: "a frame of 1 MiB, with another client there", Got: fmt.Sprintf("%s; %d bytes in all", tooMuch, has)}
	}
	return nil
}

// narratedReads is how many bytes these lines say were read.
func narratedReads(list []string) (n int) {
	for _, line := range list {
		if m := readLine.FindStringSubmatch(line); m != nil {
			read, _ := strconv.Atoi(m[2]) // the pattern has digits
			n += read
		}
	}
	return n
}

// cpuOfEcho is the CPU time that the echo of frames of this size takes, about total
// bytes of them.
func (s *Server) cpuOfEcho(size, total int) (time.Duration, error) {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(size), 1))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	before, err := s.CPU()
	if err == nil {
		err = c.exchange(c.next(int64(total)))
	}
	if err != nil {
		return 0, err
	}
	after, err := s.CPU()
	return after - before, err
}

func claimsCostNothing(s *Server) error {
	const n, claim = 48, 64 << 20
	var all clients
	defer func() { all.close() }()
	resident, mapped, err := s.growth(func() error {
		for range n {
			c, err := s.dial()
			if err != nil {
				return err
			}
			all = append(all, c)
			if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, claim), make([]byte, 1000)...)); err != nil {
				return err
			}
		}
		if err := s.turns(20); err != nil {
			return err
		}
		for _, c := range all { // a second read finds the beginning of a frame there
			if _, err := c.Write(make([]byte, 1000)); err != nil {
				return err
			}
		}
		return s.turns(20)
	})
	if err == nil && (resident > 40<<20 || mapped > n*claim/4) {
		err = &Failure{Sent: fmt.Sprintf("%d clients claim %d MiB each and send 2000 bytes", n, claim>>20),
			Want: "memory for what was sent", Got: fmt.Sprintf("%d MiB more resident, %d MiB more mapped", resident>>20, mapped>>20)}
	}
	return err
}

func halfFrameWaits(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(200_000), 1))
	if err != nil {
		return err
	}
	defer c.Close()
	for _, part := range []int64{2, 4, 5, 100_000, 200_003} {
		if err := c.send(part); err != nil {
			return err
		}
		did := fmt.Sprintf("%d bytes of a frame of 200004", part)
		if err := s.turns(10); err != nil {
			return After(err, "another client sent "+did)
		}
		if err := c.Silent(20 * time.Millisecond); err != nil {
			return After(err, did)
		}
	}
	if err := s.still("half a frame keeps the loop awake"); err != nil {
		return err
	}
	return c.exchange(200_004)
}

func halfFrameEnds(s *Server) error {
	for _, part := range []int{1, 3, 4, 50} {
		c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(100), 1000))
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.send(c.next(c.next(0))); err != nil {
			return err
		}
		if _, err := c.Write(c.at(c.out.Load(), part)); err != nil {
			return err
		}
		err = c.finish()
		if err == nil {
			err = s.logged(c, fmt.Sprintf(" %d byte", part))
		}
		if err != nil {
			return After(err, fmt.Sprintf("2 frames, %d bytes of a third, half-close", part))
		}
	}
	return nil
}

func smallLimits(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(1000), 100_000))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.exchange(3 * int64(len(c.block))); err != nil {
		return err
	}
	c.stream = newStream(s.Promises, seeds.Add(1), sized(1000), 1)
	c.out.Store(0)
	c.in.Store(0)
	if err := c.exchange(10 * 1004); err != nil {
		return After(err, "frames of exactly -max-frame 1000")
	}
	if _, err := c.Write([]byte{0, 0, 3, 233}); err != nil {
		return err
	}
	return After(c.RecvEOF(), "the header of a frame of 1001 bytes, -max-frame 1000")
}

func idleHoldsNoBuffer(s *Server) error {
	const n = 300
	var all clients
	defer func() { all.close() }()
	resident, _, err := s.growth(func() error {
		for range n {
			c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(200_000), 1))
			if err != nil {
				return err
			}
			all = append(all, c)
			if err := c.exchange(200_004); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && resident > n*200_000/5 {
		err = &Failure{Sent: fmt.Sprintf("%d clients, one frame of 200 KB each, all echoed", n),
			Want: "hardly any memory held for them", Got: fmt.Sprintf("%d MiB more", resident>>20)}
	}
	return err
}
