package exercisetest

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var status = Exercise{
	Name:     "04-status",
	Rung:     "04-kqueue",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	NotGraded: []string{
		"your predictions",
		"a data race with a goroutine that writes nothing",
	},
	Checks: append([]echotest.Check{
		{Name: "on-the-loop", Proof: statusOnLoop,
			Promise: "the beat is a timer of the loop: the thread that waits for the clients wakes up for it",
			Cause:   "a goroutine or a timer of package time broadcasts while the loop serves: both use the clients at the same time"},
		{Name: "counts", Proof: on(statusCounts, "-status", "50ms"),
			Promise: "every client is sent, beat after beat, how many are connected",
			Cause:   noStatusLine},
		{Name: "late-beat", Alone: true, Proof: on(statusLate, "-status", "200ms"),
			Promise: "a beat that comes late does not delay those after it",
			Cause:   "the next beat is counted from the end of the last one, so that the beat drifts: Every keeps it, a new After at the end of each call does not"},
		{Name: "keeps-the-beat", Alone: true, Proof: on(statusBeat, "-status", "50ms"),
			Promise: "the beat is kept, however much the clients say",
			Cause:   "each event starts the wait for the beat again, or each event is taken for a beat"},
		{Name: "between-the-echoes", Proof: on(statusEcho, "-status", "2ms"),
			Promise: "echoes and status lines come whole, one behind the other",
			Cause:   "a part of a write that did not fit is lost, or something is put into the middle of it"},
		{Name: "adds-no-latency", Alone: true, Proof: on(statusLatency, "-status", "2s"),
			Promise: "an echo does not wait for the beat",
			Cause:   "the loop sleeps for a fixed time instead of until the next event or timer"},
		{Name: "sleeps-between", Alone: true, Proof: on(statusSleeps, "-status", "100ms"),
			Promise: "between two beats no CPU is used",
			Cause:   "the clock is looked at again and again, instead of a timer of the loop"},
		{Name: "slow-reader", Proof: on(statusSlowReader, "-status", "5ms"),
			Promise: "a client with unsent bytes is left out of the beat: nothing piles up for it, nothing of its echo is lost, nobody waits for it",
			Cause:   "every beat puts one more line behind what the client does not read"},
		{Name: "limit", Proof: on(statusLimit, "-status", "20ms", "-max-clients", "2"),
			Promise: "a client too many is sent the reason, then end of file; it is not counted; there is room again when somebody leaves",
			Cause:   "the connection is closed with its input unread, so the kernel resets it, or it is counted as a client"},
		// -v=json gives places in the program's own folder without a path, but the
		// eventloop is the rung's, in another.
	}, withFlags(without(echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}), "narration-json", "narration-state"),
		"-status", "0s", "-max-clients", "100000")...),
}

const noStatusLine = "no timer is set, or the line is not exactly: Server status: N active connections"

var statusLine = regexp.MustCompile(`^Server status: (\d+) active connections$`)

// A lineClient is a client that reads lines.
type lineClient struct {
	*echotest.Conn
	lines *bufio.Reader
}

func (s *server) dialLines() (*lineClient, error) {
	c, err := s.Connect(0)
	if err != nil {
		return nil, err
	}
	return &lineClient{c, bufio.NewReader(c)}, nil
}

// line reads one line, without its end.
func (c *lineClient) line() (string, error) {
	c.SetReadDeadline(time.Now().Add(proc.Patience))
	line, err := c.lines.ReadString('\n')
	if err != nil {
		return "", &echotest.Failure{Sent: c.Sent(), Got: fmt.Sprintf("%q, then %s", line, echotest.Plain(err))}
	}
	return line[:len(line)-1], nil
}

// status reads a line that has to be a status, and gives its number.
func (c *lineClient) status() (n int, err error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	m := statusLine.FindStringSubmatch(line)
	if m == nil {
		return 0, &echotest.Failure{Sent: c.Sent(), Want: "a line like: Server status: 3 active connections", Got: fmt.Sprintf("%q", line)}
	}
	return strconv.Atoi(m[1])
}

// statusBecomes reads until the number is n; before it there may be others.
func (c *lineClient) statusBecomes(n int) error {
	var got int
	for end := time.Now().Add(proc.Patience); time.Now().Before(end); {
		var err error
		if got, err = c.status(); err != nil || got == n {
			return err
		}
	}
	return &echotest.Failure{Want: fmt.Sprintf("Server status: %d active connections", n), Got: fmt.Sprintf("%d, again and again", got)}
}

