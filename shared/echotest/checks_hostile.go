package echotest

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// hostileChecks: one client cannot hurt another, or the server.
var hostileChecks = []Check{
	{Name: "gone-before-accept", Chapter: chapter1, Proof: On(goneBeforeAccept),
		Promise: "clients that reset before they are accepted are forgotten; one that has only half-closed gets its echo",
		Cause:   "an error of accept(2) that concerns one client (ECONNABORTED), or of setting up its socket, ends the server"},
	{Name: "slow-reader", OnWire: true, Alone: true, Chapter: chapter2, Proof: started(unpreempted, slowReader),
		Promise: "the server stops reading from a client that does not read, serves the others, and sends it every byte once it reads",
		Cause:   "the server blocks (or spins) while writing to one client, or keeps reading and drops what it cannot send"},
	{Name: "half-close-queued", OnWire: true, Alone: true, Chapter: chapter2, Proof: On(halfCloseQueued),
		Promise: "a client that half-closes before it reads anything gets every byte, then end of file",
		Cause:   "at end of file the connection is closed although bytes are still unsent"},
	{Name: "idle-timeout", Chapter: chapter5, when: framed, Proof: idleTimeouts,
		Promise: "-idle-timeout closes clients that say nothing, never finish a frame, take no reply or have fallen silent, and no others",
		Cause:   "the time counts from the last byte instead of the last reply taken; or a timer that fired too early is not set again; or it outlives its client, and closes the one that now has its descriptor"},
	{Name: "linger-leaves-no-timer", Chapter: chapter5, when: framed, Proof: On(lingerLeavesNoTimer, "-idle-timeout", "1s"),
		Promise: "a client that has left is not dropped again later: its descriptor is another's by then",
		Cause:   "a timer outlives its client: when the linger begins, the timer of -idle-timeout is replaced, and not stopped"},
	{Name: "reset", OnWire: true, Alone: true, Chapter: chapter1, Proof: On(resets),
		Promise: "a client that resets its connection costs one descriptor for an instant, nothing else",
		Cause:   "ECONNRESET or EPIPE of one client is treated as an error of the server, or the dead connection stays in the set and wakes the loop forever"},
	{Name: "reset-unread", OnWire: true, Alone: true, Chapter: chapter2, Proof: On(resetUnread),
		Promise: "a client that resets with megabytes of echoes unread harms nobody",
		Cause:   "the failing write of one client ends the server, or is tried again forever"},
	{Name: "slow-readers-memory", Measures: true, OnWire: true, Alone: true, Chapter: chapter2, when: concurrent, Proof: On(slowReadersMemory),
		Promise: "clients that do not read cost a bounded amount of memory each",
		Cause:   "unsent bytes are queued without a limit: stop reading from a client while it has unsent bytes"},
	{Name: "out-of-band", Measures: true, OnWire: true, Alone: true, Chapter: chapter3, Proof: On(outOfBand),
		Promise: "an urgent byte (MSG_OOB) is ignored, the rest comes back",
		Cause:   "exceptional conditions are waited for (exceptfds, EPOLLPRI) and nobody clears them"},
	{Name: "signal-storm", Chapter: chapter1, Proof: On(signalStorm),
		Promise: "signals that mean nothing to the server cost no byte and do not end it",
		Cause:   "EINTR is treated as an error: retry read, write and accept, go round the loop for select, epoll_wait and kevent"},
	{Name: "stopped-and-continued", Chapter: chapter3, Proof: On(stoppedAndContinued),
		Promise: "a server that was suspended (SIGSTOP) goes on where it was (SIGCONT)",
		Cause:   "the wait returns EINTR after SIGCONT and that ends the server"},
	{Name: "stdin-closed", Chapter: chapter1, Proof: On(stdinClosed),
		Promise: "the end of standard input means nothing to the server",
		Cause:   "the server reads its standard input"},
}

