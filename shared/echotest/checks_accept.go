package echotest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// acceptChecks: what accept(2) and select(2) can return, and what an accepted
// socket needs.
var acceptChecks = []Check{
	{Name: "accept-one-client", Alone: true, Chapter: chapter1, Proof: hostile(acceptOneClient),
		Promise: "an accept(2) error that concerns one client affects nobody else: the next is accepted at once",
		Cause:   "the error ends the server, pauses it, or is logged; accept(2) lists such errors: treat them like EAGAIN"},
	{Name: "client-fails", Chapter: chapter1, Proof: clientFails,
		Promise: "an error of read(2) or write(2), whichever it is, ends that client, is logged with its name, and hurts no other",
		Cause:   "an error that nobody thought of ends the server, or is taken for EAGAIN: but for EAGAIN and EINTR, an error is the client's end"},
	{Name: "accept-in-a-row", Chapter: chapter1, Proof: hostile(acceptInARow),
		Promise: "when accept(2) fails for one client after another, the server pauses after 64 and goes on serving",
		Cause:   "an error that should concern one client, but never ends, is retried without a pause"},
	{Name: "accept-broken", Chapter: chapter1, Proof: acceptBroken,
		Promise: "an accept(2) error of the listener itself ends the server with one line and status 1; no earlier line is lost",
		Cause:   "EBADF, EINVAL, ENOTSOCK or EFAULT is retried, or os.Exit comes before the log has printed what it owes"},
	{Name: "accept-broken-unread", Chapter: chapter1, Proof: acceptBrokenUnread,
		Promise: "a fatal error ends the server with status 1 although nobody reads the log",
		Cause:   "the last line waits for a reader forever"},
	{Name: "accept-unknown", Chapter: chapter1, Proof: hostile(acceptUnknown),
		Promise: "any other accept(2) error pauses accepting for a moment, is logged once per episode, and hurts no client",
		Cause:   "an error that nobody thought of is retried at once, forever: the default must be a pause"},
	{Name: "accept-nobody", Chapter: chapter2, when: concurrent, Proof: hostile(acceptNobody),
		Promise: "an episode of failing accepts ends when nobody waits any more, and the next is logged again",
		Cause:   "EAGAIN from accept(2) does not clear the flag that says it was logged"},
	{Name: "accept-when-one-leaves", Chapter: chapter2, when: concurrent, Proof: hostile(acceptWhenOneLeaves),
		Promise: "when a client leaves, a paused accept is tried again at once: a descriptor is free",
		Cause:   "only the end of the pause resumes accept(2)"},
	{Name: "accept-ends-turn", Chapter: chapter3, Proof: hostile(acceptEndsTurn),
		when:    func(p Promises) bool { return p.Concurrent && p.Sleeps },
		Promise: "a client costs two calls of accept(2) at most: EAGAIN means that nobody else is waiting",
		Cause:   "accept(2) is called again after EAGAIN"},
	{Name: "resume-fails", Chapter: chapter4, Proof: hostile(resumeFails),
		when:    func(p Promises) bool { return p.Concurrent && p.Sleeps && !p.FDSet },
		Promise: "if epoll_ctl(2) fails at the end of a pause of accept(2), another pause follows",
		Cause:   "the error is dropped: nobody waits for the listener any more, and nobody is ever accepted again"},
	{Name: "stop-while-accept-fails", Chapter: chapter1, Proof: stopWhileAcceptFails,
		Promise: "a stop while accept(2) is paused is as quiet as any other",
		Cause:   "the timer that ends the pause outlives the listener"},
	{Name: "accept-turns", Chapter: chapter2, when: concurrent, Proof: On(acceptTurns, "-v"),
		Promise: "at most 64 of a crowd are accepted in one turn, so that the other clients get theirs",
		Cause:   "accept(2) is called until EAGAIN, however many come"},
	{Name: "select-without-memory", Chapter: chapter3, Proof: hostile(selectWithoutMemory),
		when:    func(p Promises) bool { return p.FDSet },
		Promise: "the server waits out ENOMEM from select(2)",
		Cause:   "a passing error of select(2) ends the server, or is retried without a pause"},
	{Name: "keep-alive", Chapter: chapter1, Proof: On(keepAlive),
		Promise: "a peer that vanishes without a word is noticed: an accepted socket has keep-alive, starting after 15 s",
		Cause:   "SO_KEEPALIVE and TCP_KEEPIDLE (TCP_KEEPALIVE on macOS) are not set on the accepted socket"},
}

