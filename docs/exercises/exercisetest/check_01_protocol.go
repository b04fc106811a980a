package exercisetest

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var protocol = Exercise{
	Name:     "01-protocol",
	Rung:     "01-blocking",
	Promises: echotest.Promises{Sleeps: true},
	NotGraded: []string{
		"your predictions",
		"that the conversation knows nothing of sockets",
	},
	Checks: []echotest.Check{
		{Name: "the-three-buffers", Proof: on(threeBuffers),
			Promise: "^abc$de^abte$f xyz^123 25$^ab$abab is answered with bcdbcuf23436bc",
			Cause:   "whether a message is open is forgotten at the end of a read"},
		{Name: "greeting", Proof: on(protocolGreeting),
			Promise: "a client gets one * when its turn comes, and nothing else before it sends ^",
			Cause:   "bytes outside of a message are answered, or the greeting comes with the first bytes"},
		{Name: "dialogue", Proof: on(protocolDialogue),
			Promise: "^ and $ are not answered, an empty message is answered with nothing, a ^ in a message is a byte like any other",
			Cause:   "a delimiter is taken for one in the wrong state"},
		{Name: "byte-by-byte", Proof: on(protocolDribble),
			Promise: "it makes no difference how the bytes are spread over reads",
			Cause:   "one read is taken for one message"},
		{Name: "all-bytes", Proof: on(protocolAllBytes),
			Promise: "each of the 256 bytes but $ comes back plus one; 255 comes back as 0",
			Cause:   "bytes are taken for text"},
		{Name: "starts-afresh", Proof: on(protocolAfresh),
			Promise: "a client that left in the middle of a message has no part in the next one's",
			Cause:   "the state belongs to the server and not to the client"},
		{Name: "one-at-a-time", Proof: on(protocolOneAtATime),
			Promise: "a second client waits for its * until the first has left",
			Cause:   "clients are served at once, which is another exercise"},
		{Name: "all-that-is-owed", Proof: on(protocolOwed),
			Promise: "a client that half-closes gets all of its answer, then end of file",
			Cause:   "an answer is written only in part, or end of file is taken for 'close'"},
		{Name: "survives", Proof: on(protocolSurvives),
			Promise: "a client that resets is one line in the log, and the next is served",
			Cause:   "a client's error ends the server"},
		{Name: "stops", Proof: ending(protocolStops),
			Promise: "SIGTERM ends the server with status 0, also while its client does not read and another one waits",
			Cause:   "the end waits for the client"},
		{Name: "a-port-is-enough", Proof: protocolPort,
			Promise: "an only argument that is a number is the port, as the test script gives it",
			Cause:   "the argument is refused, or the server listens elsewhere than on 127.0.0.1"},
		// The text asks for no flag but -addr.
	},
}

// greeted is dial and the *.
func (s *server) greeted() (*echotest.Conn, error) {
	c, err := s.Connect(0)
	if err != nil {
		return nil, err
	}
	if err := c.Recv("*"); err != nil {
		c.Close()
		return nil, echotest.After(err, "connect")
	}
	return c, nil
}

