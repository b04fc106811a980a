package exercisetest

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var handshake = Exercise{
	Name: "05-handshake",
	NotGraded: []string{
		"your predictions",
		"a peer on another machine: all of these are on this one",
	},
	Checks: []echotest.Check{
		{Name: "all-states", Proof: handshakeStates,
			Promise: "against a peer that answers, one line for each state, then its messages, then closed and exit status 0",
			Cause:   "a state is not entered, or not printed"},
		{Name: "on-the-loop", Proof: handshakeOnLoop,
			Promise: "every connection is registered with the loop while it waits for its peer",
			Cause:   "a goroutine of its own waits for each peer"},
		{Name: "byte-by-byte", Proof: handshakeDribble,
			Promise: "an acknowledgement that comes byte by byte is one, and a message right behind it is not lost",
			Cause:   "one read is taken for one frame"},
		{Name: "connection-refused", Proof: handshakeNobody,
			Promise: "a peer that does not listen is reported at once, with the error of connect(2), and exit status 1",
			Cause:   "writable is taken for connected: SO_ERROR says which it is"},
		{Name: "refuses", Proof: handshakeRefuses,
			Promise: "a peer that answers something else than welcome has refused",
			Cause:   "any frame is taken for the acknowledgement"},
		{Name: "hangs-up", Proof: handshakeHangsUp,
			Promise: "a peer that closes before it has answered is a failure, and reported at once",
			Cause:   "end of file is not looked for in that state, or taken for the end of a talk"},
		{Name: "never-answers", Proof: handshakeSilent,
			Promise: "a peer that never answers is given up when its time in that state is over, not earlier and not much later",
			Cause:   "no timer of the loop is set for the state"},
		{Name: "never-connects", Proof: handshakeFullBacklog,
			Promise: "a connect(2) that never ends is given up when its time is over",
			Cause:   "no timer is set until there is a connection"},
		{Name: "takes-its-time", Proof: handshakeSlowTaker,
			Promise: "a hello that the kernel does not take at once is sent bit by bit; until its last byte is taken, the state is handshake sent",
			Cause:   "a write that fell short is taken for a whole one, or tried only once"},
		{Name: "too-early", Proof: handshakeTooEarly,
			Promise: "a welcome before the whole hello was sent is a failure",
			Cause:   "a welcome is taken for the acknowledgement in any state"},
		{Name: "stays-connected", Proof: handshakeStays,
			Promise: "who is connected is not given up, however long it says nothing",
			Cause:   "the timer of the last state was not stopped"},
		{Name: "delays-nobody", Proof: handshakeTogether,
			Promise: "several peers are dealt with at once: one that never answers delays nobody",
			Cause:   "something waits: connect(2) without O_NONBLOCK, or one peer after the other"},
		{Name: "waits-asleep", Alone: true, Proof: handshakeAsleep,
			Promise: "waiting costs no CPU",
			Cause:   "write readiness is wanted while there is nothing to write"},
	},
}

// A peer is the listening side of a handshake.
type peer struct{ *net.TCPListener }

func listenPeer() (peer, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	return peer{l}, err
}

// a line of the program about this peer
func (p peer) line(text string) string { return p.Addr().String() + ": " + text }

// accept takes the program's connection.
func (p peer) accept() (*echotest.Conn, error) {
	p.SetDeadline(time.Now().Add(proc.Patience))
	c, err := p.AcceptTCP()
	if err != nil {
		return nil, echotest.Failf("no connection came: %v", err)
	}
	return echotest.NewConn(c), nil
}

// frame is text as it is on the wire.
func frame(text string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
}

// unhurried leaves a slow machine its time.
var unhurried = []string{"-timeout", "1h"}

// shaken starts the program, against one peer, and does with both ends what do
// says.
func shaken(p *echotest.Target, flags []string, do func(*server, peer, *echotest.Conn) error) error {
	l, err := listenPeer()
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := spawn(p, append([]string{"-connect", l.Addr().String()}, flags...)...)
	if err != nil {
		return err
	}
	defer r.Kill()
	c, err := l.accept()
	if err != nil {
		return r.Explain(err)
	}
	defer c.Close()
	return r.Explain(do(r, l, c))
}

// ends wants the program to end with this status, and a line on standard error
// that begins with these words.
func (r *server) ends(status int, line string) error {
	got, err := r.Wait(proc.Patience)
	if err != nil {
		return err
	}
	if got != status {
		return &echotest.Failure{Want: fmt.Sprintf("exit status %d", status), Got: fmt.Sprintf("exit status %d", got)}
	}
	starts := func(l string) bool { return strings.HasPrefix(l, line) }
	if _, ok := r.Stderr.Wait(proc.Patience, starts); line != "" && !ok {
		return &echotest.Failure{Want: fmt.Sprintf("on standard error: %s", line), Got: r.Stderr.Excerpt()}
	}
	return nil
}

