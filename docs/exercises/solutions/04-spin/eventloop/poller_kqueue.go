//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package eventloop

import (
	"time"

	"golang.org/x/sys/unix"
)

const newCall, setCall, waitCall = "kqueue", "kevent", "kevent"

// There is no hangup: EV_EOF is a flag on an event for one of the other two. The
// values are not the filters' own numbers, which are not bits.
const (
	readable interest = 1
	writable interest = 2
	hangup   interest = 0
)

// A poller is a kqueue, see kqueue(2): one registration, made with a filter,
// for each readiness that is wanted of a descriptor.
type poller struct {
	fd     int
	events [256]unix.Kevent_t // what does not fit is reported next time
}

func newPoller() (*poller, error) {
	fd, err := unix.Kqueue()
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return &poller{fd: fd}, err
}

// set adds and deletes the filters that differ between old and new. With no
// room given for events, an error of a change is that of the call.
func (p *poller) set(fd int, old, new interest) error {
	var changes [2]unix.Kevent_t
	n := 0
	change := func(bit interest, filter int) {
		flags := unix.EV_ADD
		if new&bit == 0 {
			flags = unix.EV_DELETE
		}
		if old&bit != new&bit {
			unix.SetKevent(&changes[n], fd, filter, flags) // the fields' types differ by system
			n++
		}
	}
	change(readable, unix.EVFILT_READ)
	change(writable, unix.EVFILT_WRITE)
	_, err := unix.Kevent(p.fd, changes[:n], nil, nil)
	return err
}

func (p *poller) wait(d time.Duration) (int, error) {
	if d < 0 {
		return unix.Kevent(p.fd, nil, p.events[:], nil)
	}
	timeout := unix.NsecToTimespec(d.Nanoseconds())
	return unix.Kevent(p.fd, nil, p.events[:], &timeout)
}

func (p *poller) event(i int) (fd int, ready interest) {
	e := &p.events[i]
	if e.Filter == unix.EVFILT_WRITE {
		return int(e.Ident), writable
	}
	return int(e.Ident), readable
}
