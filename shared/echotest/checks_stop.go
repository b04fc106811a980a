package echotest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// stopChecks: who can delay a stop, and for how long; and what a server says
// that never gets as far as serving.
var stopChecks = []Check{
	{Name: "stop-drains", Alone: true, Chapter: chapter5, when: framed, Proof: stopDrains,
		Promise: "at a stop everything queued arrives, then end of file; exit status 0 as soon as everybody has left",
		Cause:   "the stop drops the queues, tries to send them only once, or waits until -drain is over"},
	{Name: "stop-under-fire", Alone: true, Chapter: chapter5, when: framed, Proof: stopUnderFire,
		Promise: "at a stop a client that keeps sending gets the replies to what it has sent, in whole frames, then end of file and no reset",
		Cause:   "close(2) with unread input sends RST: shut down the sending side, then read and discard until end of file"},
	{Name: "stop-answers-nothing", Alone: true, Chapter: chapter5, when: framed, Proof: stopAnswersNothing,
		Promise: "once a stop begins nobody is accepted and nothing is answered, not even frames in hand: only what is queued is sent",
		Cause:   "the listener stays registered, or frames are taken from the read buffer while it drains"},
	{Name: "stop-ends-by-drain", Chapter: chapter5, when: framed, Proof: stopEndsByDrain,
		Promise: "a client that never reads, or takes a little at a time, delays the stop by at most -drain",
		Cause:   "the stop waits for the last byte without a limit, or the time starts over with each byte that is taken"},
	{Name: "stop-owes-nothing", Alone: true, Chapter: chapter5, when: framed, Proof: stopOwesNothing,
		Promise: "a client that has everything it is owed does not hold up a stop, whether it is silent or goes on sending",
		Cause:   "the stop waits for the end of every client until -drain is over: once nothing is owed, the time to linger is enough"},
	{Name: "second-signal", Alone: true, Chapter: chapter5, when: framed, Proof: secondSignal,
		Promise: "a second signal ends the server at once, as that signal does by default",
		Cause:   "signal.NotifyContext goes on catching signals after the first: call its stop function when the context is done"},
	{Name: "two-signals", Chapter: chapter1, Proof: twoSignals,
		Promise: "two signals in a row end the server: with status 0, or as one of them does by default",
		Cause:   "the second signal finds a server that is half gone"},
	{Name: "low-limits", Alone: true, Chapter: chapter1, Proof: lowLimits,
		Promise: "with few descriptors the server serves, or ends with one line that names the address and the number it needs",
		Cause:   "the ready line comes before everything that needs a descriptor is open: ask for some in socket.Listen"},
}

// stopOwesNothing has three clients that stay: one silent, one that goes on
// sending, and one that takes what it is owed only when the stop has begun.
func stopOwesNothing(t *Target) error {
	s, err := t.Start("-drain", "30s")
	if err != nil {
		return err
	}
	defer s.Kill()
	silent, err := s.dialMany(1)
	if err != nil {
		return s.Explain(err)
	}
	defer silent.close()
	late, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(4000), 1<<20), smallWindow)
	if err != nil {
		return err
	}
	defer late.Close()
	if err := overfill(late); err != nil {
		return s.Explain(err)
	}
	f, err := s.flood()
	if err != nil {
		return s.Explain(err)
	}
	defer f.Close()
	if err := s.Signal(unix.SIGTERM); err != nil {
		return err
	}
	start := time.Now()
	go late.readOn()
	code, err := s.Wait(patience) // of which lingering takes 2 s
	if took := time.Since(start); err == nil && took < 1500*time.Millisecond {
		err = fmt.Errorf("the server ended after %v", took)
	}
	if err == nil && code != 0 {
		err = errors.New(s.State())
	}
	if err == nil && len(s.Stderr.All()) > 0 {
		err = errors.New("lines on standard error: that clients stay is no news at a stop")
	}
	if err != nil {
		err = &Failure{Sent: "SIGTERM with -drain 30s; 3 clients take what they are owed, and stay",
			Want: "exit status 0 after 2 s or so, the time to linger, and nothing said", Got: err.Error()}
	}
	return s.Explain(err)
}

