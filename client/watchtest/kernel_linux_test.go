package watchtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// expectRegistered compares what the page says of a client with the epoll instances of
// the server, in /proc/PID/fdinfo: tfd: 7 events: 19 ...
func (b *tab) expectRegistered(client string, read, write bool) {
	b.Helper()
	fd := ask[string](b, fmt.Sprintf("fdOf(end, end.clients.%s)", client))
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", ask[int](b, "end.server.pid")))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 4 || f[0] != "tfd:" || f[1] != fd {
				continue
			}
			events, _ := strconv.ParseUint(f[3], 16, 32)
			if (events&unix.EPOLLIN != 0) != read || (events&unix.EPOLLOUT != 0) != write {
				b.Errorf("the page says of %s: read %t, write %t; the kernel: %s", client, read, write, line)
			}
			return
		}
	}
	b.Errorf("no epoll instance of the server has descriptor %s, which is %s", fd, client)
}

// expectNobodyAsleep looks for a thread of the server that sleeps in a call on a socket.
func (b *tab) expectNobodyAsleep() {
	b.Helper()
	if asleep := ask[string](b, "end.inside?.call ?? ''"); asleep != "" {
		b.Errorf("the page says that it sleeps in %s", asleep)
	}
	pid := ask[int](b, "end.server.pid")
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Skip(err)
		}
		f := strings.Fields(string(text))
		if len(f) < 2 {
			continue // it runs
		}
		fd, _ := strconv.ParseUint(f[1], 0, 32)
		name, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
		for _, call := range []int{unix.SYS_READ, unix.SYS_WRITE, unix.SYS_ACCEPT4} {
			if f[0] == strconv.Itoa(call) && strings.HasPrefix(name, "socket:") {
				b.Errorf("a thread sleeps in a call on a socket: %s", text)
			}
		}
	}
}
