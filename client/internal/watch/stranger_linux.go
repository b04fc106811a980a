package watch

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// listens waits until p or a descendant has a socket that listens at addr, and returns
// that process. It does not connect: to the server, a probe would be a client.
func listens(ctx context.Context, p *proc.Process, addr string) (pid int, err error) {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	again := time.NewTicker(2 * beat) // there is no event for it
	defer again.Stop()
	for {
		rows, err := table(at)
		if err != nil {
			return 0, err
		}
		for _, r := range rows {
			if r.state == listening && r.local == int(at.Port()) {
				if pid := owner(p.Pid, r.inode); pid != 0 {
					return pid, nil
				}
			}
		}
		select {
		case <-again.C:
		case <-p.Done():
			return 0, fmt.Errorf("the server ended: %s", p.State())
		case <-ctx.Done():
			return 0, errors.New("nothing listens at " + addr + ": in the command, {addr} stands for the address, {host} and {port} for its parts")
		}
	}
}

// owner returns the process that has a socket: pid, one of its descendants, or 0.
func owner(pid int, inode string) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, file := range stats {
		text, _ := os.ReadFile(file)
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], child)
		}
	}
	for family := []int{pid}; len(family) > 0; family = append(family[1:], children[family[0]]...) {
		for _, name := range links(family[0]) {
			if name == "socket:["+inode+"]" {
				return family[0]
			}
		}
	}
	return 0
}

// links returns what the descriptors of a process refer to.
func links(pid int) map[int]string {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, _ := os.ReadDir(dir)
	found := map[int]string{}
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		found[fd], _ = os.Readlink(dir + e.Name())
	}
	return found
}

// glanceAt looks at a process.
func glanceAt(pid int, rows []row, port int) (g glance) {
	g.fds = map[int]*descriptor{}
	byInode := map[string]row{}
	for _, r := range rows {
		if r.local == port && r.inode != nobodys {
			byInode["socket:["+r.inode+"]"] = r
		}
	}
	names := links(pid)
	for fd, name := range names {
		if r, ok := byInode[name]; ok {
			g.fds[fd] = &descriptor{Port: r.peer}
			if r.state == listening {
				g.listener = fd
			}
		}
	}
	for fd, name := range names {
		if name == "anon_inode:[eventpoll]" {
			g.registrations(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
		}
	}
	calls, _ := asleep(pid)
	for _, text := range calls {
		name, arg, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
		n, _ := strconv.Atoi(arg)
		g.asleep = append(g.asleep, call{Call: name, Arg: n})
	}
	return g
}

// registrations reads what an epoll instance watches: tfd: 7 events: 19 ...
func (g *glance) registrations(file string) {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "tfd:" {
			continue
		}
		fd, _ := strconv.Atoi(f[1])
		events, _ := strconv.ParseUint(f[3], 16, 32)
		if d := g.fds[fd]; d != nil {
			d.Wants = registration(events&unix.EPOLLIN != 0, events&unix.EPOLLOUT != 0)
		}
	}
}
