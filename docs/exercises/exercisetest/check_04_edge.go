package exercisetest

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

var edge = Exercise{
	Name:    "04-edge",
	Rung:    "04-kqueue",
	Changed: []string{"conn.go", "server.go", "eventloop/loop.go", "eventloop/poller_epoll.go", "eventloop/poller_kqueue.go"},
	Checks: append([]Check{
		{Name: "burst", Run: on(edgeBurst),
			Promise: "a burst that arrives at once, and nothing after it, comes back whole",
			Cause:   "read once per event: what is left is ready already, it does not become ready, and nobody tells again; read until EAGAIN"},
		{Name: "room-again", Run: on(edgeRoomAgain, "-v"),
			Promise: "what did not fit in the socket is sent when there is room, although no more input comes",
			Cause:   "a short write without an attempt until EAGAIN, or the event for writing is not used"},
		{Name: "registered-once", Run: on(edgeRegisteredOnce, "-v"),
			Promise: "a client is registered when it comes, for both, and no system call changes that until it leaves",
			Cause:   "interest is switched on and off, as level-triggered events need it"},
		{Name: "many-at-the-door", Run: on(edgeDoor),
			Promise: "all who wait at the door are let in, also if there are hundreds",
			Cause:   "accept stops before EAGAIN, and the listener is not reported again until somebody else comes"},
	}, echoChecks(echotest.Promises{Concurrent: true, Sleeps: true})...),
}

// edgeBurst sends, in one write, what the server needs twelve reads for.
func edgeBurst(s *server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.exchange("hello", "hello"); err != nil {
		return err
	}
	burst := strings.Repeat("0123456789abcdef", 48<<10/16)
	err = c.exchange(burst, burst)
	return after(err, "a burst of 48 KiB, of which a read takes 4 KiB")
}

// edgeRoomAgain sends piece by piece, each when the last one was written, and stops
// as soon as a write falls short: no event for reading will help the server.
func edgeRoomAgain(s *server) error {
	c, err := s.dialWindow(16 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	var sent strings.Builder
	for i := 0; !s.stderr.has(shortWrite); i++ {
		name := fmt.Sprintf("piece %d ", i)
		piece := name + strings.Repeat("-", 4000-len(name))
		if err := c.send(piece); err != nil {
			return err
		}
		sent.WriteString(piece)
		written := func(line string) bool {
			return strings.HasPrefix(line, "write(") && strings.Contains(line, name) || shortWrite.MatchString(line)
		}
		if _, ok := s.stderr.wait(patience, written); !ok {
			return failf("no line of a write that begins with %q, but:\n%s", name, s.stderr.excerpt())
		}
		if sent.Len() > 64<<20 {
			return failf("64 MiB, of which nothing was read back, and no write fell short")
		}
	}
	return after(c.recv(sent.String()), fmt.Sprintf("%d bytes, until one write fell short, and nothing more", sent.Len()))
}

// shortWrite is the narration of a write of less than a piece of edgeRoomAgain.
var shortWrite = regexp.MustCompile(`^write\(\d+\) = (EAGAIN|[0-3]?\d?\d?\d) `)

// has tells whether a line was printed that matches.
func (l *lines) has(pattern *regexp.Regexp) bool {
	list, _, _ := l.look()
	return slices.ContainsFunc(list, pattern.MatchString)
}

// registration is how a change of what is wanted of a descriptor is narrated.
var registration = regexp.MustCompile(`descriptor \d+: read `)

// edgeRegisteredOnce has a client talk, stop reading, and read on. All of that
// must be possible with the registration that it began with.
func edgeRegisteredOnce(s *server) error {
	c, err := s.dialWindow(16 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	before, err := s.registrationsAfter(c, "hello")
	if err != nil {
		return err
	}
	if before < 2 {
		return failf("with -v no registration was told of, such as: epoll_ctl(4) = 0  descriptor 7: read true, write true, but:\n%s", s.stderr.excerpt())
	}
	sent, err := c.overfeed([]byte(strings.Repeat("x", 64<<10)), 64<<20)
	if err != nil {
		return err
	}
	if err := c.recv(strings.Repeat("x", int(sent))); err != nil {
		return err
	}
	afterwards, err := s.registrationsAfter(c, "goodbye")
	if n := afterwards - before; err == nil && n > 0 {
		err = &echotest.Failure{Sent: fmt.Sprintf("%d bytes, read only when no more were taken", sent), Want: "no call to epoll_ctl or kevent for it",
			Got: fmt.Sprintf("%d such calls", n)}
	}
	return err
}

// registrationsAfter has c say something, and counts the changes that were
// narrated up to its echo.
func (s *server) registrationsAfter(c *client, word string) (n int, err error) {
	if err := c.exchange(word, word); err != nil {
		return 0, err
	}
	echo := regexp.MustCompile(fmt.Sprintf(`^write\(\d+\) = %d  "%s"`, len(word), word))
	if _, ok := s.stderr.wait(patience, echo.MatchString); !ok {
		return 0, &echotest.Failure{Want: fmt.Sprintf("with -v, a line like: write(7) = %d  %q", len(word), word), Got: s.stderr.excerpt()}
	}
	list, _, _ := s.stderr.look()
	for _, line := range list {
		if registration.MatchString(line) {
			n++
		}
		if echo.MatchString(line) {
			break
		}
	}
	return n, nil
}

// edgeDoor connects more clients than are let in at a time while the server is
// suspended, so that it is told of all of them at once.
func edgeDoor(s *server) error {
	if err := s.suspend(); err != nil {
		return err
	}
	var all []*client
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range 300 {
		c, err := s.dial()
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	if err := s.cmd.Process.Signal(unix.SIGCONT); err != nil {
		return err
	}
	for i, c := range all {
		if err := c.exchange("hello", "hello"); err != nil {
			return after(err, fmt.Sprintf("300 clients connect while the server is suspended, and number %d speaks", i+1))
		}
	}
	return nil
}

// suspend stops the process (SIGSTOP), and waits until it has stopped.
func (r *process) suspend() error {
	if err := r.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-beat.C {
		state, err := r.runState()
		if err != nil {
			return err
		}
		if strings.HasPrefix(state, "T") {
			return nil
		}
	}
	return failf("the server does not stop at SIGSTOP")
}

// runState is the state of the process as ps(1) names it: T for a stopped one.
func (r *process) runState() (string, error) {
	pid := fmt.Sprint(r.cmd.Process.Pid)
	if runtime.GOOS != "linux" {
		out, err := exec.Command("ps", "-p", pid, "-o", "stat=").Output()
		return strings.TrimSpace(string(out)), err
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ") // behind the name
	return state, err
}
