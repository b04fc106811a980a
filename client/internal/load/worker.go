package load

import (
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	// A copy of 04's: whoever works on that one, or breaks it to see what happens,
	// still measures with this.
	"example/tcpladder/client/internal/eventloop"
)

// longest is the highest latency that is told apart, in nanoseconds.
const longest = int64(time.Minute)

// newHistogram keeps latencies with an error of at most 1 in 1,000.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, 3) }

// A worker serves a share of the connections on one goroutine.
type worker struct {
	*run
	loop     *eventloop.Loop
	conns    []*conn
	buf      []byte // what was just read, from whichever connection
	latency  *hdrhistogram.Histogram
	underway int           // messages
	messages atomic.Uint64 // complete echoes, for whoever watches
}

func newWorker(r *run) (*worker, error) {
	loop, err := eventloop.New()
	if err != nil {
		return nil, err
	}
	return &worker{run: r, loop: loop, buf: make([]byte, 256<<10), latency: newHistogram()}, nil
}

// add takes a connection over. Its number decides where in the stream it begins.
func (w *worker) add(fd, number int) error {
	start := w.stream.start(number)
	c := &conn{worker: w, number: number, fd: fd, rpos: start, wpos: start, stamps: make([]int64, w.Depth)}
	w.conns = append(w.conns, c)
	return w.loop.Add(fd, c.visit)
}

// serve begins the messages and then answers every echo with another message,
// until nothing is to be sent any more and everything is back.
func (w *worker) serve() error {
	for _, c := range w.conns {
		if err := c.begin(w.now(), w.Depth); err != nil {
			return err
		}
	}
	// The loop also stops for those who wake it to look at the phase.
	for w.phase.Load() < draining || w.underway > 0 {
		if err := w.loop.Run(); err != nil {
			return err
		}
		if w.phase.Load() == givingUp {
			break
		}
	}
	return nil
}

// now returns the time on the clock of the run, in nanoseconds.
func (w *worker) now() int64 { return int64(time.Since(w.base)) }

// close must not be called while serve runs.
func (w *worker) close() {
	for _, c := range w.conns {
		w.loop.Remove(c.fd)
	}
	w.loop.Close()
}

// dial connects, and returns a non-blocking descriptor of its own: package net's
// would be in its poller.
func dial(addr string) (int, error) {
	nc, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return -1, err
	}
	defer nc.Close()
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	var fd int
	var dupErr error
	err = raw.Control(func(s uintptr) { fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return -1, fmt.Errorf("dup: %w", err)
	}
	return fd, nil
}
