//go:build linux

package echotest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// shown are the calls that tell something, by their number. The first argument of
// each but select and poll is a descriptor.
var shown = map[int]string{
	unix.SYS_READ: "read", unix.SYS_RECVFROM: "read", unix.SYS_WRITE: "write", unix.SYS_SENDTO: "write",
	unix.SYS_ACCEPT: "accept", unix.SYS_ACCEPT4: "accept",
	unix.SYS_PSELECT6: "select", unix.SYS_PPOLL: "poll", unix.SYS_EPOLL_PWAIT: "epoll_wait",
}

// CanSee returns an error where nothing is seen of a server but its bytes.
func CanSee() error { return nil }

// look sees what a process does: proc(5). It is nil if the process is gone.
func look(pid int) *scene {
	dir := fmt.Sprintf("/proc/%d", pid)
	s := &scene{asked: map[int]interest{}}
	tasks, _ := filepath.Glob(dir + "/task/*")
	for _, task := range tasks {
		s.lookAt(dir, task)
	}
	s.lookAtSockets(dir)
	if len(tasks) == 0 || len(s.sockets) == 0 {
		return nil
	}
	return s
}

// optionOf is an option of another process's socket, where the kernel lets us have
// the descriptor: pidfd_getfd(2).
func optionOf(pid, fd, level, name int) (int, error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(process)
	theirs, err := unix.PidfdGetfd(process, fd, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(theirs)
	return unix.GetsockoptInt(theirs, level, name)
}

// lookAt sees what one thread does.
func (s *scene) lookAt(dir, task string) {
	stat, err := os.ReadFile(task + "/stat")
	if err != nil {
		return // it has ended
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return
	}
	s.runs = s.runs || f[0] != "S"
	for _, ticks := range f[11:13] {
		n, _ := strconv.Atoi(ticks)
		s.cpu += time.Duration(n) * 10 * time.Millisecond
	}
	status, _ := os.ReadFile(task + "/status")
	for line := range strings.Lines(string(status)) {
		if count, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(count))
			s.switches += n
		}
	}
	call, err := os.ReadFile(task + "/syscall")
	if err != nil {
		s.timed = true // nothing is known of it
		return
	}
	s.lookAtCall(dir, strings.Fields(string(call)))
}

// lookAtCall sees the call a thread sleeps in: its number, and six arguments.
func (s *scene) lookAtCall(dir string, f []string) {
	if len(f) < 7 {
		return // it runs
	}
	var args [6]uint64
	for i := range args {
		args[i], _ = strconv.ParseUint(f[i+1], 0, 64)
	}
	nr, _ := strconv.Atoi(f[0])
	name := shown[nr]
	switch name {
	case "":
		return
	case "select":
		s.waits, s.nfds, s.timed = true, int(args[0]), s.timed || args[4] != 0
		s.askedOfSelect(dir, args[1], args[2])
	case "poll":
		s.waits, s.timed = true, s.timed || timed(nr, args[2])
		s.askedOfPoll(dir, args[0], int(args[1]))
	case "epoll_wait":
		s.timed = s.timed || int32(args[3]) >= 0
	}
	b := blocked{name, int(int32(args[0]))}
	if !slices.Contains(s.calls, b) {
		s.calls = append(s.calls, b)
	}
}

// timed tells whether poll or ppoll has a limit: a number, or a pointer.
func timed(nr int, limit uint64) bool {
	if nr == unix.SYS_PPOLL {
		return limit != 0
	}
	return int32(limit) >= 0
}

// memoryOf reads the memory of a process.
func memoryOf(dir string, at uint64, n int) []byte {
	f, err := os.Open(dir + "/mem")
	if err != nil || at == 0 {
		return make([]byte, n)
	}
	defer f.Close()
	p := make([]byte, n)
	f.ReadAt(p, int64(at))
	return p
}

