// Package eventloop calls a function when a descriptor is ready or a timer is
// due: with kqueue(2) on macOS and the BSDs, with epoll(7) on Linux.
//
// A descriptor is registered once. The cost of a turn of the loop depends on
// how many descriptors are ready, not on how many there are.
//
//	loop, err := eventloop.New() // and deal with err
//	loop.Add(fd, visit)         // call visit when there is something to read
//	loop.Want(fd, true, true)   // and, from here on, when there is room to write
//	loop.After(time.Second, func() { loop.Remove(fd) })
//	err = loop.Run()            // until Stop, or until a handler fails
//
// Each descriptor has one handler, called at most once in a turn, even if it is
// ready for both reading and writing: the handler decides which comes first.
//
// Events are edge-triggered: a handler is called when its descriptor becomes
// ready for something wanted, and not again as long as it stays ready. So it has
// to read or write until EAGAIN, or come back on its own; what it leaves behind
// may never be reported. But what is of no use may be wanted: it costs nothing.
// What becomes wanted is reported if the descriptor is ready for it already.
//
// The kernel's flags for errors and hang-ups are hints. They call the handler,
// and what read(2) or write(2) then returns is what counts. (A kqueue sets
// EV_EOF while there is still data to read.)
//
// A Loop and its timers belong to one goroutine, the one that calls Run; the
// handlers run on it too. Only Stop may be called from others.
package eventloop

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// An interest is what a descriptor is watched for, or is reported ready for.
type interest uint32

// There is one file for epoll and one for kqueue. Each defines
//
//	newPoller() (*poller, error)
//	set(fd int, old, new interest) error     // change what is wanted of fd
//	wait(d time.Duration) (n int, err error) // sleep until there are events; d < 0: no limit
//	event(i int) (fd int, ready interest)    // one of these n events
//	readable, writable, hangup               // interests; hangup is only reported
//	newCall, setCall, waitCall               // names of the system calls

// A watch is a descriptor's registration; without one it is zero.
type watch struct {
	ready  func() error
	wanted interest
	turn   uint32 // in which ready was last called
}

// A Loop waits for descriptors and timers. Make one with New.
type Loop struct {
	poller   *poller
	watches  []watch  // by descriptor
	turn     uint32   // counts the turns
	removed  []int    // descriptors to close at the end of the turn
	timers   []*Timer // the next one due comes first
	stopping atomic.Bool

	mu     sync.Mutex // Stop against Close
	wakeUp [2]int     // a pipe: a byte in it ends the wait
}

// New returns an empty loop. An error, most likely EMFILE, is that of kqueue(2),
// epoll_create1(2), pipe(2) or, from Add, of kevent(2) or epoll_ctl(2).
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
	if err := l.Add(l.wakeUp[0], l.emptyPipe); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Add registers fd, which must not block, and from here on calls ready when
// there is something to read. An error that ready returns ends Run, so a handler
// must deal with the errors of its own descriptor itself.
//
// Add returns an error if fd is negative, already registered or removed in this
// turn, if ready is nil, or if kevent(2) or epoll_ctl(2) fails: on Linux with
// EPERM for a regular file, which is always ready.
func (l *Loop) Add(fd int, ready func() error) error {
	if fd < 0 || ready == nil || l.registered(fd) || slices.Contains(l.removed, fd) {
		return fmt.Errorf("eventloop: Add: descriptor %d: negative, in use or no handler", fd)
	}
	if err := l.set(fd, 0, readable); err != nil {
		return err
	}
	if fd >= len(l.watches) {
		l.watches = append(l.watches, make([]watch, fd+1)...) // more than double it
	}
	l.watches[fd] = watch{ready: ready, wanted: readable}
	return nil
}

