package exercisetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var streaming = Exercise{
	Name:     "04-streaming",
	Rung:     "04-kqueue",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	NotGraded: []string{
		"your predictions",
		"a data race with a goroutine that does none of the work",
	},
	Checks: []echotest.Check{
		{Name: "welcome", Proof: on(streamWelcome),
			Promise: "ten clients are welcomed as #0 to #9, and a number that is free again is given again, the lowest first",
			Cause:   "numbers are counted up, or a place is not freed when its client leaves"},
		{Name: "eleventh", Proof: on(streamEleventh),
			Promise: "the eleventh client is sent a line that says that there is no place, then gets end of file; \"connection refused.\" is printed; there is a place when one leaves",
			Cause:   "the connection is closed in silence, left hanging, or closed with unread input, so that RST destroys what was sent"},
		{Name: "lines", Proof: on(streamLines),
			Promise: "every line is printed as: client #0: hello",
			Cause:   "one read is taken for one line"},
		{Name: "long-line", Proof: on(streamLongLine),
			Promise: "a line of more than 4096 bytes is printed in pieces of that length",
			Cause:   "a line is kept however long it is"},
		{Name: "departures", Proof: on(streamDepartures),
			Promise: "a client that leaves, however it leaves, is reported: client #0 disconnected.",
			Cause:   "the end of a client leads past the report, or its last line, which has no newline, is lost"},
		{Name: "harmless", Proof: on(streamHarmless),
			Promise: "what a client sends can do nothing to the operator's terminal",
			Cause:   "control characters are printed as they come"},
		{Name: "on-the-loop", Proof: streamOnLoop,
			Promise: "the standard input is one more descriptor on the loop, beside the listener and the clients",
			Cause:   "a goroutine reads the standard input, and uses the clients at the same time as the loop"},
		{Name: "operator", Proof: on(streamOperator),
			Promise: "what is typed goes to every client, and to those only who have a place",
			Cause:   "the standard input is read elsewhere than on the loop, or the loop goes through the clients and stops at one"},
		{Name: "operator-leaves", Alone: true, Proof: on(streamNoOperator),
			Promise: "at the end of the standard input the server goes on, and does not spin",
			Cause:   "end of file makes a descriptor readable forever: want nothing of it any more"},
		{Name: "no-operator", Proof: streamDevNull,
			Promise: "with /dev/null or a file as standard input the clients are served all the same",
			Cause:   "epoll(7) refuses files (EPERM), and the server ends for it"},
		{Name: "slow-client", Proof: on(streamSlow),
			Promise: "a client that does not read what the operator types is disconnected in the end, and the others get every byte meanwhile",
			Cause:   "a write blocks, unsent bytes are lost, or they have no bound"},
		{Name: "stuck-operator", Proof: ending(streamStuckOperator),
			Promise: "a signal ends the server also while nobody reads its standard output",
			Cause:   "the loop waits in a write to the standard output, and only the loop hears of the signal"},
		{Name: "half-close", Proof: on(streamHalfClose),
			Promise: "a client that half-closes gets its welcome, then end of file",
			Cause:   "the connection is closed before what is owed is sent"},
		{Name: "idle-costs-nothing", Alone: true, Proof: on(streamIdle),
			Promise: "ten silent clients and a silent operator cost no CPU",
			Cause:   "the standard input is polled, or a readiness is wanted that is of no use"},
	},
}

// join connects n clients and wants them to get the numbers from first on.
func (s *server) join(first, n int) (all []*echotest.Conn, leave func(), err error) {
	leave = func() {
		for _, c := range all {
			c.Close()
		}
	}
	for i := range n {
		c, err := s.Connect(0)
		if err != nil {
			return all, leave, err
		}
		all = append(all, c)
		if err := c.Recv(fmt.Sprintf("welcome! you are client #%d!\n", first+i)); err != nil {
			return all, leave, echotest.After(err, fmt.Sprintf("client %d connects", first+i+1))
		}
	}
	return all, leave, nil
}

