//go:build linux

package eventloop

import (
	"time"

	"golang.org/x/sys/unix"
)

const newCall, setCall, waitCall = "epoll_create1", "epoll_ctl", "epoll_wait"

const (
	readable interest = unix.EPOLLIN
	writable interest = unix.EPOLLOUT
	hangup   interest = unix.EPOLLERR | unix.EPOLLHUP
)

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

// set removes a descriptor from the instance when nothing is wanted of it, since
// EPOLLERR and EPOLLHUP would be reported for it without end.
func (p *poller) set(fd int, old, new interest) error {
	op := unix.EPOLL_CTL_MOD
	if old == 0 {
		op = unix.EPOLL_CTL_ADD
	} else if new == 0 {
		op = unix.EPOLL_CTL_DEL
	}
	return unix.EpollCtl(p.fd, op, fd, &unix.EpollEvent{Events: uint32(new), Fd: int32(fd)})
}

func (p *poller) wait(d time.Duration) (int, error) {
	ms := -1
	if d >= 0 { // rounded up: a wait that is too short would become a spin
		ms = int((d + time.Millisecond - 1) / time.Millisecond)
	}
	return unix.EpollWait(p.fd, p.events[:], ms)
}

func (p *poller) event(i int) (fd int, ready interest) {
	return int(p.events[i].Fd), interest(p.events[i].Events)
}