func resets(s *Server) error {
	witness := clients{}
	defer func() { witness.close() }()
	for i := range 150 {
		c, err := s.dial()
		if err != nil {
			return err
		}
		switch i % 3 {
		case 1: // with a reply under way
			err = c.send(c.next(0))
		case 2: // after a reply
			err = c.ping()
		}
		c.Reset()
		if err != nil {
			return err
		}
		if s.Concurrent && i == 75 { // from here on one looks on
			if witness, err = s.dialMany(1); err != nil {
				return err
			}
		}
	}
	for _, c := range witness {
		if err := c.ping(); err != nil {
			return After(err, "150 others reset their connections")
		}
	}
	if err := After(s.alive(), "150 resets"); err != nil {
		return err
	}
	return s.still("a reset connection was not removed: its readiness never ends")
}

func resetUnread(s *Server) error {
	stuck := make(clients, 3)
	for i := range stuck {
		var err error
		if stuck[i], err = s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 50_000), smallWindow); err != nil {
			return err
		}
		defer stuck[i].Reset()
	}
	if err := stuck.each(overfill); err != nil {
		return err
	}
	for _, c := range stuck {
		c.Reset()
	}
	if err := After(s.alive(), "3 clients sent without reading, then reset"); err != nil {
		return err
	}
	return s.still("a paused client that reset is still registered: an error cannot be masked, so hand it to whatever handler there is")
}

// longBlock is a stream's block in which bytes that come a buffer too late or too
// early cannot be taken for those of the next block.
const longBlock = 400_000

// mostUnread is more than any kernel's buffers hold for one connection: a
// server that took so much from a client that reads nothing keeps it in memory.
const mostUnread = 96 << 20

// unpreempted keeps the Go runtime from signalling the server's threads, which
// it does to preempt goroutines. Such a signal cuts a write that sleeps short, so
// that a server whose sockets block looks as if they did not.
var unpreempted = proc.Command{Env: []string{"GODEBUG=asyncpreemptoff=1"}}

func slowReader(s *Server) error {
	slow, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(3000), longBlock))
	if err != nil {
		return err
	}
	defer slow.Close()
	resident, _, err := s.growth(func() error { return overfill(slow) })
	if err != nil {
		return err
	}
	if resident > 32<<20 {
		return &Failure{Sent: slow.told(), Want: "at most 32 MiB more memory", Got: fmt.Sprintf("%d MiB more", resident>>20),
			Cause: "unsent bytes are queued without a limit"}
	}
	if err := After(s.turns(50), "another client sends and does not read"); err != nil {
		return err
	}
	if err := s.still("the loop is awake for a client that does not read: drop the interest in reading while bytes are unsent, and wait for writability instead of trying"); err != nil {
		return err
	}
	return After(slow.exchange(slow.whole()), "sent until the server took no more, then began to read")
}

// overfill fills a client's connection and fails if there seems to be no bottom.
func overfill(c *client) error {
	took, err := c.fillUp(mostUnread, func() error { return nil })
	if err != nil || took < mostUnread {
		return err
	}
	// If all of it comes back now it was queued, and otherwise thrown away.
	err = Amend(c.recv(c.boundary(c.out.Load())), func(f *Failure) { f.whose, f.distance = "later", 0 })
	if err == nil {
		err = &Failure{Sent: c.told(), Want: "a server that stops reading from a client that does not read",
			Got: fmt.Sprintf("it took %d MiB", took>>20), Cause: "unsent bytes are queued without a limit"}
	}
	return err
}

// whole is the end of the last message that was begun.
func (c *client) whole() int64 {
	out := c.out.Load()
	if c.boundary(out) == out {
		return out
	}
	return c.next(out)
}

// slowReadersMemory: from 02 on a server holds one read buffer (64 KiB) for a
// client it cannot send to. 05 holds the write buffer, a frame and one read
// (256 KiB each, with these small frames). A Go heap takes twice what it holds.
func slowReadersMemory(s *Server) error {
	const n = 24
	each := int64(64 << 10)
	if s.Framed {
		each = 520 << 10
	}
	var all clients
	defer func() { all.close() }()
	resident, _, err := s.growth(func() error {
		for range n {
			c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), upTo(3000), 100_000), smallWindow)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return all.each(overfill)
	})
	if err != nil {
		return err
	}
	if most := 3*n*each + 12<<20; resident > most {
		return &Failure{Sent: fmt.Sprintf("%d clients send and do not read", n),
			Want: fmt.Sprintf("at most %d MiB more memory", most>>20), Got: fmt.Sprintf("%d MiB more", resident>>20)}
	}
	return all.each(func(c *client) error { return c.exchange(c.whole()) })
}

