package exercisetest

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var poll = Exercise{
	Name:     "03-poll",
	Rung:     "03-select",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	NotGraded: []string{
		"your predictions and measurements",
		"that an old answer is never taken for that of a new client",
	},
	Checks: append([]echotest.Check{
		{Name: "serves", Proof: on(func(s *server) error { return threeAtOnce(s) }),
			Promise: "three clients at once are served",
			Cause:   "the answers of poll(2) are not looked at, or not those of all descriptors"},
		{Name: "sleeps-in-poll", Proof: on(sleepsInPoll),
			Promise: "it sleeps in poll(2) without a time limit, and asks about the listener and every client",
			Cause:   "another call does the waiting, the timeout is not -1, or a client is not asked about"},
		{Name: "sends-the-rest", Proof: on(sendsTheRest),
			Promise: "what did not fit in the socket is sent when there is room again",
			Cause:   "POLLOUT is not asked for while bytes are unsent, or its answer is not looked at"},
		{Name: "no-ceiling", Proof: on(noCeiling),
			Promise: "a client whose descriptor is FD_SETSIZE or more is served like all others",
			Cause:   "clients are turned away for the number of their descriptor"},
		// Nothing is registered, and narration-order expects that where there is no
		// fd_set.
	}, without(echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}), "narration-order")...),
}

// sleepsInPoll looks for the thread that waits: a silent client wakes nobody.
func sleepsInPoll(s *server) error {
	const clients = 3
	for range clients {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Exchange("hello", "hello"); err != nil {
			return err
		}
	}
	var calls []string
	for deadline := time.Now().Add(proc.Patience / 5); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		list, err := s.Threads()
		if err != nil {
			return err
		}
		calls = nil
		for _, t := range list {
			if t.Call == "poll" && t.FD == clients+1 && !t.Limited {
				return nil
			}
			if t.Call != "" {
				calls = append(calls, fmt.Sprintf("%s(%d)", t.Call, t.FD))
			}
		}
	}
	got := "no thread sleeps in a call that waits"
	if calls != nil {
		got = "threads sleep in " + strings.Join(calls, ", ")
	}
	return &echotest.Failure{Sent: fmt.Sprintf("%d clients, all silent now", clients),
		Want: fmt.Sprintf("a thread asleep in poll(%d), without a limit", clients+1), Got: got}
}

// sendsTheRest sends until the server has no room left: then it holds bytes that it
// could not write, does not read, and only room for writing brings it on.
func sendsTheRest(s *server) error {
	c, err := s.Connect(16 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	block := strings.Repeat("0123456789abcdef", 64<<10/16)
	sent, err := c.Overfeed([]byte(block), endless)
	if err == nil && sent >= endless {
		err = takesAll()
	}
	if err != nil {
		return err
	}
	if err := c.Recv(strings.Repeat(block, int(sent)/len(block)+1)[:sent]); err != nil {
		return &echotest.Failure{Sent: fmt.Sprintf("%d bytes, until no more were taken, and nothing after them", sent),
			Want: "all of them, as soon as the client reads", Got: firstDifference(err)}
	}
	return nil
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
