package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// sleeping names the calls that a server may sleep in, as the narration does. The Go
// runtime's own, above all futex(2), are left out.
var sleeping = map[int]string{unix.SYS_READ: "read", unix.SYS_WRITE: "write", unix.SYS_ACCEPT: "accept", unix.SYS_ACCEPT4: "accept",
	unix.SYS_PSELECT6: "select", unix.SYS_EPOLL_PWAIT: "epoll_wait", unix.SYS_PPOLL: "poll", unix.SYS_RECVFROM: "recv", unix.SYS_SENDTO: "send"}

// asleep lists the calls that threads of a process sleep in, such as "read(8)".
func asleep(pid int) (calls []string, err error) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, file := range files {
		text, bad := os.ReadFile(file)
		if bad != nil && !errors.Is(bad, fs.ErrNotExist) && !errors.Is(bad, unix.ESRCH) {
			err = bad
		}
		f := strings.Fields(string(text))
		if len(f) < 7 {
			continue // running
		}
		nr, _ := strconv.Atoi(f[0])
		first, _ := strconv.ParseUint(f[1], 0, 64)
		if name := sleeping[nr]; name != "" {
			calls = append(calls, fmt.Sprintf("%s(%d)", name, int32(first)))
		}
	}
	slices.Sort(calls)
	return slices.Compact(calls), err
}

// frozen reports whether every thread of a process has stopped. One that sleeps in
// read(2) may still take what arrives after another has stopped.
func frozen(p *proc.Process) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Pid))
	for _, file := range files {
		text, err := os.ReadFile(file)
		_, state, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
		if err == nil && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// opened lists the descriptors of a process that are not sockets.
func opened(pid int) (map[int]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	found := map[int]string{}
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		name, err := os.Readlink(dir + "/" + e.Name())
		if err == nil && !strings.HasPrefix(name, "socket:") {
			found[fd] = name
		}
	}
	return found, err
}
