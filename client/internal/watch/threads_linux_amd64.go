package watch

import "golang.org/x/sys/unix"

// Calls that newer architectures lack.
func init() {
	sleeping[unix.SYS_POLL], sleeping[unix.SYS_EPOLL_WAIT], sleeping[unix.SYS_SELECT] = "poll", "epoll_wait", "select"
}
