package exercisetest

import (
	"fmt"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

var poll = Exercise{
	Name:     "03-poll",
	Rung:     "03-select",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	Checks: append([]echotest.Check{
		{Name: "serves", Proof: on(func(s *server) error { return threeAtOnce(s) }),
			Promise: "three clients at once are served",
			Cause:   "the answers of poll(2) are not looked at, or not those of all descriptors"},
		{Name: "says-poll", Proof: on(saysPoll, "-v=json"),
			Promise: "it waits in poll(2), and -v shows that",
			Cause:   "another call does the waiting, or one that is not narrated"},
		{Name: "no-ceiling", Proof: on(noCeiling),
			Promise: "a client whose descriptor is FD_SETSIZE or more is served like all others",
			Cause:   "clients are turned away for the number of their descriptor"},
		// Nothing is registered, and narration-order expects that where there is no
		// fd_set.
	}, without(echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}), "narration-order")...),
}

func saysPoll(s *server) error {
	if err := threeAtOnce(s); err != nil {
		return err
	}
	_, err := s.story().until(func(o *echotest.Object) bool {
		return o.Kind == "call" && o.Call == "poll" && o.Result != nil && *o.Result > 0
	})
	return err
}

// noCeiling wants an answer from the clients beyond FD_SETSIZE.
func noCeiling(s *server) error {
	const want = unix.FD_SETSIZE + 50
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && uint64(limit.Cur) < want+100 {
		return echotest.Skipf("room for %d descriptors only (ulimit -n): %d clients need more", limit.Cur, want)
	}
	var all []*echotest.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for len(all) < want {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		all = append(all, c)
		if err := c.Exchange("hello", "hello"); err != nil {
			return echotest.After(err, fmt.Sprintf("client %d at the same time", len(all)))
		}
	}
	return nil
}
