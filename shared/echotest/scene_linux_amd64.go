//go:build linux && amd64

package echotest

import "golang.org/x/sys/unix"

// Calls that newer architectures do not have.
func init() {
	shown[unix.SYS_POLL], shown[unix.SYS_EPOLL_WAIT], shown[unix.SYS_SELECT] = "poll", "epoll_wait", "select"
}
