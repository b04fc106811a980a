package load

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A conn is one connection with messages under way.
type conn struct {
	worker *worker
	number int
	fd     int
	rpos   int     // in the stream: the next byte to come back
	wpos   int     // in the stream: the next byte to write
	unsent int     // bytes from wpos on that are due
	owed   int     // bytes written that have not come back
	sent   int     // messages begun
	done   int     // messages that came back whole
	stamps []int64 // when the messages under way were begun, by number modulo depth
	part   int     // bytes of the next message that have come back
}

// visit writes what is due, if there was no room for it before, and then reads.
func (c *conn) visit() error {
	if c.unsent > 0 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	return c.read()
}

// read reads once, and for each echo that is now complete begins a message.
func (c *conn) read() error {
	w := c.worker
	n, err := read(c.fd, w.buf)
	switch {
	case err == unix.EAGAIN:
		return nil
	case err != nil:
		return c.fail(os.NewSyscallError("read", err))
	case n == 0:
		return c.fail(errors.New("the server closed it"))
	case n > c.owed:
		return c.fail(fmt.Errorf("%d bytes came back that were never sent", n-c.owed))
	case !w.stream.equal(c.rpos, w.buf[:n]):
		return c.fail(w.stream.difference(c.rpos, w.buf[:n]))
	}
	c.rpos, c.owed = w.stream.skip(c.rpos, n), c.owed-n
	// A read may end anywhere: what counts is how many messages it completed.
	whole := (c.part + n) / w.stream.frame
	c.part = (c.part + n) % w.stream.frame
	if whole == 0 {
		return nil
	}
	return c.next(whole)
}

// next begins as many messages as were completed.
func (c *conn) next(whole int) error {
	w := c.worker
	now, phase := w.now(), w.phase.Load()
	if phase == measuring {
		c.record(now, whole)
	}
	c.done += whole
	w.underway -= whole
	w.messages.Store(w.messages.Load() + uint64(whole)) // nobody else writes it
	if phase < draining {
		return c.begin(now, whole)
	}
	if w.underway == 0 {
		w.loop.Stop()
	}
	return nil
}

// record notes the latencies. Messages that were begun together share a stamp,
// and mostly end together.
func (c *conn) record(now int64, whole int) {
	for i := 0; i < whole; {
		stamp, same := c.stamps[(c.done+i)%len(c.stamps)], 1
		for i+same < whole && c.stamps[(c.done+i+same)%len(c.stamps)] == stamp {
			same++
		}
		c.worker.latency.RecordValues(min(now-stamp, longest), int64(same))
		i += same
	}
}

// begin sends n messages, in one write.
func (c *conn) begin(now int64, n int) error {
	for range n {
		c.stamps[c.sent%len(c.stamps)] = now
		c.sent++
	}
	c.worker.underway += n
	c.unsent += n * c.worker.stream.frame
	return c.flush()
}

// flush writes what is due, as far as there is room.
func (c *conn) flush() error {
	w := c.worker
	n, err := write(c.fd, w.stream.at(c.wpos, c.unsent))
	if err != nil && err != unix.EAGAIN {
		return c.fail(os.NewSyscallError("write", err))
	}
	c.wpos, c.unsent, c.owed = w.stream.skip(c.wpos, n), c.unsent-n, c.owed+n
	return w.loop.Want(c.fd, true, c.unsent > 0)
}

// fail says which connection it was. The two errors are one event: which of them
// shows depends on whether reading or writing comes first.
func (c *conn) fail(err error) error {
	if errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) {
		err = errors.New("the server reset it")
	}
	return fmt.Errorf("connection %d, after %d echoes: %w", c.number+1, c.done, err)
}