// each calls do for all clients at once and returns the first error.
func (list clients) each(do func(*client) error) error {
	errs := make(chan error, len(list))
	for _, c := range list {
		go func() { errs <- do(c) }()
	}
	var first error
	for range list {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func outOfBand(s *Server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for range 3 {
		err := c.ping()
		if err == nil {
			err = c.urgent()
		}
		if err == nil {
			err = After(c.ping(), "an urgent byte (MSG_OOB)")
		}
		if err != nil {
			return err
		}
	}
	if err := c.urgent(); err != nil { // and nothing after it: reading on would clear it
		return err
	}
	if err := s.still("urgent data keeps the loop awake: do not ask for exceptional conditions"); err != nil {
		return err
	}
	return c.ping()
}

// urgent sends a byte that is not part of the stream.
func (c *client) urgent() error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	raw.Control(func(fd uintptr) { sendErr = unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
	if sendErr != nil {
		return Skipf("no urgent data here: %v", sendErr)
	}
	return nil
}

func goneBeforeAccept(s *Server) error {
	if err := s.Suspend(); err != nil {
		return err
	}
	defer s.Signal(unix.SIGCONT)
	for range 30 {
		c, err := s.dial() // the kernel's backlog answers for the server
		if err != nil {
			return err
		}
		c.Reset()
	}
	early, err := s.dial()
	if err != nil {
		return err
	}
	defer early.Close()
	if err := errors.Join(early.send(early.next(500)), early.CloseWrite()); err != nil {
		return err
	}
	if err := s.Signal(unix.SIGCONT); err != nil {
		return err
	}
	if err := After(early.drain(), "30 clients connected and reset; one sent and half-closed; then the server was resumed"); err != nil {
		return err
	}
	return s.alive()
}

// meaningless are signals that a Go program ignores or handles by itself.
var meaningless = []unix.Signal{unix.SIGURG, unix.SIGWINCH, unix.SIGPIPE, unix.SIGCHLD, unix.SIGCONT}

// signalStorm has the server wait in each of its calls, in the end for a client that
// does not read. A write that sleeps has sent a part when a signal comes: only there
// does it fall short.
func signalStorm(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), upTo(2000), 1<<20))
	if err != nil {
		return err
	}
	defer c.Close()
	stop, sent := make(chan bool), make(chan int)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				sent <- i
				return
			default:
				s.Signal(meaningless[i%len(meaningless)])
			}
		}
	}()
	for range 3 {
		if err == nil {
			err = c.talk()
		}
	}
	if err == nil {
		err = overfill(c)
	}
	if err == nil {
		err = c.exchange(c.whole())
	}
	close(stop)
	if err = After(err, fmt.Sprintf("%d signals", <-sent)); err != nil {
		return err
	}
	return c.finish()
}

// talk has small messages, which the server waits for, and then a MiB.
func (c *client) talk() error {
	for range 100 {
		if err := c.ping(); err != nil {
			return err
		}
	}
	return c.exchange(c.next(c.out.Load() + 1<<20))
}

func stoppedAndContinued(s *Server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for range 5 {
		if err := c.ping(); err != nil {
			return After(err, "SIGSTOP, SIGCONT")
		}
		if err := s.Suspend(); err != nil {
			return err
		}
		end := c.next(c.out.Load())
		err := errors.Join(c.send(end), c.Silent(20*time.Millisecond), s.Signal(unix.SIGCONT))
		if err == nil {
			err = c.recv(end)
		}
		if err != nil {
			return After(err, "SIGSTOP, SIGCONT")
		}
	}
	return c.finish()
}

func stdinClosed(s *Server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.ping(); err != nil {
		return err
	}
	s.Stdin.Close()
	for range 20 {
		if err := c.ping(); err != nil {
			return After(err, "end of the server's standard input")
		}
	}
	return nil
}
