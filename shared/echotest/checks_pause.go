package echotest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// pauseChecks: a client that does not read is paused at the write buffer's mark,
// and goes on from there. And the two ends of a connection that 05 adds.
var pauseChecks = []Check{
	{Name: "frames-in-hand", OnWire: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(framesInHand),
		Promise: "a client that reads late gets every frame, including those the server had already read when it paused",
		Cause:   "after the write buffer has drained only reading is resumed: no event comes for frames already in the read buffer"},
	{Name: "frames-in-hand-small", Alone: true, Chapter: chapter5, when: framed, Proof: On(framesInHand, "-write-buffer", "1"),
		Promise: "the same with the smallest write buffer, which leaves many frames in hand",
		Cause:   "after the write buffer has drained only reading is resumed: no event comes for frames already in the read buffer"},
	{Name: "header-in-hand", Chapter: chapter5, when: framed, Proof: On(headerInHand, "-write-buffer", "1"),
		Promise: "of a client that is paused nothing is lost that was read, even 1 to 3 bytes of a header after the last whole frame",
		Cause:   "when the frames in hand have been answered, the beginning of the next one is thrown away"},
	{Name: "queue-keeps-to-mark", Chapter: chapter5, when: framed, Proof: On(queueKeepsToMark, "-v=json", "-write-buffer", fmt.Sprint(queueMark)),
		Promise: "a client is paused when its queue has reached -write-buffer, and resumed when it is down to half of that",
		Cause:   "the queue grows beyond the mark, and unsent bytes are queued without a limit; or one mark serves for both, so that a client is paused and resumed with every write"},
	{Name: "end-while-paused", Alone: true, Chapter: chapter5, when: framed, Proof: On(halfCloseQueued, "-write-buffer", "16384"),
		Promise: "end of file while the client is paused with whole frames in hand: all of them come back, then end of file",
		Cause:   "at end of file only what is queued is sent; the frames still in the read buffer are forgotten"},
	{Name: "paused-memory", Measures: true, OnWire: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(pausedMemory),
		Promise: "a paused client holds at most -write-buffer, -max-frame and one read",
		Cause:   "reading or extracting goes on although the queue is at its mark: unsent bytes are queued without a limit"},
}

func framesInHand(s *Server) error { return sweep(s, false) }

// headerInHand has every read end in a header: with so small a write buffer the
// server reads 4 KiB at a time, which here are whole frames and a few bytes. No read
// brings less, because all of it is there before the server begins.
func headerInHand(s *Server) error {
	const read, frame = 4096, 1024
	var all clients
	defer func() { all.close() }()
	for part := 1; part <= 3; part++ {
		first := part // the first frame is so much shorter
		c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), func(*rand.Rand) int {
			size := frame - 4 - first
			first = 0
			return size
		}, 16<<20), smallWindow)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	fill := func(limit int64) func(c *client) error {
		return func(c *client) error {
			_, err := c.fill(limit)
			return err
		}
	}
	if err := s.Suspend(); err != nil {
		return err
	}
	err := all.each(fill(64 * read))
	if err = errors.Join(err, s.Signal(unix.SIGCONT)); err == nil {
		err = all.each(fill(mostUnread))
	}
	if err == nil {
		err = all.each(func(c *client) error { return c.exchange(c.whole()) })
	}
	return After(err, fmt.Sprintf("frames of %d bytes, unread until the server takes no more; its reads end 1 to 3 bytes into a header", frame))
}

func pausedMemory(s *Server) error {
	const n = 12
	var all clients
	defer func() { all.close() }()
	resident, _, err := s.growth(func() error {
		for range n {
			c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(defaultMaxFrame), 1), smallWindow)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return all.each(overfill)
	})
	// The mark, a frame and one read are 1.5 MiB; a Go heap takes twice what it
	// holds, and as much again while a buffer grows.
	if most := int64(n*6<<20 + 24<<20); err == nil && resident > most {
		err = &Failure{Sent: fmt.Sprintf("%d clients send frames of 1 MiB and do not read", n),
			Want: fmt.Sprintf("at most %d MiB more memory", most>>20), Got: fmt.Sprintf("%d MiB more", resident>>20)}
	}
	if err == nil {
		err = s.still("interest in reading is kept while a client is paused")
	}
	if err == nil {
		err = all.each(func(c *client) error { return c.exchange(c.whole()) })
	}
	return err
}

