package exercisetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var lineEcho = Exercise{
	Name:     "04-lineecho",
	Rung:     "04-kqueue",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	NotGraded: []string{
		"your predictions",
		"that bufio cuts the lines: other code may do it as well",
	},
	Checks: []echotest.Check{
		{Name: "lines", Proof: on(echoesLines),
			Promise: "lines come back until an empty one, which does not; then comes end of file",
			Cause:   "the connection is not closed after the empty line"},
		{Name: "request", Proof: on(echoesRequest),
			Promise: "an HTTP request comes back: its lines end in CR LF, and so does the empty one",
			Cause:   "a line with nothing but CR LF is not taken for empty"},
		{Name: "on-the-loop", Proof: linesOnLoop,
			Promise: "the loop waits for every client: each is registered with it, and no goroutine waits for one",
			Cause:   "a client is served beside the loop"},
		{Name: "any-segmentation", Proof: on(linesInPieces),
			Promise: "it makes no difference how the bytes are spread over reads",
			Cause:   "the beginning of a line is lost when its end has not come yet (bufio's ReadSlice and ReadBytes take it out of the buffer, also when they fail)"},
		{Name: "no-cut-through", Proof: on(noHalfLines),
			Promise: "nothing of a line comes back before its newline is there",
			Cause:   "what was read is echoed, whether it is a line or not"},
		{Name: "half-close", Proof: on(linesHalfClose),
			Promise: "a client that half-closes gets its lines, nothing of one that has no newline, then end of file",
			Cause:   "end of file is taken for 'close', or for the end of a line"},
		{Name: "owed", Proof: on(linesOwed),
			Promise: "a client that reads late gets all lines before the empty one, although they did not fit into the kernel's buffers",
			Cause:   "Write returns fewer than it was given (and bufio gives up), or the connection is closed while something is unsent"},
		{Name: "input-behind", Proof: on(linesInputBehind),
			Promise: "bytes behind the empty line do not destroy what is owed",
			Cause:   "close(2) with unread input sends RST, which destroys what was sent: shutdown the sending side, read and ignore for a while, then close"},
		{Name: "longest-line", Proof: on(longestLine),
			Promise: "16384 bytes are a line, newline included; of a longer one nothing comes back, the lines before it do, then end of file",
			Cause:   "lines are kept whole however long they are, or a full buffer that holds no newline waits for more forever"},
		{Name: "slow-reader", Proof: on(lineSlowReader),
			Promise: "clients that never read keep nobody waiting",
			Cause:   "a write blocks, or the loop waits for one client"},
		{Name: "linger-ends", Proof: on(lineLingers),
			Promise: "a client that stays after the empty line, silent or talking, is closed after a while",
			Cause:   "what comes after the last line is ignored forever"},
		{Name: "reset", Proof: on(lineReset),
			Promise: "clients that reset harm nobody",
			Cause:   "a client's error ends the loop"},
		{Name: "idle-costs-nothing", Alone: true, Proof: on(lineStill),
			Promise: "idle clients, stuck clients and those in the middle of a line cost no CPU",
			Cause:   "reading or writing is wanted of a descriptor for which it cannot be done"},
		{Name: "stops", Proof: ending(lineStops),
			Promise: "SIGTERM ends the server with status 0, whatever its clients do",
			Cause:   "the way out waits for a client"},
	},
}

// lines sends text, wants back what is owed, and the end of file.
func (s *server) lines(text, owed string) error {
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Exchange(text, owed); err != nil {
		return err
	}
	return c.RecvEOF()
}

func echoesLines(s *server) error {
	if err := s.lines("one\ntwo\n\n", "one\ntwo\n"); err != nil {
		return err
	}
	if err := s.lines("\n", ""); err != nil {
		return err
	}
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, line := range []string{"hello\n", " \n", "world\r\n", "\t \x00\xff\n"} {
		if err := c.Exchange(line, line); err != nil {
			return err
		}
	}
	if err := c.Send("\n"); err != nil {
		return err
	}
	return c.RecvEOF()
}

func echoesRequest(s *server) error {
	const request = "GET / HTTP/1.1\r\nHost: 127.0.0.1:9999\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
	return s.lines(request+"\r\n", request)
}

