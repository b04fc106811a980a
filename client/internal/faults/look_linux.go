package faults

import (
	"bytes"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What can be seen of a server in proc(5).

// process gives the process of a thread; if it is gone, the thread itself.
func process(thread string) string {
	text, _ := os.ReadFile("/proc/" + thread + "/status")
	for line := range strings.Lines(string(text)) {
		if pid, found := strings.CutPrefix(line, "Tgid:"); found {
			return strings.TrimSpace(pid)
		}
	}
	return thread
}

// A stat is what proc(5) says about a process in one line.
type stat struct {
	pid, parent, group int
	state              string
	flags              uint
}

func statOf(pid int) (s stat, ok bool) {
	s, ok = statAt(fmt.Sprintf("/proc/%d", pid))
	s.pid = pid
	return s, ok
}

// statAt reads that of a process or a thread.
func statAt(folder string) (s stat, ok bool) {
	text, _ := os.ReadFile(folder + "/stat")
	i := bytes.LastIndex(text, []byte(") ")) // the name before it may hold anything
	if i < 0 {
		return s, false
	}
	var session, terminal, foreground int
	_, err := fmt.Sscan(string(text[i+2:]), &s.state, &s.parent, &s.group, &session, &terminal, &foreground, &s.flags)
	return s, err == nil
}

// family returns the processes of a process group and all their descendants, except
// those that have ended and wait to be reaped.
func family(group int) (pids []int) {
	var all []stat
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if s, ok := statOf(pid); ok && s.state != "Z" && s.state != "X" {
			all = append(all, s)
		}
	}
	for grown := true; grown; {
		grown = false
		for _, s := range all {
			if (s.group == group || slices.Contains(pids, s.parent)) && !slices.Contains(pids, s.pid) {
				pids, grown = append(pids, s.pid), true
			}
		}
	}
	return pids
}

// stopped reports whether all of them are, or are gone.
func stopped(pids []int) bool {
	return !slices.ContainsFunc(pids, func(pid int) bool {
		s, ok := statOf(pid)
		return ok && !strings.ContainsAny(s.state, "TZX")
	})
}

// threads lists those of a process, unless it has ended.
func threads(pid int) (list []string) {
	if s, ok := statOf(pid); !ok || s.state == "Z" {
		return nil
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		list = append(list, filepath.Base(task))
	}
	return list
}

// allTraced reports whether every thread of these processes has a tracer.
func allTraced(pids []int) bool {
	for _, pid := range pids {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			if bytes.Contains(text, []byte("\nTracerPid:\t0\n")) {
				return false
			}
		}
	}
	return true
}

// A socket is one of the server's, as the kernel lists it.
type socket struct {
	local, remote int // ports
	listens       bool
	path          string // "socket:[123]"
}

// sockets lists the TCP sockets of the network that pid is in.
func sockets(pid int) (list []socket) {
	for _, table := range []string{"tcp", "tcp6"} {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[0] == "sl" || f[9] == "0" { // 0: not accepted yet, or closed
				continue
			}
			const listen = "0A"
			list = append(list, socket{port(f[1]), port(f[2]), f[3] == listen, "socket:[" + f[9] + "]"})
		}
	}
	return list
}

// port reads the end of 0100007F:270F.
func port(addr string) int {
	_, digits, _ := strings.Cut(addr, ":")
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != 2 {
		return 0
	}
	return int(b[0])<<8 | int(b[1])
}

// A descriptor is one of a process.
type descriptor struct {
	pid, fd int
	path    string
}

func descriptorsOf(pids []int) (list []descriptor) {
	for _, pid := range pids {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, link := range links {
			path, err := os.Readlink(link)
			fd, _ := strconv.Atoi(filepath.Base(link))
			if err == nil {
				list = append(list, descriptor{pid, fd, path})
			}
		}
	}
	return list
}

// info gives the lines of a descriptor's entry in proc(5) that begin with key.
func (d descriptor) info(key string) (values []string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", d.pid, d.fd))
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, key+":"); found {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// nonblocking reports whether the descriptor has O_NONBLOCK.
func (d descriptor) nonblocking() bool {
	const nonblock = 0o4000
	for _, flags := range d.info("flags") {
		n, _ := strconv.ParseInt(flags, 8, 64)
		return n&nonblock != 0
	}
	return false
}

const epollPath = "anon_inode:[eventpoll]"

// watches reports whether d is an epoll instance on which one of others is
// registered.
func (d descriptor) watches(others []descriptor) bool {
	if d.path != epollPath {
		return false
	}
	for _, target := range d.info("tfd") {
		fd, _, _ := strings.Cut(target, " ")
		if slices.ContainsFunc(others, func(o descriptor) bool { return o.pid == d.pid && strconv.Itoa(o.fd) == fd }) {
			return true
		}
	}
	return false
}

// A runtime makes some system calls of its own, and ends the program when they
// fail: the program is never told.
type runtime struct {
	name  string
	calls []string
}

// runtimeOf names the runtime of a process that does. The Go runtime waits with
// epoll_pwait(2) on an instance of its own as soon as there is a timer, and with
// package net the clients are on it too; after anything but EINTR it throws
// (runtime/netpoll_epoll.go). A program that waits on another instance, with the
// same call, cannot be told from it: strace selects objects by what they are, and
// both are "anon_inode:[eventpoll]". libuv aborts after epoll_wait and epoll_ctl
// (src/unix/linux.c), and Erlang's virtual machine after both
// (erts/emulator/sys/common/erl_poll.c).
func runtimeOf(pid int) runtime {
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	switch filepath.Base(exe) {
	case "node":
		return runtime{"libuv", []string{"epoll_wait", "epoll_pwait", "epoll_ctl"}}
	case "beam.smp":
		return runtime{"the Erlang runtime", []string{"epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "ppoll"}}
	}
	if _, err := buildinfo.ReadFile(fmt.Sprintf("/proc/%d/exe", pid)); err == nil {
		return runtime{"the Go runtime", []string{"epoll_pwait"}}
	}
	return runtime{}
}

// portOf gives the port of an address.
func portOf(addr string) int {
	_, p, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(p)
	return n
}
