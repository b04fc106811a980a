package docs

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tableRow finds the line of a table whose first cell is what, and returns its
// second and third cell without decoration.
func tableRow(t *testing.T, text, what string) (second, third string) {
	t.Helper()
	row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(what) + ` \| (.*?) ?\| (.*?) ?\|$`).FindStringSubmatch(text)
	if row == nil {
		t.Fatalf("kqueue-and-epoll.md: no line %q", what)
	}
	plain := strings.NewReplacer("`", "", "nothing", "")
	return plain.Replace(row[1]), plain.Replace(row[2])
}

// tcpPair returns the two ends of a connection.
func tcpPair(t *testing.T) (peer, fd int) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(err)
	defer unix.Close(listener)
	must(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(unix.Listen(listener, 1))
	name, err := unix.Getsockname(listener)
	must(err)
	peer, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(err)
	must(unix.Connect(peer, name))
	fd, _, err = unix.Accept(listener)
	must(err)
	t.Cleanup(func() {
		unix.Close(fd)
		unix.Close(peer)
	})
	return peer, fd
}

// arrived waits until what the peer did is known here: the socket can be read,
// if only to its end or its error.
func arrived(fd int) {
	unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
}

// watched returns an epoll instance with fd in it.
func watched(t *testing.T, fd int, events uint32) (ep int) {
	t.Helper()
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		t.Cleanup(func() { unix.Close(ep) })
		err = unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return ep
}

// reported returns what epoll_wait(2) says of the only descriptor, at once.
func reported(ep int) string {
	var events [1]unix.EpollEvent
	n, err := unix.EpollWait(ep, events[:], 0)
	if err != nil {
		return err.Error()
	}
	var words []string
	for _, bit := range []struct {
		mask uint32
		name string
	}{{unix.EPOLLIN, "IN"}, {unix.EPOLLOUT, "OUT"}, {unix.EPOLLERR, "ERR"}, {unix.EPOLLHUP, "HUP"}, {unix.EPOLLRDHUP, "RDHUP"}} {
		if n > 0 && events[0].Events&bit.mask != 0 {
			words = append(words, bit.name)
		}
	}
	return strings.Join(words, " ")
}

func send(fd int)   { unix.Write(fd, []byte("x")) }
func finish(fd int) { unix.Shutdown(fd, unix.SHUT_WR) }

// reset closes the socket with a reset, and keeps its number taken.
func reset(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	null, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
	if err == nil {
		unix.Dup3(null, fd, unix.O_CLOEXEC)
		unix.Close(null)
	}
}

// The table of what Linux reports at the end of a connection.
func TestEpollAtTheEnd(t *testing.T) {
	text := string(read(t, "docs/kqueue-and-epoll.md"))
	for what, do := range map[string]func(peer, fd int){
		"sent data":                                     func(peer, fd int) { send(peer) },
		"sent data, then `shutdown(SHUT_WR)`":           func(peer, fd int) { send(peer); finish(peer) },
		"`shutdown(SHUT_WR)`":                           func(peer, fd int) { finish(peer) },
		"the same, and we did so too":                   func(peer, fd int) { finish(peer); arrived(fd); finish(fd) },
		"reset the connection":                          func(peer, fd int) { reset(peer) },
		"the same, after read(2) has said `ECONNRESET`": func(peer, fd int) { reset(peer); arrived(fd); unix.Read(fd, make([]byte, 1)) },
	} {
		peer, fd := tcpPair(t)
		do(peer, fd)
		arrived(fd)
		wantIn, wantNothing := tableRow(t, text, what)
		wantIn, _, _ = strings.Cut(wantIn, " (")
		if got := reported(watched(t, fd, unix.EPOLLIN)); got != wantIn {
			t.Errorf("%s: asked for EPOLLIN, reported %q, the text says %q", what, got, wantIn)
		}
		if got := reported(watched(t, fd, 0)); got != wantNothing {
			t.Errorf("%s: asked for nothing, reported %q, the text says %q", what, got, wantNothing)
		}
	}
}

// The table of level and edge. Its lines are steps, one after the other.
func TestEpollLevelAndEdge(t *testing.T) {
	text := string(read(t, "docs/kqueue-and-epoll.md"))
	for column, flag := range []uint32{0, unix.EPOLLET} {
		peer, fd := tcpPair(t)
		events := unix.EPOLLIN | flag
		ep := watched(t, fd, events)
		for _, step := range []struct {
			what string
			do   func()
		}{
			{"first wait", func() { send(peer); send(peer); waitForBytes(fd, 2) }},
			{"one byte is read; wait", func() { unix.Read(fd, make([]byte, 1)) }},
			{"a third byte comes; wait", func() { send(peer); waitForBytes(fd, 2) }},
			{"wait again, without reading", func() {}},
			{"`EPOLL_CTL_MOD` with the same mask; wait", func() {
				unix.EpollCtl(ep, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
			}},
		} {
			step.do()
			level, edge := tableRow(t, text, step.what)
			if got, want := reported(ep), [...]string{level, edge}[column]; got != want {
				t.Errorf("%s, %s: reported %q, the text says %q", [...]string{"level", "edge"}[column], step.what, got, want)
			}
		}
	}
}

// waitForBytes waits until n bytes can be read.
func waitForBytes(fd, n int) {
	for range 1000 {
		if there, _, _ := unix.Recvfrom(fd, make([]byte, n), unix.MSG_PEEK|unix.MSG_DONTWAIT); there >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// What the table of closing says of a copy that is left.
func TestEpollRemembersCopies(t *testing.T) {
	peer, fd := tcpPair(t)
	copied, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	ep := watched(t, number, unix.EPOLLIN)
	unix.Close(number)
	send(peer)
	arrived(copied)
	if got := reported(ep); got != "IN" {
		t.Errorf("the descriptor is closed, a copy is left: reported %q, the text says that events still come", got)
	}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, number, nil); err != unix.EBADF {
		t.Errorf("EPOLL_CTL_DEL of the closed number: %v, the text says EBADF", err)
	}
	unix.Close(copied)
}

// What the section on writable says: a byte fits long before EPOLLOUT is reported.
func TestEpollReportsRoomLate(t *testing.T) {
	peer, fd := tcpPair(t)
	unix.SetNonblock(fd, true)
	fill := func(p []byte) {
		for wrote := 1; wrote > 0; {
			wrote, _ = unix.Write(fd, p)
		}
	}
	fill(make([]byte, 1<<16))
	time.Sleep(100 * time.Millisecond) // until the kernel has moved what it can
	fill(make([]byte, 1))
	ep := watched(t, fd, unix.EPOLLOUT)
	fits, read := 0, 0
	for buf := make([]byte, 4096); reported(ep) == ""; {
		n, err := unix.Read(peer, buf)
		if err != nil || n == 0 {
			t.Fatalf("after %d bytes: read = %d, %v; and still no EPOLLOUT", read, n, err)
		}
		read += n
		if n, _ := unix.Write(fd, buf[:1]); n == 1 && fits == 0 {
			fits = read
		}
	}
	t.Logf("a byte fits after the peer has read %d bytes, EPOLLOUT comes after %d", fits, read)
	if fits == 0 || fits >= read {
		t.Errorf("a byte fits after %d bytes (0: never), EPOLLOUT comes after %d: the text says later", fits, read)
	}
}