// script has one client send the pieces, in as many writes, and wants the answer
// to all of them, then nothing more. The pieces mostly come as reads of their own
// because each one's answer is awaited.
func (s *server) script(pieces, answers []string) error {
	c, err := s.greeted()
	if err != nil {
		return err
	}
	defer c.Close()
	for i, p := range pieces {
		if err := c.Exchange(p, answers[i]); err != nil {
			return echotest.After(err, fmt.Sprintf("%q before that", pieces[:i]))
		}
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	return c.RecvEOF()
}

func threeBuffers(s *server) error {
	if err := s.script([]string{"^abc$de^abte$f", "xyz^123", "25$^ab$abab"}, []string{"bcdbcuf", "234", "36bc"}); err != nil {
		return err
	}
	return s.script([]string{"^abc$de^abte$f", "xyz^123", "25$^ab0000$abab"}, []string{"bcdbcuf", "234", "36bc1111"})
}

func protocolGreeting(s *server) error {
	c, err := s.greeted()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Silent(100 * time.Millisecond); err != nil {
		return echotest.After(err, "connect, * has come")
	}
	if err := c.Send("abcdef$123"); err != nil {
		return err
	}
	return c.Silent(100 * time.Millisecond)
}

func protocolDialogue(s *server) error {
	return s.script(
		[]string{"abcdef", "^", "f", "1234", "$", "1234", "^", "xy", "^z", "$$$", "^$^$^$$^$$$$foobar^$$", "^ab$^kl$^80$50"},
		[]string{"", "", "g", "2345", "", "", "", "yz", "_{", "", "", "bclm91"})
}

func protocolDribble(s *server) error {
	c, err := s.greeted()
	if err != nil {
		return err
	}
	defer c.Close()
	in, open := strings.Repeat("^abc$de^abte$fxyz^12325$^ab$abab", 20), false
	for i, b := range []byte(in) {
		answer := ""
		switch {
		case !open:
			open = b == '^'
		case b == '$':
			open = false
		default:
			answer = string([]byte{b + 1})
		}
		if err := c.Exchange(in[i:i+1], answer); err != nil {
			return echotest.After(err, fmt.Sprintf("byte by byte %q", in[max(0, i-12):i]))
		}
	}
	return nil
}

func protocolAllBytes(s *server) error {
	var in, out []byte
	for b := range 256 {
		if b != '$' {
			in, out = append(in, byte(b)), append(out, byte(b+1))
		}
	}
	return s.script([]string{"^", string(in), "$"}, []string{"", string(out), ""})
}

func protocolAfresh(s *server) error {
	if err := s.script([]string{"^abc"}, []string{"bcd"}); err != nil {
		return err
	}
	return echotest.After(s.script([]string{"abc^d"}, []string{"e"}), "a client that leaves in the middle of a message, and the next")
}

func protocolOneAtATime(s *server) error {
	first, err := s.greeted()
	if err != nil {
		return err
	}
	defer first.Close()
	second, err := s.Connect(0) // the kernel's backlog sees to that
	if err != nil {
		return err
	}
	defer second.Close()
	if err := second.Silent(200 * time.Millisecond); err != nil {
		return echotest.After(err, "a second client connects while the first is there")
	}
	if err := first.Exchange("^a", "b"); err != nil {
		return err
	}
	first.Close()
	return echotest.After(second.Recv("*"), "the first client left, the second waited")
}

// protocolOwed has a client with little room send all and half-close, and read only
// while it does. It is no more than a server can answer byte by byte.
func protocolOwed(s *server) error {
	c, err := s.Connect(8 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Recv("*"); err != nil {
		return echotest.After(err, "connect")
	}
	const size = 128 << 10
	sent := make(chan error, 1)
	go func() {
		err := c.Send("^" + strings.Repeat("a", size))
		if err == nil {
			err = c.CloseWrite()
		}
		sent <- err
	}()
	if err := c.Recv(strings.Repeat("b", size)); err != nil {
		c.Close() // lets the sender end
		<-sent
		return err
	}
	if err := <-sent; err != nil {
		return err
	}
	return c.RecvEOF()
}

func protocolSurvives(s *server) error {
	block := bytes.Repeat([]byte("^abcdefg"), 8<<10)
	for range 3 {
		c, err := s.greeted()
		if err != nil {
			return err
		}
		if _, err := c.Overfeed(block, 32<<20); err != nil {
			return err
		}
		c.Reset()
	}
	return echotest.After(s.script([]string{"^abc$"}, []string{"bcd"}), "three clients that sent without reading, and reset")
}

func protocolStops(s *server) error {
	c, err := s.greeted()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Overfeed(bytes.Repeat([]byte("^abcdefg"), 8<<10), 32<<20); err != nil {
		return err
	}
	second, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer second.Close()
	return s.StopBy(unix.SIGTERM, promptly)
}

func protocolPort(p *echotest.Target) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	r, err := spawn(p, port)
	if err != nil {
		return err
	}
	defer r.Kill()
	line, _ := r.Stdout.First(proc.Patience)
	if addr, _, _ := proc.ParseReady(line); addr != "127.0.0.1:"+port {
		return r.Explain(&echotest.Failure{Sent: "argument " + port, Want: "listening on 127.0.0.1:" + port, Got: echotest.Quote([]byte(line))})
	}
	r.Addr = "127.0.0.1:" + port
	if err := r.script([]string{"^abc$"}, []string{"bcd"}); err != nil {
		return r.Explain(err)
	}
	return r.StopBy(unix.SIGTERM, promptly)
}