// Want sets what fd is watched for from here on: reading, writing, both or
// nothing. It makes a system call only if that is a change. It returns an error
// if fd is not registered, or if kevent(2) or epoll_ctl(2) fails.
func (l *Loop) Want(fd int, read, write bool) error {
	if !l.registered(fd) {
		return fmt.Errorf("eventloop: Want: descriptor %d is not registered", fd)
	}
	var wanted interest
	if read {
		wanted |= readable
	}
	if write {
		wanted |= writable
	}
	w := &l.watches[fd]
	if wanted == w.wanted {
		return nil
	}
	if err := l.set(fd, w.wanted, wanted); err != nil {
		return err
	}
	w.wanted = wanted
	return nil
}

// Remove closes fd at the end of the turn, whether it is registered or not, and
// never calls its handler again. (If it were closed at once, a new connection
// could get its number while this turn still holds events of the old one.) It
// returns an error, and closes nothing, if fd is negative or already removed this turn.
func (l *Loop) Remove(fd int) error {
	if fd < 0 || slices.Contains(l.removed, fd) {
		return fmt.Errorf("eventloop: Remove: descriptor %d: negative or already removed", fd)
	}
	if l.registered(fd) {
		l.watches[fd] = watch{}
	}
	l.removed = append(l.removed, fd)
	narrate.Closing(fd)
	return nil
}

func (l *Loop) registered(fd int) bool {
	return 0 <= fd && fd < len(l.watches) && l.watches[fd].ready != nil
}

func (l *Loop) set(fd int, old, new interest) error {
	err := l.poller.set(fd, old, new)
	narrate.Registration(setCall, l.poller.fd, fd, new&readable != 0, new&writable != 0, err)
	if err == unix.EINTR {
		return nil // the change has been made: kqueue(2)
	}
	return os.NewSyscallError(setCall, err)
}

// Run calls handlers until Stop is called, and returns nil, or until a handler
// or the poller fails, and returns that error. It may be called again.
func (l *Loop) Run() error {
	defer l.closeRemoved()
	for !l.stopping.Swap(false) {
		l.closeRemoved()
		n, err := l.wait()
		if err != nil && err != unix.EINTR { // after a signal, wait for the time that is left
			return os.NewSyscallError(waitCall, err)
		}
		l.turn++
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

func (l *Loop) wait() (n int, err error) {
	d := l.untilNextTimer()
	if !narrate.On {
		return l.poller.wait(d)
	}
	call := narrate.Wait(narrate.Call{Name: waitCall, Arg: l.poller.fd, Timeout: d})
	n, err = l.poller.wait(d)
	for i := range n {
		fd, ready := l.poller.event(i)
		call.Ready.Add(fd, ready&(readable|hangup) != 0, ready&writable != 0)
	}
	call.Return(n, err)
	return n, err
}

// dispatch calls the handler of fd, unless that is no longer wanted: a handler
// that ran before may have removed fd or changed what is wanted of it. A kqueue
// reports reading and writing as two events; the second finds the turn done.
func (l *Loop) dispatch(fd int, ready interest) error {
	w := &l.watches[fd]
	if w.ready == nil && !slices.Contains(l.removed, fd) { // close(2) has failed
		l.set(fd, ready, 0)
	}
	if ready&hangup != 0 {
		ready = w.wanted
	}
	if ready&w.wanted == 0 || w.turn == l.turn {
		return nil
	}
	w.turn = l.turn
	return w.ready()
}

func (l *Loop) closeRemoved() {
	for _, fd := range l.removed {
		narrate.Done(narrate.Call{Name: "close", Arg: fd, Err: unix.Close(fd)})
	}
	l.removed = l.removed[:0]
}

// Stop makes Run return at the end of the current turn, or the next Run at once.
// It may be called from any goroutine, any number of times, also after Close.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopping.Swap(true) {
		unix.Write(l.wakeUp[1], []byte{0})
	}
}

// emptyPipe empties the pipe, whose work is done once the loop is awake.
func (l *Loop) emptyPipe() error {
	unix.Read(l.wakeUp[0], make([]byte, 64))
	return nil
}

// Close closes the loop's own descriptors and those that were removed. What is
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