// hostile is On with a kernel that the check commands.
func hostile(run func(*Server, *kernel) error) func(*Target) error {
	return func(t *Target) error {
		s, k, err := t.startHostile(proc.Command{})
		if err != nil {
			return err
		}
		defer s.Kill()
		if err = s.alive(); err == nil {
			err = run(s, k)
		}
		if err == nil {
			err = s.Stop()
		}
		return s.Explain(err)
	}
}

// clientFails has one call after the other fail for a client that is the only one that
// talks, so that it is known whose call it is. A server asleep in read(2) fails at its next.
func clientFails(t *Target) error {
	k := newKernel()
	k.io = true
	s, err := t.startWithKernel(k, proc.Command{})
	if err != nil {
		return err
	}
	defer s.Kill()
	others := s.alive
	if s.Concurrent && s.Sleeps { // one that stays: the read of one that leaves could be the one that fails
		witness, err := s.dialMany(1)
		if err != nil {
			return s.Explain(err)
		}
		defer witness.close()
		others = witness[0].ping
	}
	for _, failing := range []struct {
		call  string
		errno unix.Errno
	}{{"read", unix.ETIMEDOUT}, {"read", unix.EHOSTUNREACH}, {"read", unix.ENOMEM}, {"read", unix.EIO},
		{"write", unix.ETIMEDOUT}, {"write", unix.EHOSTUNREACH}, {"write", unix.ENOBUFS}, {"write", unix.EIO}} {
		if err = s.failsOnce(k, failing.call, failing.errno); err == nil {
			err = others()
		}
		if err != nil {
			return s.Explain(After(err, fmt.Sprintf("%s(2) fails with %s, once", failing.call, unix.ErrnoName(failing.errno))))
		}
	}
	return s.Explain(s.Stop())
}

// failsOnce wants the end of a client one of whose calls fails, and a line that says so.
func (s *Server) failsOnce(k *kernel, call string, errno unix.Errno) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(2000), 10))
	if err != nil {
		return err
	}
	defer c.Close()
	for range 3 { // turns, in which the server notices that the one before has left
		if err := c.ping(); err != nil {
			return err
		}
	}
	k.set(call, first(1, errno))
	defer k.set(call, nil)
	c.Write(c.at(c.out.Load(), 2000+4)) // a frame and a message end there; it may be too late for it
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		return &Failure{Want: "the end of that client's connection", Got: "nothing"}
	}
	want := fmt.Sprintf("client %v: %s: %v", c.LocalAddr(), call, errno)
	if _, ok := s.Stderr.Wait(patience, func(l string) bool { return l == want }); !ok {
		return &Failure{Want: "a line: " + want, Got: s.Stderr.Excerpt()}
	}
	return nil
}

// ofOneClient are the errors that accept(2) says to treat like EAGAIN, and
// ECONNABORTED.
var ofOneClient = []unix.Errno{unix.ECONNABORTED, unix.EPROTO, unix.ENETDOWN, unix.ENOPROTOOPT,
	unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH}

func acceptOneClient(s *Server, k *kernel) error {
	var gaps []time.Duration
	for _, errno := range ofOneClient {
		for range 3 {
			const fails = 3
			if err := s.answerAccept(k, first(fails, errno)); err != nil {
				return err
			}
			if err := s.alive(); err != nil {
				return After(err, "accept(2) failed with "+unix.ErrnoName(errno))
			}
			if !k.wait("accept", fails+1, patience) {
				return Failf("accept was called %d times, %d of them failed", k.count("accept"), fails)
			}
			calls := k.times("accept")
			gaps = append(gaps, calls[fails].Sub(calls[fails-1]))
		}
	}
	slices.Sort(gaps)
	if median := gaps[len(gaps)/2]; median > 50*time.Millisecond {
		return &Failure{Want: "the next accept at once after an error that concerns one client", Got: fmt.Sprintf("a pause of %v", median)}
	}
	return s.shortLog(0)
}

