//go:build !linux

package watch

import (
	"errors"
	"net/netip"
	"os"
)

func table(netip.AddrPort) ([]row, error) {
	return nil, errors.New("not available here: the queues of a connection are read from /proc/net/tcp, on Linux")
}

func ownQueues(fd int) (unsent, unread int64) { return -1, -1 }

// asleep: only Linux shows the calls that threads sleep in.
func asleep(pid int) ([]string, error) {
	return nil, errors.New("not available here: /proc/PID/task/*/syscall is Linux's")
}

// opened: only Linux lists the descriptors of a process by name.
func opened(pid int) (map[int]string, error) {
	return nil, errors.New("not available here: /proc/PID/fd is Linux's")
}

// roomy: only Linux lets a program choose how much a pipe holds.
func roomy(*os.File) {}