// readOn takes whatever comes.
func (c *client) readOn() {
	buf := make([]byte, 64<<10)
	for {
		c.SetReadDeadline(time.Now().Add(6 * patience))
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func secondSignal(t *Target) error {
	pairs := [][2]unix.Signal{{unix.SIGTERM, unix.SIGTERM}, {unix.SIGINT, unix.SIGINT}, {unix.SIGTERM, unix.SIGINT}}
	errs := make([]error, len(pairs))
	var together sync.WaitGroup
	for i, pair := range pairs {
		together.Go(func() { errs[i] = t.twoSignalsEnd(pair) })
	}
	together.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// twoSignalsEnd sends the second signal of a pair while the first one's stop waits for
// a client.
func (t *Target) twoSignalsEnd(pair [2]unix.Signal) error {
	s, err := t.Start("-drain", "30s")
	if err != nil {
		return err
	}
	defer s.Kill()
	stuck, err := s.dial()
	if err != nil {
		return err
	}
	defer stuck.Close()
	if err = overfill(stuck); err == nil {
		err = s.beginStop(pair[0])
	}
	if err == nil {
		err = s.endsBy(pair[1])
	}
	return s.Explain(After(err, fmt.Sprintf("a client that never reads, %s, -drain 30s", unix.SignalName(pair[0]))))
}

// beginStop sends a signal and waits until the server has noticed it.
func (s *Server) beginStop(sig unix.Signal) error {
	idle, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer idle.close()
	if err := s.Signal(sig); err != nil {
		return err
	}
	return idle[0].RecvEOF()
}

// endsBy sends a second signal, 10 ms or more after the first, and wants it to
// end the server.
func (s *Server) endsBy(sig unix.Signal) error {
	timer := time.NewTimer(50 * time.Millisecond) // what is promised is promised from 10 ms on
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.Done():
		return Failf("the first signal ended it: %s", s.State())
	}
	if err := s.Signal(sig); err != nil {
		return err
	}
	_, err := s.Wait(stopLimit)
	if err != nil || !s.KilledBy(sig) {
		if err == nil {
			err = errors.New(s.State())
		}
		return &Failure{Sent: unix.SignalName(sig), Want: "the server killed by that signal", Got: err.Error()}
	}
	return nil
}

func twoSignals(t *Target) error {
	for range 2 {
		s, err := t.Start(t.Promises.brisk()...)
		if err != nil {
			return err
		}
		defer s.Kill()
		stuck, err := s.dial()
		if err != nil {
			return err
		}
		defer stuck.Close()
		if err := overfill(stuck); err != nil {
			return s.Explain(err)
		}
		s.Signal(unix.SIGTERM)
		s.Signal(unix.SIGINT) // may come too late, or be the one that is delivered first
		code, err := s.Wait(stopLimit)
		if err == nil && code != 0 && !s.KilledBy(unix.SIGINT) && !s.KilledBy(unix.SIGTERM) {
			err = errors.New(s.State())
		}
		if err == nil && len(s.Stderr.All()) > 0 {
			err = errors.New("lines on standard error")
		}
		if err != nil {
			return s.Explain(&Failure{Sent: "SIGTERM and SIGINT in a row", Want: "exit status 0, or killed by one of them", Got: err.Error()})
		}
	}
	return nil
}

// lowLimits goes up from what the Go runtime needs for itself, up to where the
// server starts.
func lowLimits(t *Target) error {
	const lowest, enough = 8, 48
	for n := lowest; n <= enough; n++ {
		served, err := t.startsWithin(n)
		if err != nil {
			return After(err, fmt.Sprintf("ulimit -n %d", n))
		}
		if served {
			return nil
		}
	}
	return Failf("the server does not start with %d descriptors", enough)
}

var digits = regexp.MustCompile(`\b\d+\b`)

// startsWithin starts a server with n descriptors: it serves, or says why not.
func (t *Target) startsWithin(n int) (served bool, err error) {
	const addr = "127.0.0.1:0"
	p, err := t.Spawn(proc.Command{Descriptors: n}, "-addr", addr)
	if err != nil {
		return false, err
	}
	defer p.Kill()
	s := &Server{Promises: t.Promises, Process: p}
	if s.Addr, err = ready(p); err == nil {
		if err = s.settled(); err == nil {
			err = s.Stop()
		}
		return true, s.Explain(err)
	}
	code, err := p.Wait(patience)
	if err != nil {
		return false, err
	}
	p.Stderr.Wait(patience, func(string) bool { return false }) // until all of it is there
	list := p.Stderr.All()
	named := func(line string) bool {
		return strings.Contains(line, addr) && digits.MatchString(strings.ReplaceAll(line, addr, ""))
	}
	if code != 1 || len(list) != 1 || len(p.Stdout.All()) > 0 || !slices.ContainsFunc(list, named) {
		return false, s.Explain(&Failure{Want: "exit status 1 and one line that names " + addr + " and how many descriptors are needed",
			Got: fmt.Sprintf("%s, %d lines", p.State(), len(list))})
	}
	return false, nil
}