// askedOfSelect reads the two sets, while they hold the question.
func (s *scene) askedOfSelect(dir string, read, write uint64) {
	const size = unix.FD_SETSIZE / 8
	r, w := memoryOf(dir, read, size), memoryOf(dir, write, size)
	for fd := range unix.FD_SETSIZE {
		in, out := r[fd/8]>>(fd%8)&1 != 0, w[fd/8]>>(fd%8)&1 != 0
		if in || out {
			s.asked[fd] = interest{read: in, write: out}
		}
	}
}

// askedOfPoll reads the list of descriptors: struct pollfd.
func (s *scene) askedOfPoll(dir string, list uint64, n int) {
	const size = 8
	p := memoryOf(dir, list, size*min(n, 1<<16))
	for ; len(p) >= size; p = p[size:] {
		events := binary.NativeEndian.Uint16(p[4:])
		fd := int(int32(binary.NativeEndian.Uint32(p)))
		s.asked[fd] = interest{read: events&unix.POLLIN != 0, write: events&unix.POLLOUT != 0}
	}
}

// lookAtSockets sees the descriptors that are sockets, and what was asked of epoll.
func (s *scene) lookAtSockets(dir string) {
	table := byInode(connections(dir))
	fds, _ := os.ReadDir(dir + "/fd")
	for _, d := range fds {
		fd, _ := strconv.Atoi(d.Name())
		name, _ := os.Readlink(dir + "/fd/" + d.Name())
		if name != "anon_inode:[eventpoll]" && !strings.HasPrefix(name, "socket:") {
			continue
		}
		info, _ := os.ReadFile(dir + "/fdinfo/" + d.Name())
		if !strings.HasPrefix(name, "socket:") {
			s.askedOfEpoll(string(info))
			continue
		}
		k, ok := table[strings.Trim(strings.TrimPrefix(name, "socket:"), "[]")]
		if !ok {
			k.state = stateGone
		}
		k.fd = fd
		for line := range strings.Lines(string(info)) {
			if flags, ok := strings.CutPrefix(line, "flags:"); ok {
				n, _ := strconv.ParseInt(strings.TrimSpace(flags), 8, 64)
				k.nonblock = n&unix.O_NONBLOCK != 0
			}
		}
		s.sockets = append(s.sockets, k)
	}
	// The Go runtime has an epoll instance too, with none of these in it.
	s.waits = s.waits || slices.ContainsFunc(s.sockets, func(k socketState) bool { return s.asked[k.fd] != interest{} })
	slices.SortFunc(s.sockets, func(a, b socketState) int { return a.fd - b.fd })
}

// askedOfEpoll reads the registrations of an epoll instance: tfd: 7 events: 19 ...
func (s *scene) askedOfEpoll(info string) {
	for line := range strings.Lines(info) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "tfd:" {
			continue
		}
		fd, _ := strconv.Atoi(f[1])
		events, _ := strconv.ParseUint(f[3], 16, 32)
		w := s.asked[fd]
		w.read, w.write = w.read || events&unix.EPOLLIN != 0, w.write || events&unix.EPOLLOUT != 0
		w.edge = w.edge || events&unix.EPOLLET != 0
		s.asked[fd] = w
	}
}

// A connection is a line of such a table.
type connection struct {
	socketState
	inode string
}

// connections reads the tables of TCP sockets, by their two ends, as they are there.
func connections(dir string) map[string]connection {
	table := map[string]connection{}
	for _, name := range []string{"/net/tcp", "/net/tcp6"} {
		f, err := os.Open(dir + name)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			f := strings.Fields(lines.Text())
			if len(f) < 10 {
				continue
			}
			k := connection{socketState{peer: f[2], state: f[3]}, f[9]}
			out, in, _ := strings.Cut(f[4], ":")
			k.unsent, _ = strconv.ParseInt(out, 16, 64)
			k.unread, _ = strconv.ParseInt(in, 16, 64)
			table[f[1]+" "+f[2]] = k
		}
		f.Close()
	}
	return table
}

func byInode(table map[string]connection) map[string]socketState {
	inodes := make(map[string]socketState, len(table))
	for _, k := range table {
		inodes[k.inode] = k.socketState
	}
	return inodes
}
