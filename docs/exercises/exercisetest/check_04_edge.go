package exercisetest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
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
			Cause:   "read once per event: a descriptor that stays ready does not become ready, so there is no other event; read until EAGAIN"},
		{Name: "room-again", Run: on(edgeRoomAgain, "-v=json"),
			Promise: "what did not fit in the socket is sent when there is room, even if no more input comes",
			Cause:   "a short write without an attempt until EAGAIN, or the event for writing is not used"},
		{Name: "registered-once", Run: on(edgeRegisteredOnce, "-v=json"),
			Promise: "a client is registered when it comes, for both, and no system call changes that until it leaves",
			Cause:   "interest is switched on and off, as level-triggered events need it"},
		{Name: "many-waiting", Run: on(edgeDoor),
			Promise: "all clients that wait to be accepted are, even if there are hundreds",
			Cause:   "accept stops before EAGAIN, and the listener is not reported again until somebody else comes"},
		// A client is registered for reading, then for both: narration-order expects
		// one call.
	}, without(echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}), "narration-order")...),
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
	story := s.story()
	var sent strings.Builder
	for owed := int64(0); owed == 0; {
		piece := fmt.Sprintf("%-4000d", sent.Len())
		if err := c.send(piece); err != nil {
			return err
		}
		sent.WriteString(piece)
		if owed, err = story.owed(c, int64(sent.Len())); err != nil {
			return after(err, fmt.Sprintf("%d bytes, in pieces of 4000", sent.Len()))
		}
		if sent.Len() > endless {
			return failf("64 MiB, of which nothing was read back, and no write fell short")
		}
	}
	return after(c.recv(sent.String()), fmt.Sprintf("%d bytes, until one write fell short, and nothing more", sent.Len()))
}

// owed waits until the server has read the bytes that c has sent and goes to sleep,
// and returns how many of them it has not written by then.
func (s *story) owed(c *client, sent int64) (int64, error) {
	_, err := s.until(func(call) bool {
		d := s.served(c)
		return s.asleep && d != nil && d.Read == sent
	})
	if err != nil {
		return 0, err
	}
	return sent - s.served(c).Written, nil
}

// edgeRegisteredOnce has a client talk, stop reading, and read on. All of that
// must be possible with the registration that it began with.
func edgeRegisteredOnce(s *server) error {
	c, err := s.dialWindow(16 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	story := s.story()
	if err := c.exchange("hello", "hello"); err != nil {
		return err
	}
	if _, err := story.owed(c, 5); err != nil {
		return err
	}
	if w := story.served(c).Want; !w.Read || !w.Write {
		return failf("the client is registered for reading: %v, for writing: %v", w.Read, w.Write)
	}
	sent, err := c.overfeed([]byte(strings.Repeat("x", 64<<10)), endless)
	if err != nil {
		return err
	}
	stuck := func(d *descriptor) bool { return d.Read > d.Written }
	if err := story.unchanged(c, stuck); err != nil {
		return after(err, fmt.Sprintf("%d bytes, none of which the client reads", sent))
	}
	if err := c.recv(strings.Repeat("x", int(sent))); err != nil {
		return err
	}
	if err := c.exchange("goodbye", "goodbye"); err != nil {
		return err
	}
	all := func(d *descriptor) bool { return d.Written == sent+12 }
	return after(story.unchanged(c, all), fmt.Sprintf("%d bytes, which the client reads late", sent))
}

// unchanged wants no call to change what is wanted of c before the server sleeps
// and done is true.
func (s *story) unchanged(c *client, done func(*descriptor) bool) error {
	changed := false
	_, err := s.until(func(call call) bool {
		d := s.served(c)
		changed = call.FD == d.FD || !d.Want.Read || !d.Want.Write
		return changed || s.asleep && done(d)
	})
	if err == nil && changed {
		w := s.served(c).Want
		err = &echotest.Failure{Want: "no call to epoll_ctl or kevent for the client",
			Got: fmt.Sprintf("one, and then reading is wanted: %v, writing: %v", w.Read, w.Write)}
	}
	return err
}

// edgeDoor connects more clients than are let in at a time while the server is
// suspended, so that it hears of all of them at once.
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