func (s *server) typeIn(text string) error {
	s.Stdin.SetWriteDeadline(time.Now().Add(proc.Patience))
	if _, err := io.WriteString(s.Stdin, text); err != nil {
		return &echotest.Failure{Sent: echotest.Quote([]byte(text)) + " on standard input", Want: "a server that reads it", Got: echotest.Plain(err)}
	}
	return nil
}

func streamWelcome(s *server) error {
	all, leave, err := s.join(0, 10)
	defer leave()
	if err != nil {
		return err
	}
	for _, number := range []int{7, 3} {
		all[number].Close()
		if err := expect(s.Stdout, fmt.Sprintf("client #%d disconnected.", number)); err != nil {
			return err
		}
	}
	for _, number := range []int{3, 7} {
		_, leave, err := s.join(number, 1)
		defer leave()
		if err != nil {
			return echotest.After(err, "of ten clients #7 and #3 left")
		}
	}
	return nil
}

func streamEleventh(s *server) error {
	all, leave, err := s.join(0, 10)
	defer leave()
	if err != nil {
		return err
	}
	for i := range 20 {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if i%2 == 1 {
			if err := c.Send(strings.Repeat("is there a place?\n", 5000)); err != nil {
				return echotest.After(err, "an eleventh client connects and talks at once")
			}
		}
		if err := turnedDown(c); err != nil {
			return echotest.After(err, "an eleventh client connects")
		}
	}
	if err := expect(s.Stdout, "connection refused."); err != nil {
		return err
	}
	all[4].Close()
	if err := expect(s.Stdout, "client #4 disconnected."); err != nil {
		return err
	}
	_, leave, err = s.join(4, 1)
	defer leave()
	return err
}

// turnedDown wants a line, whatever it says but welcome, and the end of file.
func turnedDown(c *echotest.Conn) error {
	c.SetReadDeadline(time.Now().Add(proc.Patience))
	line, err := io.ReadAll(io.LimitReader(c, 1000))
	if err == nil && strings.HasSuffix(string(line), "\n") && !strings.HasPrefix(string(line), "welcome") {
		return nil
	}
	got := echotest.Quote(line)
	if err != nil {
		got += ", then " + echotest.Plain(err)
	}
	return &echotest.Failure{Sent: c.Sent(), Want: "a line that says so, and end of file", Got: got}
}

func streamLines(s *server) error {
	all, leave, err := s.join(0, 3)
	defer leave()
	if err != nil {
		return err
	}
	for _, step := range []struct {
		client    int
		text      string
		wantLines []string
	}{
		{0, "hello\n", []string{"client #0: hello"}},
		{1, "one\ntwo\n\nthree\n", []string{"client #1: one", "client #1: two", "client #1: ", "client #1: three"}},
		{2, "begun ", nil},
		{0, "in between\r\n", []string{"client #0: in between"}},
		{2, "and ended\nbeg", []string{"client #2: begun and ended"}},
		{2, "un again\n", []string{"client #2: begun again"}},
	} {
		if err := all[step.client].Send(step.text); err != nil {
			return err
		}
		for _, line := range step.wantLines {
			if err := expect(s.Stdout, line); err != nil {
				return echotest.After(err, fmt.Sprintf("client #%d sends %q", step.client, step.text))
			}
		}
	}
	return nil
}

func streamLongLine(s *server) error {
	all, leave, err := s.join(0, 1)
	defer leave()
	if err != nil {
		return err
	}
	if err := all[0].Send(strings.Repeat("x", 4096) + strings.Repeat("y", 4096) + "z\n"); err != nil {
		return err
	}
	for _, piece := range []string{strings.Repeat("x", 4096), strings.Repeat("y", 4096), "z"} {
		if err := expect(s.Stdout, "client #0: "+piece); err != nil {
			return echotest.Failf("of a line of 8193 bytes, no piece of %d times %q", len(piece), piece[:1])
		}
	}
	return nil
}

