package echotest

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// idleBeat is how often a busy client speaks; there are 14 beats in 400 ms. Time
// is counted in beats: if the machine has none for the server, they come late too.
const (
	idleBeat  = 30 * time.Millisecond
	mostBeats = 25
)

// idleTimeouts has those who must go, and one who must not. On a busy machine that one
// may have no time to take anything for 400 ms, but not each time.
func idleTimeouts(t *Target) error {
	err := On(idleTimeout, "-idle-timeout", "400ms", "-write-buffer", "1048576")(t)
	if err != nil {
		return err
	}
	for range 3 {
		if err = On(steadyStays, "-idle-timeout", "400ms", "-write-buffer", "16777216")(t); err == nil {
			break
		}
	}
	return err
}

// steadyStays has a client who is owed much all the time, and takes some every 100 ms:
// enough for the server's kernel to have room again, which is a third of a buffer.
func steadyStays(s *Server) error {
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 50_000), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	const all, some, beats = 24 << 20, 1 << 20, 12
	sent := make(chan error, 1)
	go func() { sent <- c.send(c.next(all)) }()
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	for range beats {
		if err := c.recv(c.in.Load() + some); err != nil {
			c.Close() // lets the sender end
			<-sent
			return After(err, "a MiB of replies taken every 100 ms, more owed, with -idle-timeout 400ms")
		}
		<-beat.C
	}
	if err := c.recv(c.next(all)); err != nil {
		return err
	}
	return <-sent
}

// idleTimeout has clients that have to go, each for its own reason, and one that is
// busy. That one has its descriptor number from a client that was there before, whose
// timer must be gone as well. Later it falls silent, and has to go too.
func idleTimeout(s *Server) error {
	if err := s.settled(); err != nil {
		return err
	}
	busy, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(10), 1000))
	if err != nil {
		return err
	}
	defer busy.Close()
	if err := busy.ping(); err != nil {
		return err
	}
	if err := s.idlersGo(busy); err != nil {
		return err
	}
	start := time.Now()
	if err := busy.ping(); err != nil {
		return onTime(start, 400*time.Millisecond, err)
	}
	if err := busy.RecvEOF(); err != nil {
		return After(err, "a frame every 30 ms for a second, then nothing, with -idle-timeout 400ms")
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		return Failf("closed %v after its last frame, with -idle-timeout 400ms", took)
	}
	return nil
}

// lingerLeavesNoTimer has a client linger and leave, and one of the next get its
// number. They talk until every timer of the first would be over: 1 s, and 2 s to
// linger.
func lingerLeavesNoTimer(s *Server) error {
	first, err := s.dial()
	if err != nil {
		return err
	}
	defer first.Close()
	if _, err := first.Write([]byte{0xff, 0, 0, 0}); err != nil {
		return err
	}
	err = first.RecvEOF()
	first.Close()
	if err == nil {
		err = s.settled()
	}
	if err != nil {
		return err
	}
	next, err := s.dialMany(4)
	if err != nil {
		return err
	}
	defer next.close()
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	last := time.Now()
	for end := last.Add(3500 * time.Millisecond); time.Now().Before(end); <-beat.C {
		if err := next.each((*client).ping); err != nil {
			err = After(err, "a too-long header, and a close; then other clients, a frame every 100 ms, with -idle-timeout 1s")
			return onTime(last, time.Second, err)
		}
		last = time.Now()
	}
	return nil
}

// idlersGo keeps one client busy, for more than twice the time, until the idle
// ones have gone.
func (s *Server) idlersGo(busy *client) error {
	dribbler, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(5000), 1))
	if err != nil {
		return err
	}
	defer dribbler.Close()
	start := time.Now()
	soon, later := make(chan error, 2), make(chan error, 3)
	go func() { soon <- After(s.muteGoes(), "nothing, with -idle-timeout 400ms") }()
	go func() {
		soon <- After(gone(dribbler), "a frame's bytes, one by one, never the last, with -idle-timeout 400ms")
	}()
	go func() { later <- After(s.stuckGoes(mostUnread, false), "no reply taken, with -idle-timeout 400ms") }()
	go func() {
		later <- After(s.stuckGoes(kernelHolds()+500_000, true), "half-closed, no reply taken, with -idle-timeout 400ms")
	}()
	go func() {
		later <- After(s.pesterGoes(), "no reply taken, and a frame every 30 ms, with -idle-timeout 400ms")
	}()
	beat := time.NewTicker(idleBeat)
	defer beat.Stop()
	last := start // when the busy one had its answer
	for waits, beats := 5, 0; waits > 0 || time.Since(start) < time.Second; {
		select {
		case err = <-soon:
			if took := time.Since(start); err == nil && (took < 300*time.Millisecond || beats > mostBeats) {
				err = Failf("closed after %v and %d frames of another client, one every %v, with -idle-timeout 400ms", took, beats, idleBeat)
			}
			waits--
		case err = <-later:
			waits--
		case <-beat.C:
			beats++
			dribbler.Write(dribbler.at(dribbler.out.Add(1)-1, 1)) // its end is gone's to notice
			if err = onTime(last, 400*time.Millisecond, After(busy.ping(), "a frame every 30 ms, with -idle-timeout 400ms")); err == nil {
				last = time.Now()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onTime returns err, unless this machine had no time for the busy client either.
func onTime(last time.Time, idle time.Duration, err error) error {
	if late := time.Since(last); err != nil && late > idle*5/8 {
		return Skipf("%v without a beat: this machine is too busy for an idle timeout of %v", late, idle)
	}
	return err
}

// muteGoes wants the end of one who says nothing, and a line that names it.
func (s *Server) muteGoes() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.RecvEOF(); err != nil {
		return err
	}
	return s.logged(c, "")
}

// pesterGoes wants a line for one that reads nothing and keeps sending a little: the
// server tries to write each time, and nothing is taken.
func (s *Server) pesterGoes() error {
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 50_000), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	c.fill(c.next(kernelHolds() + 500_000)) // its end may come earlier
	logged := make(chan error, 1)
	go func() { logged <- s.logged(c, "") }()
	beat := time.NewTicker(idleBeat)
	defer beat.Stop()
	for {
		select {
		case err := <-logged:
			return err
		case <-beat.C:
			c.send(c.next(c.out.Load()))
		}
	}
}

// stuckGoes wants a line for one who sends n bytes and reads nothing. It has to be
// the line: from a full connection the end is seen only by reading.
func (s *Server) stuckGoes(n int64, halfClose bool) error {
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 50_000), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.fill(c.next(n)); err == nil && halfClose { // its end may come earlier
		c.CloseWrite()
	}
	return s.logged(c, "")
}

// gone waits for the end of a connection, however it comes.
func gone(c *client) error {
	c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(make([]byte, 1))
	if n > 0 || err != io.EOF && !errors.Is(err, unix.ECONNRESET) {
		return Failf("no end: %d bytes, %v", n, err)
	}
	return nil
}