func handshakeStates(p *echotest.Target) error {
	return shaken(p, unhurried, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Recv(frame("hello")); err != nil {
			return err
		}
		states := []string{l.line("initiated"), l.line("handshake sent"), l.line("awaiting acknowledgement")}
		if err := expectAll(r.Stdout, states...); err != nil {
			return echotest.After(err, "the peer has the hello, and has not answered")
		}
		if err := c.Send(frame("welcome")); err != nil {
			return err
		}
		states = append(states, l.line("connected"))
		if err := expectAll(r.Stdout, states...); err != nil {
			return echotest.After(err, "the peer says welcome")
		}
		if err := c.Send(frame("good morning") + frame("")); err != nil {
			return err
		}
		states = append(states, l.line(`"good morning"`), l.line(`""`))
		if err := expectAll(r.Stdout, states...); err != nil {
			return echotest.After(err, "the peer sends two messages")
		}
		c.Close()
		if err := expectAll(r.Stdout, append(states, l.line("closed"))...); err != nil {
			return echotest.After(err, "the peer closes")
		}
		return echotest.After(r.ends(0, ""), "the peer closes")
	})
}

func handshakeOnLoop(p *echotest.Target) error {
	return shaken(p, unhurried, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Recv(frame("hello")); err != nil {
			return err
		}
		if _, err := r.onLoop(p, c.LocalAddr()); err != nil {
			return err
		}
		return r.StopBy(unix.SIGTERM, promptly)
	})
}

func handshakeDribble(p *echotest.Target) error {
	return shaken(p, unhurried, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Recv(frame("hello")); err != nil {
			return err
		}
		answer := frame("welcome") + frame("one") + frame("two")
		pause := time.NewTicker(20 * time.Millisecond) // so that they are read one by one
		defer pause.Stop()
		for i := range len(frame("welcome")) - 1 {
			if err := c.Send(answer[i : i+1]); err != nil {
				return err
			}
			<-pause.C
		}
		if err := c.Send(answer[len(frame("welcome"))-1:]); err != nil {
			return err
		}
		err := expectAll(r.Stdout, l.line("initiated"), l.line("handshake sent"), l.line("awaiting acknowledgement"),
			l.line("connected"), l.line(`"one"`), l.line(`"two"`))
		return echotest.After(err, "the peer says welcome byte by byte, and two messages with the last byte")
	})
}

// handshakeNobody connects to a port that was free a moment ago.
func handshakeNobody(p *echotest.Target) error {
	l, err := listenPeer()
	if err != nil {
		return err
	}
	l.Close()
	r, err := spawn(p, "-connect", l.Addr().String())
	if err != nil {
		return err
	}
	defer r.Kill()
	return r.Explain(echotest.After(r.ends(1, l.line("initiated: connect: connection refused")), "nobody listens at "+l.Addr().String()))
}

func handshakeRefuses(p *echotest.Target) error {
	return shaken(p, unhurried, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Exchange(frame("no room"), frame("hello")); err != nil {
			return err
		}
		// It may have been quicker than the end of the hello.
		if err := r.ends(1, l.Addr().String()+": "); err != nil {
			return echotest.After(err, `the peer answers "no room"`)
		}
		if text := r.Stderr.Excerpt(); !strings.Contains(text, `refused: "no room"`) {
			return &echotest.Failure{Sent: `the peer answers "no room"`, Want: l.line(`awaiting acknowledgement: refused: "no room"`), Got: text}
		}
		return nil
	})
}

func handshakeHangsUp(p *echotest.Target) error {
	return shaken(p, unhurried, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Recv(frame("hello")); err != nil {
			return err
		}
		c.Close()
		return echotest.After(r.ends(1, l.line("awaiting acknowledgement: EOF")), "the peer closes without an answer")
	})
}

func handshakeSilent(p *echotest.Target) error {
	start := time.Now()
	return shaken(p, []string{"-timeout", "300ms"}, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Recv(frame("hello")); err != nil {
			return err
		}
		err := r.ends(1, l.line("awaiting acknowledgement: timed out after 300ms"))
		if took := time.Since(start); err == nil && took < 300*time.Millisecond {
			err = echotest.Failf("it gave up after %v", took)
		}
		return echotest.After(err, "the peer takes the hello and never answers; -timeout 300ms")
	})
}