// stopDrains gives the server a write buffer that takes all of it, so that what
// is owed at the stop is known to the byte.
func stopDrains(t *Target) error {
	for _, run := range []func(*Server) error{(*Server).stopUnused, (*Server).stopEmpty, (*Server).stopQueued} {
		s, err := t.Start("-write-buffer", "16777216", "-drain", "1m")
		if err != nil {
			return err
		}
		defer s.Kill()
		if err := run(s); err != nil {
			return s.Explain(After(err, "with -drain 1m"))
		}
	}
	return nil
}

// stopUnused stops a server that has never had a client.
func (s *Server) stopUnused() error { return s.StopBy(unix.SIGTERM, patience) }

// stopEmpty stops a server that has had clients, and has none.
func (s *Server) stopEmpty() error {
	if err := s.settled(); err != nil {
		return err
	}
	return s.StopBy(unix.SIGTERM, patience)
}

// stopQueued has four clients who are owed much when the stop comes. One of them has
// half-closed, and one has broken the protocol after the frames that count. And it has
// more clients that are owed nothing than are accepted in a turn.
func (s *Server) stopQueued() error {
	const halfClosed, broken, n, idlers = 0, 1, 4, 100
	var all clients
	defer func() { all.close() }()
	for range n {
		c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(9000), 100_000), smallWindow)
		if err != nil {
			return err
		}
		all = append(all, c)
		if err := c.send(c.next(6 << 20)); err != nil {
			return err
		}
	}
	_, err := all[broken].Write([]byte{0xff, 0, 0, 0})
	if err = errors.Join(err, all[halfClosed].CloseWrite()); err != nil {
		return err
	}
	// The server has taken all of it once it has been asked often enough: each turn
	// it reads 256 KiB from each.
	if err := s.turns(300); err != nil {
		return err
	}
	idle, err := s.dialMany(idlers)
	if err != nil {
		return err
	}
	defer idle.close()
	if err := s.Signal(unix.SIGTERM); err != nil {
		return err
	}
	if err := idle.each(func(c *client) error { return c.RecvEOF() }); err != nil {
		return After(err, fmt.Sprintf("SIGTERM, with %d clients that are owed nothing", idlers))
	}
	idle.close()
	if err := s.refuses(); err != nil {
		return After(err, "SIGTERM, and a new client while others are owed bytes")
	}
	err = all[halfClosed+1:].each((*client).drainAndClose)
	if err == nil { // the last to leave
		err = After(all[halfClosed].drainAndClose(), "half-close before SIGTERM")
	}
	if err != nil {
		return After(err, "6 MiB that were queued when SIGTERM came")
	}
	if code, err := s.Wait(patience); err != nil || code != 0 {
		return &Failure{Sent: "SIGTERM", Want: "exit status 0 when all is sent", Got: fmt.Sprintf("status %d, %v", code, err)}
	}
	return nil
}

func (c *client) drainAndClose() error {
	err := c.drain()
	c.Close()
	return err
}

// stopUnderFire begins to read only when the stop has begun, so that the server
// has unread input of this client all the time.
func stopUnderFire(t *Target) error {
	s, err := t.Start("-drain", "8s")
	if err != nil {
		return err
	}
	defer s.Kill()
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(4000), 1<<20), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := overfill(c); err != nil {
		return s.Explain(err)
	}
	err = s.beginStop(unix.SIGTERM)
	if err == nil {
		err = c.flood().untilEOF(c.out.Load())
	}
	if err == nil {
		var code int
		if code, err = s.Wait(patience); err == nil && code != 0 {
			err = Failf("%s", s.State())
		}
	}
	return s.Explain(After(err, "frames without end, none read before SIGTERM"))
}

