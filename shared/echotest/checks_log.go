package echotest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// logChecks: whether anybody reads the log or not, the server serves; and no
// line is lost while somebody does.
var logChecks = []Check{
	{Name: "unread-log", Alone: true, Chapter: chapter1, Proof: unreadLog,
		Promise: "a log that nobody reads keeps the server neither from serving nor from stopping",
		Cause:   "write(2) to a full pipe sleeps, and the server with it: ask poll(2) first, and drop the line"},
	{Name: "log-names-client", Chapter: chapter1, Proof: On(logNamesClient),
		Promise: "the line about a client that ends badly names it, and what failed",
		Cause:   "the error is logged without the client's address, or with another's; or not at all"},
	{Name: "log-names-unread", Chapter: chapter1, Proof: On(logNamesUnread),
		Promise: "the same holds for a client that resets before its answer is written",
		Cause:   "the error of write(2) is dropped: the next read reports just an end of file"},
	{Name: "unread-log-counts", Chapter: chapter1, Proof: unreadLogCounts,
		Promise: "lines that nobody read are counted, and the count is printed before the next line that gets through",
		Cause:   "a line that cannot be written is waited for, or forgotten"},
	{Name: "unread-narration", Alone: true, Chapter: chapter1, Proof: unreadNarration,
		Promise: "with -v, a narration that nobody reads keeps the server neither from serving nor from stopping",
		Cause:   "write(2) to a full pipe sleeps, and the server with it: ask poll(2) first, and drop the line"},
	{Name: "held-terminal", Chapter: chapter1, Proof: heldTerminal,
		Promise: "a terminal held by Ctrl-S keeps the server neither from serving nor from stopping",
		Cause:   "write(2) to a terminal that is stopped sleeps, and the server with it"},
	{Name: "unread-terminal", Alone: true, Chapter: chapter1, Proof: unreadTerminal,
		Promise: "a terminal that takes no more keeps the server neither from serving nor from stopping",
		Cause:   "poll(2) reports a terminal as writable while there is room for one byte; write(2) of a longer line sleeps"},
	{Name: "flooded-log", Alone: true, Chapter: chapter1, Proof: On(floodedLog),
		Promise: "the log prints five lines of a kind a second, then a count of the rest; together they add up to every client",
		Cause:   "a line for each bad client, or a count that is lost or wrong"},
	{Name: "flooded-log-exit", Alone: true, Chapter: chapter1, Proof: floodedLogExit,
		Promise: "before it stops, the server prints the counts it still owes, so that lines and counts add up to every client",
		Cause:   "os.Exit or the end of main comes before the count of the last second"},
}

// offend is a client that ends badly, so that the server logs one line.
func (s *Server) offend() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Reset()
	return c.ping() // a reset before accept(2) is reported to nobody on some systems
}

// logNamesClient has the second of three clients end badly, where there can be three.
func logNamesClient(s *Server) error {
	first, err := s.witness()
	if err != nil {
		return err
	}
	defer first.close()
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Reset()
	if err := c.ping(); err != nil {
		return err
	}
	last, err := s.witness()
	if err != nil {
		return err
	}
	defer last.close()
	c.Reset()
	want := fmt.Sprintf("client %v: read: connection reset by peer", c.LocalAddr())
	if line, _ := s.Stderr.Wait(patience, func(string) bool { return true }); line != want {
		return &Failure{Sent: "a message, and a reset", Want: want, Got: s.Stderr.Excerpt()}
	}
	return s.said(1)
}

// logNamesUnread has a client send and reset before the server reads: what it sent
// is read, and the answer fails, with EPIPE if the client had half-closed before.
// (Where the kernel drops what was not read, it is the read that fails.)
func logNamesUnread(s *Server) error {
	if err := s.resetsUnread(false, "connection reset by peer"); err != nil {
		return err
	}
	if err := s.resetsUnread(true, "broken pipe"); err != nil {
		return err
	}
	return s.said(2)
}

func (s *Server) resetsUnread(halfClose bool, reason string) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Reset()
	sent := "a message, and a reset before it was read"
	err = c.ping()
	last, failed := s.witness()
	defer last.close()
	err = errors.Join(err, failed, s.Suspend(), c.send(c.next(c.out.Load())))
	if halfClose {
		sent = "a message, a half-close, and a reset before anything was read"
		err = errors.Join(err, c.CloseWrite())
	}
	c.Reset()
	if err = errors.Join(err, s.Signal(unix.SIGCONT)); err != nil {
		return err
	}
	want := fmt.Sprintf("client %v: ", c.LocalAddr())
	if _, ok := s.Stderr.Wait(patience, func(l string) bool { return strings.HasPrefix(l, want) }); !ok {
		return &Failure{Sent: sent, Want: want + "write: " + reason, Got: s.Stderr.Excerpt()}
	}
	return nil
}