// acceptEndsTurn has clients come one at a time. Each is answered in a turn after the
// one in which it was accepted.
func acceptEndsTurn(s *Server, k *kernel) error {
	const n = 3
	k.set("accept", nil)
	all, err := s.dialMany(n)
	defer all.close()
	if err != nil {
		return err
	}
	if calls := k.count("accept"); calls > 2*n {
		return &Failure{Sent: fmt.Sprintf("%d clients, one after the other", n), Want: "one accept that returns a client, and one that returns EAGAIN, for each",
			Got: fmt.Sprintf("%d calls of accept", calls)}
	}
	return nil
}

// resumeFails fails the second epoll_ctl(2) after an accept that failed: the first
// took the listener out, the second is to bring it back.
func resumeFails(s *Server, k *kernel) error {
	k.set("accept", only(0, unix.EMFILE))
	k.set("epoll_ctl", func(n int) unix.Errno {
		if n == 1 && len(k.made["accept"]) == 1 {
			return unix.ENOMEM
		}
		return 0
	})
	waiting, err := s.dialMute(1)
	defer waiting.close()
	if err == nil {
		err = waiting.answered()
	}
	return After(err, "accept(2) fails once, and so does the call that asks for the listener again")
}

// answerAccept sets a plan that begins with the next call: a server of one client
// is not asleep in accept while it has one.
func (s *Server) answerAccept(k *kernel, p plan) error {
	if s.Concurrent {
		k.set("accept", p)
		return nil
	}
	last, err := s.dialMany(1)
	if err != nil {
		return err
	}
	k.set("accept", p)
	last.close()
	return nil
}

func acceptInARow(s *Server, k *kernel) error {
	if err := s.rowsOf63(k); err != nil {
		return err
	}
	witness, err := s.witness()
	if err != nil {
		return err
	}
	defer witness.close()
	if err := s.answerAccept(k, always(unix.ECONNABORTED)); err != nil {
		return err
	}
	waiting, err := s.dialMute(2)
	defer waiting.close()
	if err != nil {
		return err
	}
	if !k.wait("accept", 65, patience) {
		return Failf("accept was called only %d times", k.count("accept"))
	}
	if calls := k.times("accept"); calls[64].Sub(calls[63]) < 50*time.Millisecond {
		return &Failure{Sent: "accept(2) fails with ECONNABORTED each time", Want: "a pause of 100 ms after 64 in a row",
			Got: fmt.Sprintf("%v between the 64th and the next", calls[64].Sub(calls[63]))}
	}
	if !k.wait("accept", 68, patience) {
		return Failf("accept was called only %d times", k.count("accept"))
	}
	if calls := k.times("accept"); calls[67].Sub(calls[64]) < 150*time.Millisecond {
		return &Failure{Sent: "accept(2) goes on to fail with ECONNABORTED", Want: "a pause of 100 ms after each call",
			Got: fmt.Sprintf("3 more calls within %v", calls[67].Sub(calls[64]))}
	}
	if err := witness.each((*client).ping); err != nil {
		return After(err, "accept(2) fails with ECONNABORTED each time")
	}
	k.set("accept", nil)
	return After(waiting.answered(), "accept(2) works again")
}

// rowsOf63 has accept fail 63 times before each of two clients who wait, and then
// again: a row ends with a success, or with EAGAIN. A pause that should
// not be there comes each time; one that a busy machine causes does not.
func (s *Server) rowsOf63(k *kernel) error {
	err := s.rowsThatEnd(k, 0, "and succeeds")
	if err == nil && s.Concurrent {
		err = s.rowsThatEnd(k, unix.EAGAIN, "then with EAGAIN, and so again")
	}
	return err
}

