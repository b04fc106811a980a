//go:build linux

package echotest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// threadsOf reads what proc(5) shows of each thread. Where it does not show the call
// that a thread sleeps in, nothing can be judged.
func threadsOf(pid int) (list []Thread, err error) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, task := range tasks {
		status, err := os.ReadFile(task + "/status")
		call, callErr := os.ReadFile(task + "/syscall")
		if err := errors.Join(err, callErr); err != nil {
			if _, gone := os.Stat(task); gone != nil {
				continue // it has ended
			}
			return nil, Skipf("what threads do is not shown here: %v", err)
		}
		t := Thread{FD: -1}
		t.ID, _ = strconv.Atoi(filepath.Base(task))
		for line := range strings.Lines(string(status)) {
			if n, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				t.Slept, _ = strconv.Atoi(strings.TrimSpace(n))
			}
		}
		t.Runs = strings.HasPrefix(string(call), "running")
		t.sleepsIn(strings.Fields(string(call)))
		list = append(list, t)
	}
	return list, nil
}

// sleepsIn reads a call: its number and six arguments, if the thread sleeps in one.
func (t *Thread) sleepsIn(f []string) {
	if len(f) < 7 {
		return
	}
	var args [6]uint64
	for i := range args {
		args[i], _ = strconv.ParseUint(f[i+1], 0, 64)
	}
	nr, _ := strconv.Atoi(f[0])
	t.Call, t.FD = shown[nr], int(int32(args[0]))
	switch t.Call {
	case "":
		t.FD = -1
	case "select":
		t.Limited = args[4] != 0
	case "poll":
		t.FD, t.Limited = int(args[1]), timed(nr, args[2])
	case "epoll_wait":
		t.Limited = int32(args[3]) >= 0
	}
}

func readsOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "syscr:"); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, Skipf("calls are not counted here: %v", err)
}

// registrationsOf reads the lines of /proc/PID/fdinfo, see proc(5):
//
//	tfd:        7 events:       19 data:        7  pos:0 ino:1e sdev:d
func registrationsOf(pid int) (list []Registration, err error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		return nil, Skipf("the descriptors are not shown here: %v", err)
	}
	for _, d := range fds {
		name, _ := os.Readlink(dir + "fd/" + d.Name())
		if name != "anon_inode:[eventpoll]" {
			continue
		}
		info, err := os.ReadFile(dir + "fdinfo/" + d.Name())
		if err != nil {
			return nil, Skipf("the registrations are not shown here: %v", err)
		}
		poller, _ := strconv.Atoi(d.Name())
		list = append(list, registeredWith(dir, poller, string(info))...)
	}
	return list, nil
}

func registeredWith(dir string, poller int, info string) (list []Registration) {
	runtime := false
	for line := range strings.Lines(info) {
		r := Registration{Poller: poller}
		var events uint32
		var data, pos uint64
		if n, _ := fmt.Sscanf(line, "tfd: %d events: %x data: %x pos:%d ino:%x", &r.FD, &events, &data, &pos, &r.Inode); n < 2 {
			continue
		}
		r.Read, r.Write, r.Edge = events&unix.EPOLLIN != 0, events&unix.EPOLLOUT != 0, events&unix.EPOLLET != 0
		// The runtime wakes its own instance with an eventfd, see runtime/netpoll_epoll.go.
		name, _ := os.Readlink(fmt.Sprintf("%sfd/%d", dir, r.FD))
		runtime = runtime || name == "anon_inode:[eventfd]"
		list = append(list, r)
	}
	for i := range list {
		list[i].Runtime = runtime
	}
	return list
}

func inodeOf(pid, fd int) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(fmt.Sprintf("/proc/%d/fd/%d", pid, fd), &st)
	return st.Ino, err
}