func statusCounts(s *server) error {
	var all [3]*lineClient
	for i := range all {
		c, err := s.dialLines()
		if err != nil {
			return err
		}
		defer c.Close()
		all[i] = c
	}
	for _, c := range all {
		if err := c.statusBecomes(3); err != nil {
			return echotest.After(err, "3 clients connect and say nothing")
		}
	}
	all[0].Close()
	all[1].SetLinger(0) // a reset
	all[1].Close()
	return echotest.After(all[2].statusBecomes(1), "3 clients connect, one closes, one resets")
}

// statusOnLoop has four clients, all silent: nothing but the beat can wake the loop.
func statusOnLoop(p *echotest.Target) error {
	s, err := serve(p, "-status", "20ms")
	if err != nil {
		return err
	}
	defer s.Kill()
	var all [4]*lineClient
	for i := range all {
		if all[i], err = s.dialLines(); err != nil {
			return s.Explain(err)
		}
		defer all[i].Close()
	}
	beat := func() error {
		for _, c := range all {
			if _, err := c.status(); err != nil {
				return err
			}
		}
		return nil
	}
	err = echotest.Amend(beat(), func(f *echotest.Failure) { f.Cause = noStatusLine })
	poller := -1
	if err == nil {
		poller, err = s.onLoop(p, nil, all[0].LocalAddr(), all[3].LocalAddr())
	}
	if err == nil {
		err = s.wakesLoop(p, poller, "a status line for each of 4 clients", beat)
	}
	if err == nil {
		err = s.StopBy(unix.SIGTERM, promptly)
	}
	return s.Explain(err)
}

// statusLate suspends the server over a beat, from shortly after the one before it.
// What comes next is late, and the beat after that must come in its own time: one
// that is counted from the late one cannot come before two beats and a half. A round
// that a busy machine has spoilt is made again.
func statusLate(s *server) error {
	c, err := s.dialLines()
	if err != nil {
		return err
	}
	defer c.Close()
	const beat, rounds = 200 * time.Millisecond, 8
	var next time.Duration
	for range rounds {
		if _, err := c.status(); err != nil {
			return err
		}
		start := time.Now()
		if err := s.Suspend(); err != nil {
			return err
		}
		quiet := c.Silent(beat+beat/2-time.Since(start)) == nil && c.lines.Buffered() == 0
		if err := s.Signal(unix.SIGCONT); err != nil {
			return err
		}
		for range 2 { // the late one, and the one after it
			if _, err := c.status(); err != nil {
				return err
			}
		}
		if next = time.Since(start); quiet && next < 2*beat+beat/4 {
			return nil
		}
	}
	return &echotest.Failure{Sent: fmt.Sprintf("-status %v; the server is suspended for %v after a beat, %d times", beat, beat+beat/2, rounds),
		Want: fmt.Sprintf("a late beat, and the next one %v after the one before", 2*beat), Got: fmt.Sprintf("%v after it", next.Round(time.Millisecond))}
}

// statusBeat talks all the time and counts the beats that it hears.
func statusBeat(s *server) error {
	c, err := s.dialLines()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.status(); err != nil {
		return err
	}
	const beat = 50 * time.Millisecond
	start, beats := time.Now(), 0
	for beats < 10 && time.Since(start) < proc.Patience {
		if err := c.Send("x\n"); err != nil {
			return err
		}
		line, err := c.line()
		for err == nil && line != "x" {
			if !statusLine.MatchString(line) {
				return &echotest.Failure{Sent: c.Sent(), Got: fmt.Sprintf("%q", line)}
			}
			beats++
			line, err = c.line()
		}
		if err != nil {
			return err
		}
	}
	took := time.Since(start)
	if beats < 10 || beats > int(took/beat)+2 {
		return &echotest.Failure{Sent: "one letter after the other, with -status 50ms", Want: "a status line every 50ms",
			Got: fmt.Sprintf("%d in %v", beats, took.Round(time.Millisecond))}
	}
	return nil
}

// statusEcho wants 200 lines back, in order, with nothing but status lines
// between them.
func statusEcho(s *server) error {
	c, err := s.dialLines()
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range 200 {
		want := fmt.Sprintf("line %d", i)
		if err := c.Send(want + "\n"); err != nil {
			return err
		}
		for {
			line, err := c.line()
			if err != nil {
				return err
			}
			if line == want {
				break
			}
			if !statusLine.MatchString(line) {
				return &echotest.Failure{Sent: c.Sent(), Want: "the same line, or a status line", Got: fmt.Sprintf("%q", line)}
			}
		}
	}
	return nil
}