// linesOnLoop has one client between two lines, and one in the middle of a line.
func linesOnLoop(p *echotest.Target) error {
	s, err := serve(p)
	if err != nil {
		return err
	}
	defer s.Kill()
	addrs := []net.Addr{nil}
	for _, text := range []string{"hello\n", "hello\nwor"} {
		c, err := s.Connect(0)
		if err != nil {
			return s.Explain(err)
		}
		defer c.Close()
		if err := c.Exchange(text, "hello\n"); err != nil {
			return s.Explain(err)
		}
		addrs = append(addrs, c.LocalAddr())
	}
	if _, err = s.onLoop(p, addrs...); err == nil {
		err = s.StopBy(unix.SIGTERM, promptly)
	}
	return s.Explain(err)
}

// linesInPieces sends a few hundred KB in pieces of all sizes, while it reads.
func linesInPieces(s *server) error {
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(1, 2))
	text := manyLines(random, 300_000)
	sent := make(chan error, 1)
	go func() {
		var err error
		for rest := text + "\n"; err == nil && rest != ""; {
			n := min(len(rest), 1+random.IntN(1<<random.IntN(14)))
			err = c.Send(rest[:n])
			rest = rest[n:]
		}
		sent <- err
	}()
	if err := c.Recv(text); err != nil {
		c.Close() // lets the sender end
		<-sent
		return &echotest.Failure{Sent: fmt.Sprintf("%d lines, in pieces of all sizes", strings.Count(text, "\n")), Got: firstDifference(err)}
	}
	if err := <-sent; err != nil {
		return err
	}
	return c.RecvEOF()
}

// firstDifference keeps what a failure says of what came.
func firstDifference(err error) string {
	var f *echotest.Failure
	if errors.As(err, &f) {
		return "other bytes, or too few: " + f.Got
	}
	return err.Error()
}

// manyLines makes lines of 1 to some 10,000 bytes, mostly short ones.
func manyLines(random *rand.Rand, size int) string {
	var text strings.Builder
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, "%d%s\n", i, strings.Repeat("x", random.IntN(1<<random.IntN(14))))
	}
	return text.String()
}

func noHalfLines(s *server) error {
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Exchange("whole\nhal", "whole\n"); err != nil {
		return err
	}
	if err := c.Silent(100 * time.Millisecond); err != nil {
		return err
	}
	return c.Exchange("f\n", "half\n")
}

func linesHalfClose(s *server) error {
	for _, text := range []string{"", "one\ntwo\n", "one\ntwo\nthr"} {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Send(text); err != nil {
			return err
		}
		if err := c.CloseWrite(); err != nil {
			return err
		}
		if err := c.Recv(text[:strings.LastIndex(text, "\n")+1]); err != nil {
			return err
		}
		if err := c.RecvEOF(); err != nil {
			return err
		}
		if log := s.Stderr.Excerpt(); log != "" && strings.HasSuffix(text, "\n") {
			return &echotest.Failure{Sent: c.Sent() + " and end of file", Want: "nothing in the log", Got: log, Cause: "Read does not say io.EOF"}
		}
	}
	return nil
}

// endless is more than the buffers of any kernel hold, in bytes.
const endless = 64 << 20

// takesAll is what a server without a bound does.
func takesAll() error {
	return &echotest.Failure{Sent: fmt.Sprintf("%d MiB, without reading", endless>>20), Want: "a server that stops reading",
		Got: "it takes them all", Cause: "the client is read although it has unsent bytes"}
}