// untilEOF wants the server to end the flood at the end of a frame, and not to
// answer what is sent after owed, but to read and ignore it.
func (f *flood) untilEOF(owed int64) error {
	timer := time.AfterFunc(patience, func() { f.SetDeadline(time.Unix(1, 0)) })
	defer timer.Stop()
	read := <-f.readEnd
	var ignored error
	if read == nil {
		ignored = f.ignored()
	}
	f.Close() // ends the sending
	<-f.sendEnd
	if in := f.in.Load(); read == nil && in > owed {
		return &Failure{Sent: f.told(), Want: fmt.Sprintf("end of file, after at most the %d bytes sent before the stop", owed),
			Got: fmt.Sprintf("%d bytes, then end of file", in), Cause: "frames are answered while the server stops"}
	}
	if ignored != nil {
		return ignored
	}
	if in := f.in.Load(); read == nil && f.boundary(in) != in {
		return &Failure{Sent: f.told(), Want: "whole frames, then end of file",
			Got: fmt.Sprintf("end of file %d bytes after the last whole frame", in-f.boundary(in))}
	}
	if read != nil {
		return &Failure{Sent: f.told(), Want: "end of file", Got: fmt.Sprintf("%d bytes, then %s", f.in.Load(), Plain(read))}
	}
	return nil
}

// ignored wants the server to take more than it ignores of a client that broke
// the protocol, 16 MiB, or to go on taking for nearly the time to linger, 2 s.
func (f *flood) ignored() error {
	const much, stall, linger = 32 << 20, time.Second, 1500 * time.Millisecond
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	start, from := time.Now(), f.out.Load()
	for at, since := from, start; f.out.Load()-from < much && time.Since(start) < linger; <-beat.C {
		if out := f.out.Load(); out > at {
			at, since = out, time.Now()
		}
		ended := len(f.sendEnd) > 0
		if ended || time.Since(since) > stall {
			return &Failure{Sent: f.told(), Want: "end of file, and a server that reads and ignores what still comes",
				Got:   fmt.Sprintf("it took %d KiB more (the connection has ended: %v)", (at-from)>>10, ended),
				Cause: "the bytes that are ignored are limited during a stop too, or close(2) comes at once"}
		}
	}
	return nil
}

// stopAnswersNothing has clients with frames in hand: a read brings as much as the
// write buffer holds, so when that is full some are left, more of one client and
// fewer of another. What had been written before the stop is known from the
// narration; only what is queued may follow.
func stopAnswersNothing(t *Target) error {
	s, err := t.Start("-write-buffer", fmt.Sprint(inHandBuffer), "-drain", "1m", "-v=json")
	if err != nil {
		return err
	}
	defer s.Kill()
	return s.Explain(s.stopInHand())
}

const inHandBuffer = 64 << 10

func (s *Server) stopInHand() error {
	const n, size = 8, 1000
	var all clients
	defer func() { all.close() }()
	for range n {
		c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(size), 50_000), smallWindow)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	open, err := s.stuck(all)
	if err != nil {
		return err
	}
	if err := s.beginStop(unix.SIGTERM); err != nil {
		return err
	}
	if err := s.refuses(); err != nil {
		return After(err, "SIGTERM, and a new client while another is owed bytes")
	}
	const slack = inHandBuffer // the kernel takes a little more of each, now and then
	got, most := int64(0), int64(n*(inHandBuffer+size)+slack)
	for _, c := range all {
		c.SetReadDeadline(time.Now().Add(patience))
		if err := c.toEnd(); err != nil {
			return After(err, "SIGTERM to a server that holds frames of clients who do not read")
		}
		d, _ := ofPeer(open, c)
		got, most = got+c.in.Load(), most+d.Written
		c.Close()
	}
	if got > most {
		return &Failure{Sent: fmt.Sprintf("frames of %d bytes from %d clients, none read until SIGTERM, with -write-buffer %d", size, n, inHandBuffer),
			Want: fmt.Sprintf("what was written and what was queued, at most %d bytes", most), Got: fmt.Sprint(got)}
	}
	if code, err := s.Wait(patience); err != nil || code != 0 {
		return &Failure{Sent: "SIGTERM", Want: "exit status 0 when all is sent", Got: fmt.Sprintf("status %d, %v", code, err)}
	}
	return nil
}

