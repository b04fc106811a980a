package exercisetest

import (
	"fmt"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

var poll = Exercise{
	Name:    "03-poll",
	Rung:    "03-select",
	Changed: []string{"server.go"},
	Checks: append([]Check{
		{Name: "serves", Run: on(func(s *server) error { return threeAtOnce(s) }),
			Promise: "three clients at once are served",
			Cause:   "the answers of poll(2) are not looked at, or not those of all descriptors"},
		{Name: "says-poll", Run: on(saysPoll, "-v"),
			Promise: "with -v each poll(2) is a line such as: poll(3) = 1 ready",
			Cause:   "another call does the waiting, or narrate.Ready is not told"},
		{Name: "no-ceiling", Run: on(noCeiling),
			Promise: "a client whose descriptor is FD_SETSIZE or more is served like all others",
			Cause:   "clients are turned away for the number of their descriptor"},
	}, echoChecks(echotest.Promises{Concurrent: true, Sleeps: true})...),
}

func saysPoll(s *server) error {
	if err := threeAtOnce(s); err != nil {
		return err
	}
	isPoll := func(line string) bool {
		var asked, ready int
		n, _ := fmt.Sscanf(line, "poll(%d) = %d ready", &asked, &ready)
		return n == 2
	}
	if _, ok := s.stderr.wait(patience, isPoll); !ok {
		return failf("no line \"poll(N) = M ready\" on standard error, but:\n%s", s.stderr.excerpt())
	}
	return nil
}

// noCeiling wants an answer from the clients beyond FD_SETSIZE.
func noCeiling(s *server) error {
	const want = unix.FD_SETSIZE + 50
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && uint64(limit.Cur) < want+100 {
		return skipf("room for %d descriptors only (ulimit -n): %d clients need more", limit.Cur, want)
	}
	var all []*client
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for len(all) < want {
		c, err := s.dial()
		if err != nil {
			return err
		}
		all = append(all, c)
		if err := c.exchange("hello", "hello"); err != nil {
			return after(err, fmt.Sprintf("client %d at the same time", len(all)))
		}
	}
	return nil
}
