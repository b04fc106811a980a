package exercisetest

import (
	"fmt"
	"time"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var naps = Exercise{
	Name:     "02-naps",
	Rung:     "02-nonblocking",
	Promises: echotest.Promises{Concurrent: true},
	NotGraded: []string{
		"your predictions and measurements",
		"that it naps after every turn, and not only after idle ones",
	},
	Checks: append([]echotest.Check{
		{Name: "serves", Proof: on(napsServes),
			Promise: "three clients at once are served, nap or no nap",
			Cause:   "a descriptor blocks, or the server ends"},
		{Name: "saves-cpu", Alone: true, Proof: on(napsSaveCPU, "-nap", "50ms"),
			Promise: "with a nap of 50ms the server that has nothing to do sleeps most of the time",
			Cause:   "there is a way round the loop without a nap"},
		{Name: "no-nap-no-saving", Alone: true, Proof: on(napsZero, "-nap", "0s"),
			Promise: "-nap 0s is 02 again: it burns a CPU",
			Cause:   "the length of the nap is not that of the flag"},
		{Name: "costs-latency", Alone: true, Proof: on(napsCost, "-nap", "50ms"),
			Promise: "with a nap of 50ms round trips take that long, and not much longer",
			Cause:   "the length of the nap is not that of the flag, there is a nap for each client, or what comes ends the nap"},
	}, echoChecks(echotest.Promises{Concurrent: true}, "echo", "any-segmentation", "half-close", "half-close-queued",
		"many-clients", "reset", "reset-unread", "slow-reader", "flood-is-fair", "out-of-descriptors", "churn",
		"stop-idle", "stop-busy", "bad-flag", "port-taken", "help")...),
}

func napsServes(s *server) error { return threeAtOnce(s) }

// napsSaveCPU has three clients that say something once, and then nothing.
func napsSaveCPU(s *server) error {
	for range 3 {
		c, err := s.greets()
		if err != nil {
			return err
		}
		defer c.Close()
	}
	return s.rests("-nap 50ms, three idle clients")
}

// napsZero counts how often the server asks its one silent client: too often for naps
// of a millisecond. That holds even on a busy machine, where the server gets little of
// the CPU. Where calls are not counted, the share of the CPU has to do.
func napsZero(s *server) error {
	c, err := s.greets()
	if err != nil {
		return err
	}
	defer c.Close()
	const window, least = 200 * time.Millisecond, 400
	var turns int64
	for deadline := time.Now().Add(proc.Patience / 2); turns < least && time.Now().Before(deadline); {
		before, err := s.Reads()
		share, shareErr := s.Share(window)
		if _, skipped := echotest.Skipped(err); skipped && share > 0.5 {
			return shareErr
		}
		after, _ := s.Reads()
		turns = after - before
	}
	if turns < least {
		return &echotest.Failure{Sent: "-nap 0s, one idle client", Want: fmt.Sprintf("%d attempts or more to read in %v, once", least, window), Got: fmt.Sprintf("%d", turns)}
	}
	return nil
}

// napsCost makes ten round trips of a letter, among twenty idle clients. Each is
// answered at the end of a nap, and the next letter comes while the server sleeps
// again.
func napsCost(s *server) error {
	for range 20 {
		idle, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer idle.Close()
	}
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	start := time.Now()
	for range 10 {
		if err := c.Exchange("x", "x"); err != nil {
			return err
		}
	}
	took := time.Since(start)
	if took < 200*time.Millisecond || took > 4*time.Second {
		return &echotest.Failure{Sent: "-nap 50ms, ten round trips among 20 idle clients", Want: "0.2 s to 4 s: some 50 ms each", Got: took.String()}
	}
	return nil
}
