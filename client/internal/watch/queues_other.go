//go:build !linux

package watch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// ownersListed: netstat does not say which process has a socket.
const ownersListed = false

// table runs netstat(1). (Never run for this course: it was written from the manual
// pages.)
func table(addr netip.AddrPort) ([]row, error) {
	out, err := exec.Command("netstat", "-an", "-p", "tcp").Output()
	if err != nil {
		return nil, fmt.Errorf("not available here: netstat: %w", err)
	}
	return netstat(bufio.NewScanner(bytes.NewReader(out)), int(addr.Port()))
}

// fionread is FIONREAD of sys/filio.h, the same on macOS and the BSDs.
const fionread = 0x4004667f

// ownQueues leaves the send queue to netstat.
func ownQueues(fd int) (unsent, unread int64) {
	n, err := unix.IoctlGetInt(fd, fionread)
	if err != nil {
		return -1, -1
	}
	return -1, int64(n)
}

// asleep: only Linux shows the calls that threads sleep in.
func asleep(pid int) ([]string, error) {
	return nil, errors.New("not available here: only Linux has /proc/PID/task/*/syscall")
}

// frozen reports whether a process is stopped.
func frozen(p *proc.Process) bool {
	state, err := p.RunState()
	return err != nil || strings.HasPrefix(state, "T")
}

// opened: only Linux lists the descriptors of a process by name.
func opened(pid int) (map[int]string, error) {
	return nil, errors.New("not available here: only Linux has /proc/PID/fd")
}

// roomy: only Linux lets a program set a pipe's size.
func roomy(*os.File) {}
