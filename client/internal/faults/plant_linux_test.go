package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	shared "example/tcpladder/shared/socket"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
)

// plant is the environment variable that makes this binary a server with a mistake.
const plant = "FAULTS_PLANT"

func TestMain(m *testing.M) {
	if mistake := os.Getenv(plant); mistake != "" {
		(&planted{mistake: mistake}).run(os.Args[1])
	}
	os.Exit(m.Run())
}

// A planted server waits with poll(2) and makes at most one mistake.
type planted struct {
	mistake  string
	listener int
	clients  map[int][]byte // what is unsent
	paused   bool           // no accept until the wait is over
	deaf     bool           // and none after it
	skipped  map[int]bool   // clients that are not served any more
}

func (p *planted) run(addr string) {
	var err error
	if p.listener, err = shared.Listen(addr); err != nil {
		fatal(err)
	}
	unix.SetNonblock(p.listener, true)
	p.clients, p.skipped = map[int][]byte{}, map[int]bool{}
	fmt.Printf("listening on %v (pid %d)\n", shared.Addr(p.listener), os.Getpid())
	for {
		p.turn()
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func (p *planted) turn() {
	fds, timeout := []unix.PollFd{}, -1
	if !p.paused && !p.deaf {
		fds = append(fds, unix.PollFd{Fd: int32(p.listener), Events: unix.POLLIN})
	} else if p.paused {
		timeout = 100
		if p.mistake == "spins" {
			timeout = 0
		}
	}
	for fd, unsent := range p.clients {
		events := int16(unix.POLLIN)
		if len(unsent) > 0 {
			events = unix.POLLOUT
		}
		if !p.skipped[fd] {
			fds = append(fds, unix.PollFd{Fd: int32(fd), Events: events})
		}
	}
	n, err := unix.Poll(fds, timeout)
	if err == unix.EINTR {
		return
	}
	if err != nil {
		if p.mistake == "ends well" {
			os.Exit(0)
		}
		fatal(os.NewSyscallError("poll", err))
	}
	p.paused = p.paused && (n > 0 || p.mistake == "spins") // that one waits for a client to say something
	for _, fd := range fds {
		switch {
		case fd.Revents == 0:
		case int(fd.Fd) == p.listener:
			p.accept()
		default:
			p.visit(int(fd.Fd))
		}
	}
}

func (p *planted) accept() {
	fd, _, err := unix.Accept4(p.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch err {
	case nil:
		p.clients[fd] = nil
	case unix.EAGAIN, unix.EINTR:
	case unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EFAULT:
		fatal(os.NewSyscallError("accept", err))
	case unix.ECONNABORTED:
		if p.mistake == "exits" {
			fatal(os.NewSyscallError("accept", err))
		}
	default:
		p.paused, p.deaf = true, p.mistake == "deaf"
	}
}

func (p *planted) visit(fd int) {
	buf := p.clients[fd]
	if len(buf) == 0 {
		buf = make([]byte, 65536)
		n, err := unix.Read(fd, buf)
		if err == unix.EAGAIN || err == unix.EINTR && p.mistake != "drops" {
			return
		}
		if err != nil && err != unix.ECONNRESET {
			p.mistaken(fd)
		}
		if n <= 0 {
			p.drop(fd)
			return
		}
		buf = buf[:n]
	}
	n, err := unix.Write(fd, buf)
	if err != nil && err != unix.EAGAIN && err != unix.EINTR && p.mistake != "forgets" {
		p.drop(fd)
		return
	}
	p.clients[fd] = buf[max(n, 0):]
	if p.mistake == "forgets" {
		p.clients[fd] = nil
	}
}

// mistaken is what happens after an error of read.
func (p *planted) mistaken(fd int) {
	switch p.mistake {
	case "panics":
		panic("read")
	case "drops all":
		for fd := range p.clients {
			p.drop(fd)
		}
	case "skips":
		p.skipped[fd] = true
	}
}

func (p *planted) drop(fd int) {
	if _, found := p.clients[fd]; !found || p.skipped[fd] {
		return
	}
	delete(p.clients, fd)
	if err := unix.Close(fd); err != nil && p.mistake == "closes twice" {
		unix.Close(fd)
	}
}

// examinePlant examines a server with a mistake.
func examinePlant(t *testing.T, mistake, only string) (report string, count Count) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	subject := Subject{Name: mistake, Argv: []string{"env", plant + "=" + mistake, self, "{addr}"}}
	count, err = Examine(t.Context(), subject, regexp.MustCompile(only), false, &out)
	if errors.Is(err, errPtrace) || errors.Is(err, errNoStrace) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), count
}

// Each mistake gets the cross that says what it is. Where something that never
// comes is waited for, it takes the time limit.
func TestMistakes(t *testing.T) {
	for _, m := range []struct {
		mistake, fault, came, cause string
		long                        bool
	}{
		{"exits", "accept/ECONNABORTED", "the server ended: exit status 1 (client ", "Most concern one client", false},
		{"spins", "accept/EMFILE", "it wants a CPU", "accept is tried again at once, or a wait has a time limit of 0", false},
		{"closes twice", "close/EIO", ") = -1 EIO (Input/output error), and then close(", "the second call closes another client's", false},
		{"drops", "read/EINTR", "client 1, whose call failed: ", "EINTR or EAGAIN taken for an error", false},
		{"forgets", "write/ENOBUFS", "not those that were sent", "a failed write is taken for a successful one", false},
		{"drops all", "read/EIO", "client 3: ", "drops them all", false},
		{"panics", "read/EIO", "exit status 2", "close that client, serve the others", false},
		{"ends well", "poll/EINVAL", "exit status 0, with 0 lines", "an end that looks like success", false},
		{"skips", "read/EIO", ", then nothing", "without closing its descriptor", true},
		{"deaf", "accept/EMFILE", ", then nothing", "is not asked again", true},
	} {
		t.Run(m.mistake, func(t *testing.T) {
			if m.long && !echotest.LongRun() {
				t.Skip("takes a time limit: set TCPLADDER_LONG=1")
			}
			t.Parallel()
			began := time.Now()
			report, count := examinePlant(t, m.mistake, "^"+m.fault+"$")
			t.Logf("%v\n%s", time.Since(began), report)
			if count.Failed != 1 {
				t.Error("no cross")
			}
			quoted := regexp.MustCompile(`\) = -?\d|^ +server {4}`) // a call as strace prints it, a log
			for line := range strings.Lines(report) {
				if n := cli.Columns(strings.TrimRight(line, "\n")); n > cli.Width && !quoted.MatchString(line) {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			for _, want := range []string{"✗ " + m.fault, m.came, m.cause, "sent ", "expected ", "read "} {
				if !strings.Contains(strings.Join(strings.Fields(report), " "), strings.TrimSpace(want)) {
					t.Errorf("no %q in it", want)
				}
			}
		})
	}
}

// A server without a mistake gets ticks.
func TestNoMistake(t *testing.T) {
	t.Parallel()
	report, count := examinePlant(t, "none", "^(accept/(EMFILE|EBADF)|read/(EINTR|EIO)|write/(EAGAIN|EPIPE)|poll/(EINTR|ENOMEM)|close/EIO)$")
	if count != (Count{Passed: 9}) {
		t.Errorf("%+v\n%s", count, report)
	}
	for _, want := range []string{"✓ EMFILE", "✓ EBADF (ended)", "✓ ENOMEM (ended)"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}

func TestLastWords(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		"Traceback (most recent call last):\n  File \"s.py\"\nOSError: [Errno 24] Too many open files\n":          "OSError: [Errno 24] Too many open files",
		"log\npanic: read\n\ngoroutine 1 [running]:\nmain.main()":                                                 "panic: read",
		"Exception in thread \"main\" java.net.SocketException: Too many open files\n\tat Echo.main(Echo.java:5)": "Exception in thread \"main\" java.net.SocketException: Too many open files",
		"accept: bad file descriptor": "accept: bad file descriptor",
	} {
		if got := lastWords(strings.Split(text, "\n")); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