func (s *Server) rowsThatEnd(k *kernel, end unix.Errno, how string) error {
	const tries = 4
	shortest := patience
	for range tries {
		slower, err := s.twoRows(k, end)
		if err != nil {
			return After(err, "accept(2) failed with ECONNABORTED 63 times in a row, twice")
		}
		shortest = min(shortest, slower)
	}
	if shortest > 90*time.Millisecond {
		return &Failure{Sent: "accept(2) fails with ECONNABORTED 63 times, " + how, Want: "no pause before the 64th in a row",
			Got: fmt.Sprintf("64 calls took %v, at best", shortest)}
	}
	return nil
}

// twoRows returns the time that the slower one took. Neither client leaves before
// the other has come: that would end a pause.
func (s *Server) twoRows(k *kernel, end unix.Errno) (slower time.Duration, err error) {
	const row = 64
	if s.Concurrent { // or it would call accept before anybody waits
		if err := s.Suspend(); err != nil {
			return 0, err
		}
		defer s.Signal(unix.SIGCONT)
	}
	err = s.answerAccept(k, func(n int) unix.Errno {
		switch {
		case n == row-1:
			return end
		case n >= 2*row-1:
			return 0
		}
		return unix.ECONNABORTED
	})
	if err != nil {
		return 0, err
	}
	waiting, err := s.dialMute(2)
	defer waiting.close()
	if err = errors.Join(err, s.Signal(unix.SIGCONT)); err == nil && s.Concurrent {
		err = waiting.each(func(c *client) error { return c.recv(c.out.Load()) })
	} else if err == nil {
		err = waiting.answered()
	}
	if err == nil && !k.wait("accept", 2*row, patience) {
		err = Failf("accept was called only %d times", k.count("accept"))
	}
	if err != nil {
		return 0, err
	}
	calls := k.times("accept")
	slower = max(calls[row-1].Sub(calls[0]), calls[2*row-1].Sub(calls[row]))
	waiting.close()
	return slower, s.settled()
}

// witness is a client that is served while others cannot come in.
func (s *Server) witness() (clients, error) {
	if !s.Concurrent {
		return nil, nil
	}
	return s.dialMany(1)
}

// dialMute connects n clients that have sent a message and wait.
func (s *Server) dialMute(n int) (all clients, err error) {
	for range n {
		c, err := s.dial()
		if err != nil {
			return all, err
		}
		all = append(all, c)
		if err := c.send(c.next(0)); err != nil {
			return all, err
		}
	}
	return all, nil
}