// statusLatency makes round trips with pauses for the server to go to sleep.
func statusLatency(s *server) error {
	c, err := s.dialLines()
	if err != nil {
		return err
	}
	defer c.Close()
	var slowest time.Duration
	for i := range 20 {
		want := fmt.Sprintf("%d", i)
		start := time.Now()
		if err := c.Send(want + "\n"); err != nil {
			return err
		}
		for line := ""; line != want; {
			if line, err = c.line(); err != nil {
				return err
			}
		}
		slowest = max(slowest, time.Since(start))
	}
	if slowest > time.Second {
		return &echotest.Failure{Sent: "20 lines, one after the other, with -status 2s", Want: "each echo at once", Got: fmt.Sprintf("one took %v", slowest)}
	}
	return nil
}

// statusSleeps has a server that has nothing to do but to keep the beat.
func statusSleeps(s *server) error {
	for range 3 {
		c, err := s.dialLines()
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.status(); err != nil {
			return err
		}
	}
	return s.rests("-status 100ms, three silent clients")
}

// statusSlowReader fills the way to a client that does not read. While another
// one hears 200 beats it must get none. Then it reads everything.
func statusSlowReader(s *server) error {
	slow, err := s.Connect(16 << 10)
	if err != nil {
		return err
	}
	defer slow.Close()
	sent, err := slow.Overfeed([]byte(strings.Repeat("x", 64<<10)), 64<<20)
	if err != nil {
		return err
	}
	other, err := s.dialLines()
	if err != nil {
		return err
	}
	defer other.Close()
	for range 200 {
		if _, err := other.status(); err != nil {
			return echotest.After(err, "one client does not read its echo, another one listens")
		}
	}
	slow.CloseWrite()
	got, err := everything(slow)
	if err != nil {
		return err
	}
	rest := regexp.MustCompile(`Server status: \d+ active connections\n`).ReplaceAllString(got, "")
	if rest != strings.Repeat("x", int(sent)) {
		return &echotest.Failure{Sent: fmt.Sprintf("%d times x, unread while 200 beats passed", sent),
			Want: "all of them back, with whole status lines between them", Got: fmt.Sprintf("%d bytes that are no status line, ending in %s", len(rest), echotest.Quote([]byte(rest[max(0, len(rest)-60):])))}
	}
	if n := strings.Count(got, "Server status:"); n > 150 {
		return &echotest.Failure{Sent: "an echo left unread while 200 beats passed", Want: "no status line for those beats", Got: fmt.Sprintf("%d status lines", n)}
	}
	return nil
}

// everything reads to the end of file.
func everything(c *echotest.Conn) (string, error) {
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for {
		c.SetReadDeadline(time.Now().Add(proc.Patience))
		n, err := c.Read(buf)
		b.Write(buf[:n])
		if err != nil && echotest.Plain(err) == "end of file" {
			return b.String(), nil
		}
		if err != nil {
			return "", &echotest.Failure{Want: "everything, then end of file", Got: fmt.Sprintf("%d bytes, then %s", b.Len(), echotest.Plain(err))}
		}
	}
}

func statusLimit(s *server) error {
	var inside [2]*lineClient
	for i := range inside {
		c, err := s.dialLines()
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.status(); err != nil {
			return err
		}
		inside[i] = c
	}
	if err := inside[0].statusBecomes(2); err != nil {
		return echotest.After(err, "-max-clients 2; two connect")
	}
	if err := turnedAway(s, 10); err != nil {
		return echotest.After(err, "-max-clients 2; two are served, ten more connect and say hello")
	}
	for range 5 { // some of these lines may have been waiting
		if n, err := inside[0].status(); err != nil || n != 2 {
			return errors.Join(err, echotest.Failf("%d active connections, with 2 served and 10 turned away", n))
		}
	}
	inside[1].Close()
	if err := inside[0].statusBecomes(1); err != nil {
		return echotest.After(err, "one of two leaves")
	}
	c, err := s.dialLines()
	if err != nil {
		return err
	}
	defer c.Close()
	return echotest.After(c.statusBecomes(2), "there is room again")
}

// turnedAway has n clients connect and speak while the server is suspended, so
// that there is input which nobody has read when they are turned away.
func turnedAway(s *server, n int) error {
	if err := s.Suspend(); err != nil {
		return err
	}
	var all []*echotest.Conn
	for range n {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Send("hello\n"); err != nil {
			return err
		}
		all = append(all, c)
	}
	if err := s.Signal(unix.SIGCONT); err != nil {
		return err
	}
	for _, c := range all {
		if err := c.Recv("Server full: 2 active connections\n"); err != nil {
			return err
		}
		if err := c.RecvEOF(); err != nil {
			return err
		}
	}
	return nil
}