func streamDepartures(s *server) error {
	all, leave, err := s.join(0, 3)
	defer leave()
	if err != nil {
		return err
	}
	if err := all[1].Send("last words"); err != nil {
		return err
	}
	all[0].Close()
	all[1].Close()
	all[2].Reset()
	for _, line := range []string{"client #0 disconnected.", "client #1: last words", "client #1 disconnected.", "client #2 disconnected."} {
		if err := expect(s.Stdout, line); err != nil {
			return echotest.After(err, "clients #0 and #1 close, #1 in the middle of a line, #2 resets")
		}
	}
	_, leave, err = s.join(0, 3)
	defer leave()
	return err
}

func streamHarmless(s *server) error {
	all, leave, err := s.join(0, 1)
	defer leave()
	if err != nil {
		return err
	}
	if err := all[0].Send("\x1b[2J\x07\x9b2J caf\u00e9\tend\n"); err != nil {
		return err
	}
	line, ok := s.Stdout.Wait(proc.Patience, func(line string) bool { return strings.HasSuffix(line, " caf\u00e9\tend") })
	if !ok {
		return echotest.Failf("no line that ends in \"caf\u00e9\\tend\", but:\n%s", s.Stdout.Excerpt())
	}
	if strings.ContainsAny(line, "\x1b\x07") || strings.Contains(line, "\x9b2J") {
		return echotest.Failf("%q", line)
	}
	return nil
}

