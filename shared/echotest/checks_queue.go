package echotest

import (
	"errors"
	"fmt"

	"example/tcpladder/shared/proc"
)

// queueChecks: how much a server holds for a client that does not read, counted in
// the narration: what it has read from it and not yet written.
var queueChecks = []Check{
	{Name: "one-buffer-each", Chapter: chapter2, when: func(p Promises) bool { return p.Concurrent && !p.Framed }, Proof: On(oneBufferEach, "-v=json"),
		Promise: "at most one buffer is held for a client that does not read",
		Cause:   "the server reads from a client that has unsent bytes"},
	{Name: "idle-holds-nothing", Alone: true, Chapter: chapter4, when: func(p Promises) bool { return p.Concurrent && !p.Framed }, Proof: On(idleHoldsNothing),
		Promise: "a client that is idle holds no buffer",
		Cause:   "each connection has its own read buffer; the server needs only one for all of them"},
	{Name: "rest-is-freed", Alone: true, Chapter: chapter2, when: func(p Promises) bool { return p.Concurrent && !p.Framed }, Proof: started(frugal, restIsFreed),
		Promise: "a client that has caught up with its reading holds no buffer",
		Cause:   "a connection keeps the buffer in which it had unsent bytes"},
}

const queueMark = 4 << 20

// held is what the server has read of c and not written. ok: it knows c.
func held(list []Object, c *client) (n int64, ok bool) {
	d, ok := ofPeer(state(list), c)
	return d.Read - d.Written, ok
}

func queueKeepsToMark(s *Server) error {
	const size, read = 1000, 256 << 10
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(size), 100_000), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := s.stuck(clients{c}); err != nil {
		return err
	}
	j := s.Journal()
	paused := j.read()
	n, ok := held(paused, c)
	if most := int64(queueMark + size + read + 4); !ok || n < queueMark || n > most {
		return &Failure{Sent: c.told() + ", none read", Want: fmt.Sprintf("from %d to %d bytes held: -write-buffer, a frame and a read", queueMark, most), Got: fmt.Sprint(n)}
	}
	fd, _ := ofPeer(state(paused), c)
	if err := c.exchange(c.whole()); err != nil {
		return err
	}
	n, ok = resumedAt(j, len(paused), fd)
	// What is in hand besides the queue is less than a read. Of the queue, a turn
	// writes as much as a read at most, and the same again with what was in hand.
	if least, most := int64(queueMark/2-2*read), int64(queueMark/2+read); ok && (n < least || n > most) {
		return &Failure{Sent: "nothing, but began to read", Want: fmt.Sprintf("reading is resumed at %d to %d bytes held, about half of -write-buffer", least, most), Got: fmt.Sprint(n)}
	}
	return j.err
}

// resumedAt returns how much was held for a client at the first read after the object
// with index from. ok: the narration shows it.
func resumedAt(j *Journal, from int, fd Descriptor) (n int64, ok bool) {
	n = fd.Read - fd.Written
	gap := false
	found, ok := j.Wait(patience, func(o *Object) bool {
		if from > 0 {
			from--
			return false
		}
		gap = gap || o.Kind == "gap"
		if o.did("write") && o.Arg == fd.FD {
			n -= int64(*o.Result)
		}
		return gap || o.did("read") && o.Arg == fd.FD
	})
	return n, ok && !gap && found.Call == "read"
}

func oneBufferEach(s *Server) error {
	const most = 64 << 10
	c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(1000), longBlock), smallWindow)
	if err != nil {
		return err
	}
	defer c.Close()
	open, err := s.stuck(clients{c})
	if err != nil {
		return err
	}
	d, ok := ofPeer(open, c)
	if n := d.Read - d.Written; !ok || n > most {
		return &Failure{Sent: c.told() + ", none read", Want: fmt.Sprintf("at most %d bytes held", most), Got: fmt.Sprint(n)}
	}
	return c.exchange(c.whole())
}

// idleHoldsNothing has many clients come, talk and stay. Their buffers would come
// to three times what is allowed; a Go heap takes up to 4 MiB without need.
func idleHoldsNothing(s *Server) error {
	n, err := s.room(300)
	if err != nil {
		return err
	}
	return s.staysSmall(n, 1, bufferful/3, func(some clients) error {
		return some[0].exchange(some[0].next(bufferful))
	})
}

// bufferful is what a server reads of a client at most in one call.
const bufferful = 64 << 10

// frugal has the collector of a Go program begin early, so that what is freed is
// used again at once.
var frugal = proc.Command{Env: []string{"GOGC=1", "GOMEMLIMIT=1MiB"}}

// restIsFreed has clients, a few at a time, send more than the kernel takes of a
// reply, so that the server must keep a part, and then read it all. The part is a
// third of a buffer or more.
func restIsFreed(s *Server) error {
	return s.staysSmall(32, 8, bufferful/4, func(some clients) error {
		stuff := func(c *client) error {
			_, err := c.fill(c.next(kernelHolds() + 600_000))
			return err
		}
		read := func(c *client) error { return c.exchange(c.whole()) }
		return errors.Join(some.each(stuff), s.turns(80), some.each(read))
	})
}

// staysSmall has n clients, some at a time, do something and stay, at so many bytes
// each. What the server needs to do it at all, it has from those who came before.
func (s *Server) staysSmall(n, some int, each int64, do func(clients) error) error {
	var all clients
	defer func() { all.close() }()
	come := func() error {
		for range some {
			c, err := s.dialSized(newStream(s.Promises, seeds.Add(1), sized(1000), 100_000), smallWindow)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return do(all[len(all)-some:])
	}
	err := errors.Join(come(), come())
	if err != nil {
		return err
	}
	resident, _, err := s.growth(func() (err error) {
		for range n / some {
			if err == nil {
				err = come()
			}
		}
		return err
	})
	if most := int64(n) * each; err == nil && resident > most {
		err = &Failure{Sent: fmt.Sprintf("%d clients, %d at a time, that got everything back and are silent", n, some),
			Want: fmt.Sprintf("at most %d KiB more memory", most>>10), Got: fmt.Sprintf("%d KiB more", resident>>10)}
	}
	return err
}
