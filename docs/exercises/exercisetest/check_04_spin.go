package exercisetest

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var spin = Exercise{
	Name:     "04-spin",
	Rung:     "04-kqueue",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	Checks: append([]echotest.Check{
		{Name: "spins", Alone: true, Proof: spinSpins,
			Promise: "with -spin 50ms a client that answers within that time finds the server awake",
			Cause:   "the wait goes to sleep in the kernel at once, or the flag is not looked at"},
		{Name: "sleeps-at-0", Alone: true, Proof: spinNot,
			Promise: "with -spin 0s the server is 04 again: it sleeps before each message",
			Cause:   "it spins for another time than that of the flag"},
		{Name: "then-sleeps", Alone: true, Proof: spinIdle,
			Promise: "when nobody says anything for longer than that, no CPU is used",
			Cause:   "after a spin that brought nothing there is another one, instead of a wait in the kernel"},
	}, echoChecks(echotest.Promises{Concurrent: true, Sleeps: true})...),
}

// spinShare returns the share of a CPU that a server uses, and the share that it
// wants, for a client that makes n round trips with a pause after each.
func spinShare(p *echotest.Target, flag string, n int, pause time.Duration) (used, wanted float64, err error) {
	if proc.RaceEnabled {
		return 0, 0, echotest.Skipf("CPU is not judged with the race detector")
	}
	s, err := serve(p, "-spin", flag)
	if err != nil {
		return 0, 0, err
	}
	defer s.Kill()
	c, err := s.Connect(0)
	if err != nil {
		return 0, 0, s.Explain(err)
	}
	defer c.Close()
	start := time.Now()
	for range n {
		if err := c.Exchange("hello", "hello"); err != nil {
			return 0, 0, s.Explain(err)
		}
		<-time.After(pause) // nothing is waited for: this is what is measured
	}
	took := time.Since(start)
	total, err := s.Wanted()
	if err == nil {
		err = s.Explain(s.StopBy(unix.SIGTERM, promptly))
	}
	return s.shareOf(took), float64(total) / float64(took), err
}

// spinSpins looks for one busy run: outside Linux, a server that has to wait for its
// CPU does not look busy.
func spinSpins(p *echotest.Target) error {
	var most float64
	for range 5 {
		_, share, err := spinShare(p, "50ms", 50, 10*time.Millisecond)
		if err != nil {
			return err
		}
		if most = max(most, share); most > 0.4 {
			return nil
		}
	}
	return &echotest.Failure{Sent: "-spin 50ms, a round trip each 10 ms", Want: "more than 40 % of a CPU", Got: fmt.Sprintf("%.0f %%", most*100)}
}

func spinNot(p *echotest.Target) error {
	share, _, err := spinShare(p, "0s", 50, 10*time.Millisecond)
	if err == nil && share > 0.25 {
		err = &echotest.Failure{Sent: "-spin 0s, a round trip each 10 ms", Want: "less than 25 % of a CPU", Got: fmt.Sprintf("%.0f %%", share*100)}
	}
	return err
}

func spinIdle(p *echotest.Target) error {
	share, _, err := spinShare(p, "1ms", 3, 200*time.Millisecond)
	if err == nil && share > 0.25 {
		err = &echotest.Failure{Sent: "-spin 1ms, a round trip each 200 ms", Want: "less than 25 % of a CPU", Got: fmt.Sprintf("%.0f %%", share*100)}
	}
	return err
}

// idleShare gives the share of a CPU that a server needs for three clients who
// have said something once, and now say nothing.
func idleShare(p *echotest.Target, flags ...string) (share float64, err error) {
	if proc.RaceEnabled {
		return 0, echotest.Skipf("CPU is not judged with the race detector")
	}
	s, err := serve(p, flags...)
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	start := time.Now()
	for range 3 {
		c, err := s.Connect(0)
		if err != nil {
			return 0, s.Explain(err)
		}
		defer c.Close()
		if err := c.Exchange("hello", "hello"); err != nil {
			return 0, s.Explain(err)
		}
	}
	<-time.After(400 * time.Millisecond) // nothing is waited for: this is what is measured
	took := time.Since(start)
	if err := s.StopBy(unix.SIGTERM, promptly); err != nil {
		return 0, s.Explain(err)
	}
	return s.shareOf(took), nil
}