// streamOnLoop looks for the pipe that is the standard input, by whatever
// descriptor, and for the thread that sends on what is typed.
func streamOnLoop(p *echotest.Target) error {
	s, err := serve(p)
	if err != nil {
		return err
	}
	defer s.Kill()
	err = func() error {
		all, leave, err := s.join(0, 4)
		defer leave()
		if err != nil {
			return err
		}
		poller, err := s.onLoop(p, nil, all[0].LocalAddr())
		if err != nil {
			return err
		}
		if err := s.stdinOn(p, poller); err != nil {
			return err
		}
		return s.wakesLoop(p, poller, "a line typed for 4 clients", func() error {
			if err := s.typeIn("hello\n"); err != nil {
				return err
			}
			for _, c := range all {
				if err := c.Recv("hello\n"); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	if err == nil {
		err = s.StopBy(unix.SIGTERM, promptly)
	}
	return s.Explain(err)
}

// stdinOn wants the file behind descriptor 0 to be registered with that instance.
func (s *server) stdinOn(p *echotest.Target, poller int) error {
	stdin, err := s.InodeOf(0)
	if err != nil {
		return err
	}
	list, err := s.Registrations()
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Poller == poller && (r.Inode == stdin || r.Inode == 0 && r.FD == 0) {
			return nil
		}
	}
	return &echotest.Failure{Want: "the standard input registered with the loop", Got: "it is not" + started(p)}
}

func streamOperator(s *server) error {
	all, leave, err := s.join(0, 10)
	defer leave()
	if err != nil {
		return err
	}
	outside, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer outside.Close()
	if err := turnedDown(outside); err != nil {
		return err
	}
	for _, text := range []string{"good morning\n", "one\ntwo\n", strings.Repeat("a long story ", 1000) + "\n"} {
		if err := s.typeIn(text); err != nil {
			return err
		}
		for i, c := range all {
			if err := c.Recv(text); err != nil {
				return echotest.After(err, fmt.Sprintf("%s typed; client #%d", echotest.Quote([]byte(text)), i))
			}
		}
	}
	all[5].Reset()
	if err := expect(s.Stdout, "client #5 disconnected."); err != nil {
		return err
	}
	if err := s.typeIn("five has left\n"); err != nil {
		return err
	}
	return all[9].Recv("five has left\n")
}

func streamNoOperator(s *server) error {
	all, leave, err := s.join(0, 2)
	defer leave()
	if err != nil {
		return err
	}
	s.Stdin.Close()
	if err := s.Still(); err != nil {
		return echotest.After(err, "the standard input ends")
	}
	if err := all[1].Send("still there\n"); err != nil {
		return err
	}
	if err := expect(s.Stdout, "client #1: still there"); err != nil {
		return echotest.After(err, "the standard input ends")
	}
	_, leave, err = s.join(2, 8)
	defer leave()
	return echotest.After(err, "the standard input ends")
}

func streamDevNull(p *echotest.Target) error {
	file, err := os.CreateTemp("", "operator")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	_, err = file.WriteString("typed before\n")
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	return errors.Join(
		echotest.After(streamServesWith(p, null), "the standard input is /dev/null"),
		echotest.After(streamServesWith(p, file), "the standard input is a file"))
}

func streamServesWith(p *echotest.Target, stdin *os.File) error {
	started, err := p.StartWith(proc.Command{Stdin: stdin})
	if err != nil {
		return err
	}
	s := &server{started}
	defer s.Kill()
	if err = streamServes(s); err == nil {
		err = s.StopBy(unix.SIGTERM, promptly)
	}
	return s.Explain(err)
}

// streamServes leaves open whether the client hears what is in the file.
func streamServes(s *server) error {
	all, leave, err := s.join(0, 1)
	defer leave()
	if err != nil {
		return err
	}
	if err := all[0].Send("hello\n"); err != nil {
		return err
	}
	return expect(s.Stdout, "client #0: hello")
}

// streamSlow types as fast as client #1 reads. Client #0 reads nothing.
func streamSlow(s *server) error {
	slow, err := s.Connect(16 << 10)
	if err != nil {
		return err
	}
	defer slow.Close()
	if err := slow.Recv("welcome! you are client #0!\n"); err != nil {
		return err
	}
	all, leave, err := s.join(1, 1)
	defer leave()
	if err != nil {
		return err
	}
	reader := bufio.NewReaderSize(all[0], 64<<10)
	for i := range 4000 { // 32 MB: more than kernels buffer
		line := fmt.Sprintf("%d %s\n", i, strings.Repeat("x", 8000))
		if err := s.typeIn(line); err != nil {
			return echotest.After(err, "client #0 does not read")
		}
		all[0].SetReadDeadline(time.Now().Add(proc.Patience))
		if got, err := reader.ReadString('\n'); got != line {
			return &echotest.Failure{Sent: fmt.Sprintf("%d KB typed; client #0 does not read", i*8), Want: "every line at client #1", Got: fmt.Sprintf("%s (%v)", echotest.Quote([]byte(got)), err)}
		}
		if len(s.Stdout.All()) > 1 {
			return expect(s.Stdout, "client #0 disconnected.")
		}
	}
	return echotest.After(expect(s.Stdout, "client #0 disconnected."), "32 MB typed, of which client #0 read nothing")
}

// streamStuckOperator does not take what is printed until the pipe is full. It cannot
// wait for the process in the usual way, which takes all that is printed.
func streamStuckOperator(s *server) error {
	all, leave, err := s.join(0, 1)
	defer leave()
	if err != nil {
		return err
	}
	release := s.Stdout.Hold()
	took, err := all[0].Overfeed([]byte(strings.Repeat("can you hear me?\n", 4000)), endless)
	if err == nil {
		err = s.Signal(unix.SIGTERM)
	}
	gone := false
	for deadline := time.Now().Add(promptly); err == nil && !gone && time.Now().Before(deadline); {
		gone = s.Gone()
		<-time.After(10 * time.Millisecond) // there is no event but that of the wait
	}
	release()
	if err != nil || gone {
		return err
	}
	return &echotest.Failure{Sent: fmt.Sprintf("%d bytes by a client, none of which was taken from the standard output, then SIGTERM", took),
		Want: fmt.Sprintf("an end within %v", promptly), Got: "no end"}
}

func streamHalfClose(s *server) error {
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Send("hi\n"); err != nil {
		return err
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	if err := c.Recv("welcome! you are client #0!\n"); err != nil {
		return err
	}
	if err := expect(s.Stdout, "client #0: hi"); err != nil {
		return err
	}
	return c.RecvEOF()
}

func streamIdle(s *server) error {
	_, leave, err := s.join(0, 10)
	defer leave()
	if err != nil {
		return err
	}
	return s.Still()
}