// refuses wants a new client to be told at once that nobody will serve it.
func (s *Server) refuses() error {
	c, err := s.dial()
	if err != nil {
		return nil
	}
	defer c.Close()
	away, err := turnedAway(c)
	if err == nil && !away {
		err = errors.New("an echo")
	}
	if err != nil {
		return &Failure{Want: "a connection refused or reset", Got: Plain(err),
			Cause: "the listener is left open, and the kernel goes on finishing handshakes: close it when the stop begins"}
	}
	return nil
}

// stuck has clients send until the server takes no more, and tells how things stand
// once it has come to rest: a slow server still reads and writes for a while.
func (s *Server) stuck(all clients) (open map[int]Descriptor, err error) {
	if err := all.each(overfill); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		before, err1 := s.knownNow()
		err2 := s.turns(20)
		open, err3 := s.knownNow()
		moved := func(c *client) bool {
			then, _ := ofPeer(before, c)
			now, _ := ofPeer(open, c)
			return then.Read != now.Read || then.Written != now.Written
		}
		if err := errors.Join(err1, err2, err3); err != nil || !slices.ContainsFunc(all, moved) {
			return open, err
		}
	}
	return nil, Failf("the server keeps reading and writing, for clients that do nothing")
}

// knownNow is what the narration says about all that was done before this call: a
// client that connects now is in it.
func (s *Server) knownNow() (open map[int]Descriptor, err error) {
	marks, err := s.dialMany(1)
	if err != nil {
		return nil, err
	}
	defer marks.close()
	j := s.Journal()
	if !j.WaitAll(patience, func(list []Object) bool {
		open = state(list)
		d, ok := ofPeer(open, marks[0])
		return ok && d.Written > 0
	}) {
		return nil, errors.Join(j.err, Failf("the narration does not mention the last client"))
	}
	return open, nil
}

// stopEndsByDrain has a client that never reads, and one that takes a little all the
// time: that does not prolong the stop. The end of -drain 0s may come late on a busy
// machine, but not each time.
func stopEndsByDrain(t *Target) error {
	took, err := t.stopOwing("300ms", nil)
	if err == nil && took < 200*time.Millisecond {
		err = Failf("the stop took %v although a client was owed bytes, -drain 300ms", took)
	}
	if err == nil {
		_, err = t.stopOwing("1s", (*client).sip, "-write-buffer", "16777216")
	}
	const tries, atOnce = 5, 700 * time.Millisecond
	shortest := patience
	for i := 0; i < tries && err == nil && shortest > atOnce; i++ {
		took, err = t.stopOwing("0s", nil)
		shortest = min(shortest, took)
	}
	if err == nil && shortest > atOnce {
		err = &Failure{Sent: fmt.Sprintf("SIGTERM to %d servers with -drain 0s, while a client never reads", tries),
			Want: "an end at once", Got: fmt.Sprintf("%v at the soonest", shortest)}
	}
	return err
}

// stopOwing stops a server that owes bytes to a client, and tells how long that took.
func (t *Target) stopOwing(drain string, meanwhile func(*client), args ...string) (took time.Duration, err error) {
	s, err := t.Start(append(args, "-drain", drain)...)
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(9000), 100_000), smallWindow)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := overfill(c); err != nil {
		return 0, s.Explain(err)
	}
	did := "a client that never reads"
	if meanwhile != nil {
		did = "a client that reads a little at a time"
		go meanwhile(c)
	}
	start := time.Now()
	err = s.StopBy(unix.SIGTERM, stopLimit)
	return time.Since(start), s.Explain(After(err, "-drain "+drain+", "+did))
}

// sip reads a little, again and again, until the connection ends: enough each time
// for the server's kernel to have room again, which is a third of a buffer.
func (c *client) sip() {
	beat := time.NewTicker(300 * time.Millisecond)
	defer beat.Stop()
	for {
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.CopyN(io.Discard, c, 1<<20); err != nil {
			return
		}
		<-beat.C
	}
}