// offendAll has n such clients, one after the other, and lets the server notice.
func (s *Server) offendAll(n int) error {
	for i := range n {
		if err := s.offend(); err != nil {
			return After(err, fmt.Sprintf("%d clients reset their connections", i))
		}
	}
	return After(s.settled(), fmt.Sprintf("%d clients reset their connections", n))
}

// settled wants a new client to be served, and gives the server time to notice
// what was before it.
func (s *Server) settled() error {
	if err := s.alive(); err != nil {
		return err
	}
	return s.turns(3)
}

// claim is a client that announces a frame of 4 GiB, which is logged as well.
func (s *Server) claim() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		return err
	}
	return After(c.RecvEOF(), "the header of a frame of 4 GiB")
}

func unreadLog(t *Target) error {
	h, err := holdPipe()
	if err != nil {
		return err
	}
	defer h.close()
	s, err := t.startHeld(h)
	if err != nil {
		return err
	}
	defer s.Kill()
	for i := 0; i < 2000 && err == nil; i++ {
		if err = s.offend(); s.Framed && err == nil && i%4 == 0 {
			err = s.claim()
		}
	}
	if err == nil {
		err = s.settled()
	}
	err = After(err, "2000 clients that end badly, while nobody reads the log")
	if err == nil {
		err = s.StopBy(unix.SIGTERM, stopLimit)
	}
	return s.Explain(err)
}

// unreadLogCounts has a log that takes nothing from the start, and fewer
// bad clients than are printed in a second.
func unreadLogCounts(t *Target) error {
	const lost = 3
	h, err := holdPipe()
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.fill(); err != nil {
		return err
	}
	s, err := t.startHeld(h)
	if err != nil {
		return err
	}
	defer s.Kill()
	err = After(s.offendAll(lost), "nobody reads the log, which is full")
	if err == nil {
		err = s.release(h)
	}
	if err == nil {
		err = s.offendAll(1)
	}
	if err == nil {
		err = s.toldOf(lost)
	}
	if err == nil {
		err = s.StopBy(unix.SIGTERM, stopLimit)
	}
	return s.Explain(err)
}

var droppedLine = regexp.MustCompile(`^… ([\d,]+) lines? dropped: nobody was reading$`)

// toldOf wants the log to begin with the number of lines that were lost, and to
// go on with the line that came after them.
func (s *Server) toldOf(lost int) error {
	s.Stderr.WaitAll(patience, func(list []string) bool { return len(list) >= 2 })
	list := s.Stderr.All()
	if len(list) >= 2 {
		if m := droppedLine.FindStringSubmatch(list[0]); m != nil && number(m[1]) == lost && isReset(list[1]) {
			return nil
		}
	}
	return &Failure{Sent: fmt.Sprintf("%d clients that reset while the log took nothing, and one when it was read again", lost),
		Want: fmt.Sprintf("… %d lines dropped: nobody was reading\nclient 127.0.0.1:51514: read: connection reset by peer", lost),
		Got:  s.Stderr.Excerpt()}
}

// number reads 1,242,333.
func number(text string) int {
	n, err := strconv.Atoi(strings.ReplaceAll(text, ",", ""))
	if err != nil {
		return -1
	}
	return n
}

func isReset(line string) bool {
	return strings.HasPrefix(line, "client ") && strings.Contains(line, "reset by peer")
}

func unreadNarration(t *Target) error {
	for _, flag := range []string{"-v", "-v=json"} {
		h, err := holdPipe()
		if err != nil {
			return err
		}
		defer h.close()
		s, err := t.startHeld(h, flag)
		if err != nil {
			return err
		}
		defer s.Kill()
		if err = s.chatter(1500); err == nil {
			err = s.release(h)
		}
		if err == nil {
			err = s.tellsOfDrop(flag)
		}
		if err = After(err, "with "+flag); err != nil {
			return s.Explain(err)
		}
	}
	return nil
}

// chatter has clients talk that do nothing wrong, with n messages in all.
func (s *Server) chatter(n int) error {
	for n > 0 {
		c, err := s.dial()
		if err != nil {
			return err
		}
		for range 100 {
			if err == nil {
				err = c.ping()
			}
			n--
		}
		c.Close()
		if err != nil {
			return After(err, "honest clients, while nobody reads the narration")
		}
	}
	return s.alive()
}

