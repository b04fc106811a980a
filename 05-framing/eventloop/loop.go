// Package eventloop calls a function when a descriptor is ready or a timer is
// due: kqueue(2) on macOS and the BSDs, epoll(7) on Linux.
//
// A descriptor is registered once. What a turn of the loop costs depends on how
// many descriptors are ready, and not on how many there are.
//
//	loop, err := eventloop.New()
//	...
//	loop.Add(fd, onReadable, onWritable) // reading is wanted from here on
//	loop.Want(fd, true, true)            // and, from here on, writing
//	loop.After(time.Second, func() { loop.Remove(fd) })
//	err = loop.Run()                     // until Stop, or a handler's error
//
// Events are level-triggered: a handler is called in every turn in which its
// descriptor is ready and that is wanted. So a handler may read once and return,
// the rest will be reported. But a readiness that is of no use has to be
// unwanted: with writing wanted and nothing to write, the loop spins.
//
// The kernel's flags for errors and hang-ups are hints. They call the handlers
// that are wanted, and what read(2) or write(2) then says is what counts. (A
// kqueue sets EV_EOF while there is still data to read.)
//
// A Loop and its timers belong to one goroutine, the one that calls Run; the
// handlers run there too. Only Stop may be called from others.
package eventloop

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// An interest is a set of readinesses: wanted of a descriptor, or reported.
type interest uint32

// There is one file for each mechanism of the kernel. It defines
//
//	newPoller() (*poller, error)
//	set(fd int, old, new interest) error     // change what is wanted of fd
//	wait(d time.Duration) (n int, err error) // sleep until there are events, at most d; d < 0: for ever
//	event(i int) (fd int, ready interest)    // one of these n events
//	readable, writable, hangup               // an interest; hangup is only reported
//	newCall, setCall, waitCall               // names of the system calls
//
// To close a descriptor is enough to make the kernel forget it.

// A watch is what the loop knows of a descriptor: nothing, if it is not
// registered.
type watch struct {
	read, write func() error
	wanted      interest
}

// A Loop waits for descriptors and timers. Make one with New.
type Loop struct {
	poller   *poller
	watches  []watch  // by descriptor
	removed  []int    // to be closed at the end of the turn
	timers   []*Timer // the next one due comes first
	stopping atomic.Bool

	mu     sync.Mutex // Stop against Close
	wakeUp [2]int     // a pipe: a byte in it ends the wait
}

// New returns a loop without descriptors. The error is that of kqueue(2),
// epoll_create1(2) or pipe(2), most likely EMFILE.
func New() (*Loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, os.NewSyscallError(newCall, err)
	}
	l := &Loop{poller: p}
	if err := unix.Pipe(l.wakeUp[:]); err != nil {
		unix.Close(p.fd)
		return nil, os.NewSyscallError("pipe", err)
	}
	for _, fd := range l.wakeUp {
		unix.CloseOnExec(fd)
		unix.SetNonblock(fd, true)
	}
	if err := l.Add(l.wakeUp[0], l.awake, nil); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Add registers fd, which must not block, and wants to read from it; write may
// be nil if that is never wanted. A handler's error ends Run: what concerns one
// descriptor is dealt with in the handler.
//
// The error is that of kevent(2) or epoll_ctl(2): on Linux EPERM for a regular
// file, which is always ready.
func (l *Loop) Add(fd int, read, write func() error) error {
	if fd >= len(l.watches) {
		l.watches = append(l.watches, make([]watch, fd+1)...) // twice as many
	}
	if l.watches[fd].read != nil {
		return fmt.Errorf("eventloop: descriptor %d is registered already", fd)
	}
	if err := l.set(fd, readable); err != nil {
		return err
	}
	l.watches[fd].read, l.watches[fd].write = read, write
	return nil
}

// Want says which handlers of fd are to be called from here on; both or none is
// possible. It costs a system call only if it changes something.
func (l *Loop) Want(fd int, read, write bool) error {
	if fd >= len(l.watches) || l.watches[fd].read == nil {
		return fmt.Errorf("eventloop: descriptor %d is not registered", fd)
	}
	var wanted interest
	if read {
		wanted |= readable
	}
	if write {
		wanted |= writable
	}
	if wanted == l.watches[fd].wanted {
		return nil
	}
	return l.set(fd, wanted)
}

func (l *Loop) set(fd int, wanted interest) error {
	err := l.poller.set(fd, l.watches[fd].wanted, wanted)
	if narrate.On {
		narrate.Call(setCall, l.poller.fd, 0, err, fmt.Sprintf("descriptor %d: read %t, write %t", fd, wanted&readable != 0, wanted&writable != 0))
	}
	if err != nil && err != unix.EINTR { // after which the change is made: kqueue(2)
		return os.NewSyscallError(setCall, err)
	}
	l.watches[fd].wanted = wanted
	return nil
}

// Remove forgets fd at once, and closes it at the end of the turn. If it were
// closed at once, a new connection could get its number while this turn still
// holds events of the old one. Remove also closes what Add would not take; like
// close(2), it is called once for each descriptor.
func (l *Loop) Remove(fd int) {
	if fd < len(l.watches) {
		l.watches[fd] = watch{}
	}
	l.removed = append(l.removed, fd)
}

// Run calls handlers until Stop is called, and returns nil, or until a handler
// or the poller fails, and returns that error. It may be called again.
func (l *Loop) Run() error {
	defer l.closeRemoved()
	for !l.stopping.Swap(false) {
		l.closeRemoved()
		n, err := l.poller.wait(l.untilNextTimer())
		narrate.Ready(waitCall, l.poller.fd, n, err)
		if err == unix.EINTR {
			n = 0 // a signal; the next wait is for the time that is left
		} else if err != nil {
			return os.NewSyscallError(waitCall, err)
		}
		for i := range n {
			if err := l.dispatch(l.poller.event(i)); err != nil {
				return err
			}
		}
		if len(l.timers) > 0 {
			l.runTimers()
		}
	}
	return nil
}

// dispatch calls the handlers of fd. Any handler can remove any descriptor or
// change what is wanted of it, so that is looked up before each call.
func (l *Loop) dispatch(fd int, ready interest) error {
	w := l.watches[fd]
	if ready&hangup != 0 {
		ready = w.wanted
	}
	if ready&w.wanted&writable != 0 {
		if err := w.write(); err != nil {
			return err
		}
		w = l.watches[fd]
	}
	if ready&w.wanted&readable != 0 {
		return w.read()
	}
	return nil
}

func (l *Loop) closeRemoved() {
	for _, fd := range l.removed {
		narrate.Call("close", fd, 0, unix.Close(fd), "")
	}
	l.removed = l.removed[:0]
}

// Stop makes Run return at the end of the turn that it is in; if Run is not
// running, the next one returns at once. Stop may be called from any goroutine,
// any number of times, also after Close.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopping.Swap(true) {
		unix.Write(l.wakeUp[1], []byte{0})
	}
}

// awake empties the pipe. The byte in it has done its work already.
func (l *Loop) awake() error {
	var b [64]byte
	unix.Read(l.wakeUp[0], b[:])
	return nil
}

// Close frees the loop's own descriptors and those that were removed. What is
// still registered stays open: it is the caller's. Run must not be running.
func (l *Loop) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeRemoved()
	for _, fd := range []*int{&l.wakeUp[0], &l.wakeUp[1], &l.poller.fd} {
		unix.Close(*fd)
		*fd = -1 // for a Stop or a Close that comes later: no descriptor at all
	}
}