// answered wants each of them to get its answer; they leave in turn, as a
// server of one client needs it.
func (list clients) answered() error {
	for _, c := range list {
		if err := c.recv(c.out.Load()); err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

var ofTheListener = []unix.Errno{unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EFAULT}

func acceptBroken(t *Target) error {
	const bad = 40
	for _, errno := range ofTheListener {
		s, k, err := t.startHostile(proc.Command{})
		if err != nil {
			return err
		}
		defer s.Kill()
		if err = s.offendAll(bad); err == nil {
			err = s.brokenBy(k, errno)
		}
		if err == nil {
			s.Stderr.Wait(patience, func(string) bool { return false }) // until all of it is there
			list := s.Stderr.All()
			told, single, counts := tally(list, isReset)
			last := list[len(list)-1]
			if len(list) != single+counts+1 || told != bad || !strings.Contains(last, "accept") {
				err = Failf("%d lines, which account for %d of %d bad clients; the last: %s", len(list), told, bad, last)
			}
		}
		if err != nil {
			return s.Explain(After(err, "accept(2) fails with "+unix.ErrnoName(errno)))
		}
	}
	return nil
}

// brokenBy has accept fail for good and wants the server to end with status 1.
func (s *Server) brokenBy(k *kernel, errno unix.Errno) error {
	if err := s.answerAccept(k, always(errno)); err != nil {
		return err
	}
	waiting, _ := s.dialMute(1) // it may be too late for that
	defer waiting.close()
	code, err := s.Wait(stopLimit)
	if err == nil && code != 1 {
		err = errors.New(s.State())
	}
	if err != nil {
		return &Failure{Want: "exit status 1", Got: err.Error()}
	}
	return nil
}

func acceptBrokenUnread(t *Target) error {
	h, err := holdPipe()
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.fill(); err != nil {
		return err
	}
	s, k, err := t.startHostile(proc.Command{Stderr: h.server})
	if err != nil {
		return err
	}
	defer s.Kill()
	return s.Explain(After(s.brokenBy(k, unix.EBADF), "accept(2) fails with EBADF, and nobody reads the log, which is full"))
}

// acceptUnknown has one such error after another, each its own episode, even the one
// that is like the last.
func acceptUnknown(s *Server, k *kernel) error {
	witness, err := s.witness()
	if err != nil {
		return err
	}
	defer witness.close()
	for i, errno := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EMFILE, unix.EMFILE, unix.EPERM} {
		if err := s.episode(k, errno, witness, i+1); err != nil {
			return After(err, fmt.Sprintf("accept(2) fails with %s each time", unix.ErrnoName(errno)))
		}
	}
	return nil
}

// episode is the nth period in which accept fails.
func (s *Server) episode(k *kernel, errno unix.Errno, witness clients, n int) error {
	if err := s.answerAccept(k, always(errno)); err != nil {
		return err
	}
	waiting, err := s.dialMute(2)
	defer waiting.close()
	if err != nil {
		return err
	}
	if err := k.pauses(); err != nil {
		return err
	}
	for range 20 {
		if err := witness.each((*client).ping); err != nil {
			return err
		}
	}
	if _, ok := s.Stderr.Wait(patience, func(l string) bool { return strings.Contains(l, errno.Error()) }); !ok {
		return &Failure{Want: "a line with: " + errno.Error(), Got: s.Stderr.Excerpt()}
	}
	k.set("accept", nil)
	if err = waiting.answered(); err == nil {
		err = s.settled() // a client whose end is noticed later would end the next pause
	}
	if err != nil {
		return After(err, "accept(2) works again")
	}
	if got := len(s.Stderr.All()); got != n {
		return &Failure{Want: fmt.Sprintf("one line for each episode in which accept(2) fails, %d in all", n), Got: s.Stderr.Excerpt(),
			Cause: "the line is repeated within an episode, or the episode does not end with a success"}
	}
	return nil
}

// pauses wants accept to be called again after 100 ms, more or less. A sleep is
// never too short; it may be much too long, on a busy machine, but not each time.
func (k *kernel) pauses() error {
	const calls = 3
	if !k.wait("accept", calls, patience) {
		return Failf("accept was called only %d times: it is not tried again", k.count("accept"))
	}
	times := k.times("accept")
	if all := times[calls-1].Sub(times[0]); all < (calls-1)*50*time.Millisecond {
		return &Failure{Want: "a pause of 100 ms after each call", Got: fmt.Sprintf("%d calls in %v", calls, all)}
	}
	return k.comesBack("accept", calls)
}

// acceptNobody answers a waiting client with an error, and then with EAGAIN, as if
// it had gone. Another one comes, which wakes a loop that is told only of changes.
func acceptNobody(s *Server, k *kernel) error {
	k.set("accept", func(n int) unix.Errno {
		if n == 1 {
			return unix.EAGAIN
		}
		return first(3, unix.EMFILE)(n)
	})
	waiting, err := s.dialMute(1)
	defer func() { waiting.close() }()
	if err != nil {
		return err
	}
	if !k.wait("accept", 2, patience) {
		return Failf("accept was called only %d times: it is not tried again", k.count("accept"))
	}
	another, err := s.dialMute(1)
	if waiting = append(waiting, another...); err == nil {
		err = waiting.answered()
	}
	if err == nil {
		err = s.said(2)
	}
	return After(err, "accept(2) fails with EMFILE, EAGAIN and EMFILE, and works again")
}

// acceptWhenOneLeaves has clients leave as they should, and by a reset.
func acceptWhenOneLeaves(s *Server, k *kernel) error {
	err := s.retriedWhen(k, "leave", func(c *client) { c.Close() })
	if err == nil {
		err = s.said(1) // an episode goes on when a client leaves
	}
	if err == nil {
		err = s.retriedWhen(k, "reset", func(c *client) { c.Reset() })
	}
	return err
}

// retriedWhen has a client leave right after accept was called. One try in which the
// next call comes before the pause could be over is enough.
func (s *Server) retriedWhen(k *kernel, verb string, leave func(*client)) error {
	const tries = 10
	leavers, err := s.dialMany(tries)
	if err != nil {
		return err
	}
	defer leavers.close()
	k.set("accept", always(unix.EMFILE))
	waiting, err := s.dialMute(1)
	defer waiting.close()
	if err != nil {
		return err
	}
	soonest := patience
	for i, c := range leavers {
		n := k.count("accept")
		if !k.wait("accept", n+1, patience) {
			return Failf("accept was called only %d times: it is not tried again", n)
		}
		leave(c)
		if !k.wait("accept", n+2, patience) {
			return Failf("accept was called only %d times: it is not tried again", n+1)
		}
		calls := k.times("accept")
		if soonest = min(soonest, calls[n+1].Sub(calls[n])); soonest < 60*time.Millisecond {
			k.set("accept", nil)
			return After(waiting.answered(), fmt.Sprintf("accept(2) works again; clients that %s before: %d", verb, i+1))
		}
	}
	return &Failure{Sent: fmt.Sprintf("accept(2) fails with EMFILE each time; %d clients %s, each right after a call", tries, verb),
		Want: "at least once, the next call before 100 ms have passed", Got: fmt.Sprintf("%v at the soonest", soonest)}
}

// stopWhileAcceptFails keeps one client for as long as two pauses.
func stopWhileAcceptFails(t *Target) error {
	s, k, err := t.startHostile(proc.Command{})
	if err != nil {
		return err
	}
	defer s.Kill()
	return s.Explain(After(s.stopWhilePaused(k), "SIGTERM while accept(2) fails with EMFILE"))
}

func (s *Server) stopWhilePaused(k *kernel) error {
	if err := s.alive(); err != nil {
		return err
	}
	witness, err := s.witness()
	if err != nil {
		return err
	}
	defer witness.close()
	if err := s.answerAccept(k, always(unix.EMFILE)); err != nil {
		return err
	}
	waiting, err := s.dialMute(1)
	defer waiting.close()
	if err != nil {
		return err
	}
	if !k.wait("accept", 1, patience) {
		return Failf("accept was not called")
	}
	if err := s.Signal(unix.SIGTERM); err != nil {
		return err
	}
	s.Wait(250 * time.Millisecond) // more than two pauses; it need not end yet
	witness.close()
	if code, err := s.Wait(stopLimit); err != nil || code != 0 {
		return &Failure{Want: "exit status 0", Got: fmt.Sprintf("status %d, %v", code, err)}
	}
	s.Stderr.Wait(patience, func(string) bool { return false }) // until all of it is there
	return s.shortLog(1)
}

// acceptTurns has a crowd wait that fits into every kernel's queue, and counts in the
// narration how many are accepted in a turn.
func acceptTurns(s *Server) error {
	const crowd, most = 100, 64
	if err := errors.Join(s.alive(), s.Suspend()); err != nil {
		return err
	}
	defer s.Signal(unix.SIGCONT)
	all, err := s.dialMute(crowd)
	defer all.close()
	if err = errors.Join(err, s.Signal(unix.SIGCONT)); err != nil {
		return err
	}
	if err := all.answered(); err != nil {
		return err
	}
	accepted, longest := 0, 0
	if !s.Stderr.WaitAll(patience, func(list []string) bool {
		accepted, longest = acceptsIn(list)
		return accepted > crowd
	}) {
		return Failf("%d accepts are narrated, not %d", accepted, crowd+1)
	}
	if longest > most {
		return &Failure{Sent: fmt.Sprintf("%d clients at once", crowd), Want: fmt.Sprintf("at most %d of them accepted before any is served", most), Got: fmt.Sprint(longest)}
	}
	return nil
}

// acceptsIn counts the clients accepted, and the most in one turn.
func acceptsIn(list []string) (all, longest int) {
	turn := 0
	for _, line := range list {
		m := callLine.FindStringSubmatch(line)
		if m == nil || m[3] == "EAGAIN" {
			continue
		}
		switch call, words := m[1], m[4]; {
		case call == "read", slices.Contains(waitCalls, call) && !strings.HasPrefix(words, "descriptor "):
			turn = 0
		case call == "accept":
			all++
			turn++
			longest = max(longest, turn)
		}
	}
	return all, longest
}

// comesBack wants one pause at least to be as short as it should be: on a busy
// machine others may be longer.
func (k *kernel) comesBack(call string, n int) error {
	times := k.times(call)
	shortest := patience
	for i := range n - 1 {
		shortest = min(shortest, times[i+1].Sub(times[i]))
	}
	if shortest > 500*time.Millisecond {
		return &Failure{Want: "a pause of 100 ms after each call", Got: fmt.Sprintf("%d calls, none within %v of the one before", n, shortest)}
	}
	return nil
}

func selectWithoutMemory(s *Server, k *kernel) error {
	all, err := s.dialMany(2)
	if err != nil {
		return err
	}
	defer all.close()
	k.set("select", always(unix.ENOMEM))
	if err := all.each(func(c *client) error { return c.send(c.next(c.out.Load())) }); err != nil {
		return err
	}
	if !k.wait("select", 4, patience) {
		return Failf("select was called only %d times", k.count("select"))
	}
	if calls := k.times("select"); calls[3].Sub(calls[0]) < 150*time.Millisecond {
		return &Failure{Sent: "select(2) fails with ENOMEM each time", Want: "a sleep of 100 ms after each call", Got: fmt.Sprintf("4 calls within %v", calls[3].Sub(calls[0]))}
	}
	if err := k.comesBack("select", 4); err != nil {
		return err
	}
	k.set("select", nil)
	if err := all.each(func(c *client) error { return c.recv(c.out.Load()) }); err != nil {
		return After(err, "select(2) works again")
	}
	return errors.Join(s.alive(), s.shortLog(1))
}

// keepAlive looks for the server's end of a connection in /proc/net/tcp: its
// timer is of kind 02 and runs for at most 15 s.
func keepAlive(s *Server) error {
	if runtime.GOOS != "linux" {
		return Skipf("the timers of a connection can be seen only on Linux")
	}
	all, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer all.close()
	c := all[0]
	ends := procAddr(c.RemoteAddr().String()) + " " + procAddr(c.LocalAddr().String())
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	var timer string
	for deadline := time.Now().Add(patience / 5); time.Now().Before(deadline); <-beat.C {
		if timer, err = timerOf(ends); err != nil {
			return err
		}
		var kind, ticks int
		if _, err := fmt.Sscanf(timer, "%x:%x", &kind, &ticks); err == nil && kind == 2 && ticks <= 1500 {
			return nil
		}
	}
	return &Failure{Sent: c.told(), Want: "in /proc/net/tcp a timer 02 (keep-alive) of at most 15 s, 000005DC in hundredths", Got: timer}
}

// timerOf finds the timer column of the connection whose two ends are given.
func timerOf(ends string) (string, error) {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return "", Skipf("no table of connections: %v", err)
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 5 && f[1]+" "+f[2] == ends {
			return f[5], nil
		}
	}
	return "the connection is not there", nil
}

// procAddr writes 127.0.0.1:9999 as /proc/net/tcp does, 0100007F:270F.
func procAddr(addr string) string {
	var ip [4]byte
	var port int
	fmt.Sscanf(addr, "%d.%d.%d.%d:%d", &ip[0], &ip[1], &ip[2], &ip[3], &port)
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], port)
}