// tellsOfDrop wants the narration to say that lines are missing once it is read
// again, and then stops the server.
func (s *Server) tellsOfDrop(flag string) error {
	deadline := time.Now().Add(patience)
	told := func(list []string) bool {
		return slices.ContainsFunc(list, func(l string) bool {
			return droppedLine.MatchString(l) || flag == "-v=json" && strings.Contains(l, `"kind":"dropped"`)
		})
	}
	for !told(s.Stderr.All()) {
		if err := s.alive(); err != nil {
			return After(err, "the narration is read again")
		}
		if time.Now().After(deadline) {
			return &Failure{Sent: "more than a pipe holds was narrated, then the pipe was read", Want: "the number of lines that were dropped", Got: s.Stderr.Excerpt()}
		}
	}
	return s.StopBy(unix.SIGTERM, stopLimit)
}

func heldTerminal(t *Target) error {
	for _, args := range [][]string{nil, {"-v"}} {
		h, err := holdTerminal()
		if err != nil {
			return err
		}
		defer h.close()
		if err := h.press('S', false); err != nil {
			return err
		}
		s, err := t.startHeld(h, args...)
		if err != nil {
			return After(err, fmt.Sprintf("started with %q on a terminal held by Ctrl-S", args))
		}
		defer s.Kill()
		err = s.offendAll(3)
		if err == nil {
			err = s.StopBy(unix.SIGTERM, stopLimit)
		}
		if err != nil {
			return s.Explain(After(err, fmt.Sprintf("with %q on a terminal held by Ctrl-S", args)))
		}
	}
	return nil
}

// unreadTerminal has messages of all lengths, so that lines of many lengths
// hit the last bit of room.
func unreadTerminal(t *Target) error {
	for range 5 {
		h, err := holdTerminal()
		if err != nil {
			return err
		}
		defer h.close()
		s, err := t.startHeld(h, "-v")
		if err != nil {
			return err
		}
		defer s.Kill()
		if err = s.chatter(400); err == nil {
			err = s.StopBy(unix.SIGTERM, stopLimit)
		}
		if err != nil {
			return s.Explain(After(err, "on a terminal whose window takes no more"))
		}
	}
	return nil
}

var moreLine = regexp.MustCompile(`^… (?:and )?([\d,]+) more like "(.*)"$`)

// tally counts the clients of a kind that a log tells of, line by line and in
// counts, and how many lines that took.
func tally(list []string, kind func(string) bool) (told, single, counts int) {
	for _, line := range list {
		if m := moreLine.FindStringSubmatch(line); m != nil && kind(m[2]) {
			told += number(m[1])
			counts++
		} else if kind(line) {
			told++
			single++
		}
	}
	return told, single, counts
}

func floodedLog(s *Server) error {
	const bad = 400
	start := time.Now()
	if err := s.offendAll(bad); err != nil {
		return err
	}
	claims := 0
	if s.Framed { // another kind, in the same second
		for ; claims < bad/4; claims++ {
			if err := s.claim(); err != nil {
				return err
			}
		}
	}
	if err := s.tallies(start, bad, isReset); err != nil {
		return err
	}
	return s.tallies(start, claims, func(l string) bool { return strings.Contains(l, "4294967295") })
}

// tallies waits until the log tells of n clients of a kind.
func (s *Server) tallies(start time.Time, n int, kind func(string) bool) error {
	var told, single, counts int
	ok := s.Stderr.WaitAll(patience, func(list []string) bool {
		told, single, counts = tally(list, kind)
		return told >= n
	})
	// The whole seconds, and a part of one at each end.
	seconds := int(time.Since(start).Seconds()) + 2
	if !ok || told != n || single > 5*seconds || counts > seconds {
		return &Failure{Sent: fmt.Sprintf("%d clients that end badly, within %d s", n, seconds),
			Want: fmt.Sprintf("at most %d lines of that kind and %d counts, which add up to %d", 5*seconds, seconds, n),
			Got:  fmt.Sprintf("%d lines and %d counts, which add up to %d", single, counts, told)}
	}
	return nil
}

func floodedLogExit(t *Target) error {
	const bad = 200
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		s, err := t.Start()
		if err != nil {
			return err
		}
		defer s.Kill()
		if err = s.offendAll(bad); err == nil {
			err = s.StopBy(sig, stopLimit)
		}
		if err == nil {
			s.Stderr.Wait(patience, func(string) bool { return false }) // until all of it is there
			if told, _, _ := tally(s.Stderr.All(), isReset); told != bad {
				err = &Failure{Sent: fmt.Sprintf("%d clients that reset, and at once %s", bad, unix.SignalName(sig)),
					Want: "lines and counts that add up to that many", Got: fmt.Sprint(told)}
			}
		}
		if err != nil {
			return s.Explain(err)
		}
	}
	return nil
}
