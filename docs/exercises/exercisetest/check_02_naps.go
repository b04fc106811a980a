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
	Checks: append([]echotest.Check{
		{Name: "serves", Proof: on(napsServes),
			Promise: "three clients at once are served, nap or no nap",
			Cause:   "a descriptor blocks, or the server ends"},
		{Name: "saves-cpu", Alone: true, Proof: napsSaveCPU,
			Promise: "with a nap of 10ms the server that has nothing to do needs a small part of a CPU",
			Cause:   "there is a way round the loop without a nap"},
		{Name: "no-nap-no-saving", Alone: true, Proof: on(napsZero, "-nap", "0s"),
			Promise: "-nap 0s is 02 again: it burns a CPU",
			Cause:   "the length of the nap is not that of the flag"},
		{Name: "costs-latency", Alone: true, Proof: on(napsCost, "-nap", "50ms"),
			Promise: "with a nap of 50ms round trips take that long, and not much longer",
			Cause:   "the length of the nap is not that of the flag, or there is a nap for each client"},
	}, echoChecks(echotest.Promises{Concurrent: true}, "echo", "any-segmentation", "half-close", "half-close-queued",
		"many-clients", "reset", "reset-unread", "slow-reader", "flood-is-fair", "out-of-descriptors", "churn",
		"stop-idle", "stop-busy", "bad-flag", "port-taken", "help")...),
}

func napsServes(s *server) error { return threeAtOnce(s) }

func napsSaveCPU(p *echotest.Target) error {
	if proc.RaceEnabled {
		return echotest.Skipf("CPU is not judged with the race detector")
	}
	share, err := idleShare(p, "-nap", "10ms")
	if err == nil && share > 0.25 {
		err = &echotest.Failure{Sent: "-nap 10ms, three idle clients", Want: "less than 25 % of a CPU", Got: fmt.Sprintf("%.0f %%", share*100)}
	}
	return err
}

// napsZero looks for one busy window: outside Linux, a server that has to wait for
// its CPU does not look busy.
func napsZero(s *server) error {
	if proc.RaceEnabled {
		return echotest.Skipf("CPU is not judged with the race detector")
	}
	var most float64
	for deadline := time.Now().Add(proc.Patience); time.Now().Before(deadline); {
		share, err := s.Share(200 * time.Millisecond)
		if err != nil {
			return err
		}
		if most = max(most, share); most > 0.5 {
			return nil
		}
	}
	return &echotest.Failure{Sent: "-nap 0s", Want: "more than 50 % of a CPU", Got: fmt.Sprintf("%.0f %%", most*100)}
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