// linesOwed sends without reading until nothing more is taken, the empty line
// behind it, then reads: the empty line may only come through by then.
func linesOwed(s *server) error {
	c, err := s.Connect(64 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	block := strings.Repeat(strings.Repeat("x", 99)+"\n", 300)
	took, err := c.Overfeed([]byte(block), endless)
	if err == nil && took >= endless {
		err = takesAll()
	}
	if err != nil {
		return err
	}
	text := strings.Repeat(block, int(took)/len(block)+1)
	sent := make(chan error, 1)
	go func() { sent <- c.Send(text[took:] + "\n") }()
	if err := c.Recv(text); err != nil {
		c.Close()
		<-sent
		return &echotest.Failure{Sent: fmt.Sprintf("%d bytes of lines before any was read", took), Got: firstDifference(err)}
	}
	if err := <-sent; err != nil {
		return err
	}
	return c.RecvEOF()
}

// linesInputBehind has the client send on behind the empty line, which no server
// can know to be unread, and read only then.
func linesInputBehind(s *server) error {
	for range 20 {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		owed := strings.Repeat("line\n", 2000)
		if err := c.Send(owed + "\n" + strings.Repeat("behind\n", 20_000)); err != nil {
			return err
		}
		// What comes in a moment's time is behind the server's first close, if it
		// has made that already; an answer of RST is not yet seen here.
		if err := c.Send(strings.Repeat("still behind\n", 20_000)); err != nil {
			return err
		}
		if err := c.Recv(owed); err != nil {
			return err
		}
		if err := c.RecvEOF(); err != nil {
			return err
		}
	}
	return nil
}

func longestLine(s *server) error {
	longest := strings.Repeat("x", 16<<10-1) + "\n"
	if err := s.lines("one\n"+longest+longest+"\n", "one\n"+longest+longest); err != nil {
		return err
	}
	return s.lines("one\n"+strings.Repeat("x", 100_000), "one\n")
}

func lineSlowReader(s *server) error {
	for range 3 {
		c, err := s.Connect(64 << 10)
		if err != nil {
			return err
		}
		defer c.Close()
		took, err := c.Overfeed([]byte(strings.Repeat("slow\n", 10_000)), endless)
		if err == nil && took >= endless {
			err = takesAll()
		}
		if err != nil {
			return err
		}
	}
	return echotest.After(echoesLines(s), "three clients that send and do not read, then another")
}

// lineLingers is generous: the server may wait some seconds.
func lineLingers(s *server) error {
	silent, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer silent.Close()
	talking, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer talking.Close()
	for _, c := range []*echotest.Conn{silent, talking} {
		if err := c.Exchange("hello\n\n", "hello\n"); err != nil {
			return err
		}
		if err := c.RecvEOF(); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(proc.Patience); time.Now().Before(deadline); {
		talking.SetWriteDeadline(deadline)
		if _, err := talking.Write([]byte("and another thing\n")); err != nil {
			return gone(silent)
		}
		<-time.After(time.Millisecond) // a beat: it talks on and on
	}
	return echotest.Failf("a client that talks on is still listened to after %v", proc.Patience)
}

// gone wants that the server has closed c: that shows when it answers a byte with
// a reset.
func gone(c *echotest.Conn) error {
	for deadline := time.Now().Add(proc.Patience); time.Now().Before(deadline); {
		c.SetWriteDeadline(deadline)
		if _, err := c.Write([]byte{'x'}); err != nil {
			return nil
		}
		<-time.After(10 * time.Millisecond) // the reset shows only at a later write
	}
	return echotest.Failf("a client that says nothing is still there after %v", proc.Patience)
}

// lineReset has clients reset in the middle of a line, and others with echoes on
// their way: the first has come, and they have sent all that was taken.
func lineReset(s *server) error {
	lines := []byte(strings.Repeat("unread\n", 50_000))
	for range 10 {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		if err := c.Exchange("hello\nwor", "hello\n"); err != nil {
			return err
		}
		c.Reset()
		if c, err = s.Connect(0); err != nil {
			return err
		}
		reset := make(chan struct{})
		go func() {
			defer close(reset)
			for err := error(nil); err == nil; {
				_, err = c.Write(lines)
			}
		}()
		err = c.Recv("unread\n")
		c.Reset()
		<-reset
		if err != nil {
			return echotest.After(err, "lines, of which the client reads one")
		}
	}
	return echotest.After(echoesLines(s), "20 clients that reset")
}

// lineStops has one client that is stuck, one in the middle of a line, and one that
// stays after its last.
func lineStops(s *server) error {
	stuck, err := s.Connect(64 << 10)
	if err != nil {
		return err
	}
	defer stuck.Close()
	if _, err := stuck.Overfeed([]byte(strings.Repeat("stuck\n", 10_000)), endless); err != nil {
		return err
	}
	for _, text := range []string{"hello\nwor", "hello\n\n"} {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Exchange(text, "hello\n"); err != nil {
			return err
		}
	}
	return s.StopBy(unix.SIGTERM, promptly)
}

// lineStill leaves one client stuck and fifty in the middle of a line.
func lineStill(s *server) error {
	stuck, err := s.Connect(64 << 10)
	if err != nil {
		return err
	}
	defer stuck.Close()
	if _, err := stuck.Overfeed([]byte(strings.Repeat("stuck\n", 10_000)), endless); err != nil {
		return err
	}
	for range 50 {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Exchange("hello\nwor", "hello\n"); err != nil {
			return err
		}
	}
	return s.Still()
}
