//go:build linux

package eventloop

import (
	"time"

	"golang.org/x/sys/unix"
)

const newCall, setCall, waitCall = "epoll_create1", "epoll_ctl", "epoll_wait"

// A poller is an epoll instance, see epoll(7): one registration for each
// descriptor, with all that is wanted of it.
type poller struct {
	fd     int
	events [256]unix.EpollEvent // what does not fit is reported next time
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

// set takes a descriptor of which nothing is wanted out of the instance, since
// EPOLLERR and EPOLLHUP would be reported of it without end.
func (p *poller) set(fd int, old, new interest) error {
	event := unix.EpollEvent{Fd: int32(fd)}
	if new&readable != 0 {
		event.Events |= unix.EPOLLIN
	}
	if new&writable != 0 {
		event.Events |= unix.EPOLLOUT
	}
	op := unix.EPOLL_CTL_MOD
	if old == 0 {
		op = unix.EPOLL_CTL_ADD
	} else if new == 0 {
		op = unix.EPOLL_CTL_DEL
	}
	return unix.EpollCtl(p.fd, op, fd, &event)
}

func (p *poller) wait(d time.Duration) (int, error) {
	ms := -1
	if d >= 0 {
		// Rounded up: a wait that is too short would become a spin.
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	return unix.EpollWait(p.fd, p.events[:], ms)
}

func (p *poller) event(i int) (fd int, ready interest) {
	e := &p.events[i]
	if e.Events&unix.EPOLLIN != 0 {
		ready |= readable
	}
	if e.Events&unix.EPOLLOUT != 0 {
		ready |= writable
	}
	if e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		ready |= hangup
	}
	return int(e.Fd), ready
}