// handshakeFullBacklog connects to a socket whose queue of finished handshakes is
// full. Linux then leaves a SYN without an answer; others are not as plain.
func handshakeFullBacklog(p *echotest.Target) error {
	if runtime.GOOS != "linux" {
		return echotest.Skipf("a full backlog leaves a connect without an end on Linux only")
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	unix.CloseOnExec(fd)
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(fd, 0); err != nil {
		return err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for full := false; !full; {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if full = err != nil; !full {
			defer c.Close()
		}
	}
	r, err := spawn(p, "-connect", addr, "-timeout", "300ms")
	if err != nil {
		return err
	}
	defer r.Kill()
	return r.Explain(echotest.After(r.ends(1, addr+": initiated: timed out after 300ms"), "no answer to the SYN; -timeout 300ms"))
}

// handshakeSlowTaker is a peer that does not read a hello which is longer than
// all buffers on the way, until it has been seen that the program waits.
func handshakeSlowTaker(p *echotest.Target) error {
	const size = 32 << 20
	return shaken(p, append(unhurried, "-hello-size", fmt.Sprint(size)), func(r *server, l peer, c *echotest.Conn) error {
		if err := expectAll(r.Stdout, l.line("initiated"), l.line("handshake sent")); err != nil {
			return echotest.After(err, "-hello-size 33554432, and the peer does not read")
		}
		early := func(line string) bool { return line == l.line("awaiting acknowledgement") }
		if _, ok := r.Stdout.Wait(300*time.Millisecond, early); ok {
			return echotest.Failf("%s, although the peer has not read one byte of a hello of 32 MiB", l.line("awaiting acknowledgement"))
		}
		got := make([]byte, 4+size)
		for n := 0; n < len(got); { // a slow machine needs a while for all of it
			c.SetReadDeadline(time.Now().Add(proc.Patience))
			m, err := c.Read(got[n:])
			if n += m; err != nil {
				return &echotest.Failure{Want: fmt.Sprintf("a frame of %d bytes", size), Got: fmt.Sprintf("%d bytes of it, then %s", n, echotest.Plain(err))}
			}
		}
		if string(got) != frame("hello"+strings.Repeat(" ", size-5)) {
			return echotest.Failf("another hello than was announced, beginning with %s", echotest.Quote(got))
		}
		if err := c.Send(frame("welcome")); err != nil {
			return err
		}
		return echotest.After(expect(r.Stdout, l.line("connected")), "the peer reads the hello, and answers")
	})
}

// handshakeTooEarly is a peer that says welcome and has not heard the hello.
func handshakeTooEarly(p *echotest.Target) error {
	return shaken(p, append(unhurried, "-hello-size", fmt.Sprint(32<<20)), func(r *server, l peer, c *echotest.Conn) error {
		if err := expectAll(r.Stdout, l.line("initiated"), l.line("handshake sent")); err != nil {
			return echotest.After(err, "-hello-size 33554432, and the peer does not read")
		}
		if err := c.Send(frame("welcome")); err != nil {
			return err
		}
		return echotest.After(r.ends(1, l.line("handshake sent: ")), "the peer says welcome, and has not read the hello")
	})
}

func handshakeStays(p *echotest.Target) error {
	return shaken(p, []string{"-timeout", "150ms"}, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Exchange("", frame("hello")); err != nil {
			return err
		}
		if err := c.Send(frame("welcome")); err != nil {
			return err
		}
		if _, err := r.Wait(500 * time.Millisecond); err == nil {
			return echotest.Failf("the program ended while the peer was silent")
		}
		if err := c.Send(frame("still here")); err != nil {
			return err
		}
		if err := expect(r.Stdout, l.line(`"still here"`)); err != nil {
			return echotest.After(err, "-timeout 150ms, and the peer says nothing for 500ms after its welcome")
		}
		return r.StopBy(unix.SIGTERM, promptly)
	})
}

func handshakeTogether(p *echotest.Target) error {
	silent, err := listenPeer()
	if err != nil {
		return err
	}
	defer silent.Close()
	return shaken(p, []string{"-timeout", "1h", "-connect", silent.Addr().String()}, func(r *server, l peer, c *echotest.Conn) error {
		other, err := silent.accept()
		if err != nil {
			return err
		}
		defer other.Close()
		for _, c := range []*echotest.Conn{c, other} {
			if err := c.Recv(frame("hello")); err != nil {
				return err
			}
		}
		// The one named last is first.
		if err := other.Send(frame("welcome")); err != nil {
			return err
		}
		if err := expect(r.Stdout, silent.line("connected")); err != nil {
			return echotest.After(err, "two peers; the second answers, the first does not")
		}
		return r.StopBy(unix.SIGINT, promptly)
	})
}

func handshakeAsleep(p *echotest.Target) error {
	if proc.RaceEnabled {
		return echotest.Skipf("CPU is not judged with the race detector")
	}
	return shaken(p, unhurried, func(r *server, l peer, c *echotest.Conn) error {
		if err := c.Recv(frame("hello")); err != nil {
			return err
		}
		if err := r.Still(); err != nil {
			return echotest.After(err, "the peer takes the hello, and does not answer")
		}
		return r.StopBy(unix.SIGTERM, promptly)
	})
}
