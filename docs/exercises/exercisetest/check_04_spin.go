package exercisetest

import (
	"fmt"
	"sync"
	"time"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var spin = Exercise{
	Name:     "04-spin",
	Rung:     "04-kqueue",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	NotGraded: []string{
		"your predictions and measurements",
	},
	Checks: append([]echotest.Check{
		{Name: "spins", Alone: true, Proof: on(spinSpins, "-spin", "1s"),
			Promise: "with -spin 1s a client that speaks within that time finds the server awake",
			Cause:   "the wait goes to sleep in the kernel at once, or the flag is not looked at"},
		{Name: "sleeps-at-0", Alone: true, Proof: on(spinNot, "-spin", "0s"),
			Promise: "with -spin 0s the server is 04 again: it sleeps before each message",
			Cause:   "it spins for another time than that of the flag"},
		{Name: "then-sleeps", Alone: true, Proof: on(spinIdle, "-spin", "1ms"),
			Promise: "when nobody says anything for longer than that, no CPU is used",
			Cause:   "after a spin that brought nothing there is another one, instead of a wait in the kernel"},
		{Name: "asks-while-spinning", Proof: on(spinAsks, "-spin", "3s"),
			Promise: "with -spin 3s a message that comes while the server spins is answered at once",
			Cause:   "the time is only burnt: ask with l.poller.wait(0) on every round, and stop when something is there"},
		{Name: "only-after-events", Alone: true, Proof: on(spinOnlyAfterEvents, "-spin", "10s", "-tick", "100ms"),
			Promise: "it spins only after a wait that brought events, and a timer that becomes due ends the spin",
			Cause:   "it spins before every sleep: a timer makes an event no more likely. Remember whether the last wait brought events"},
	}, echoChecks(echotest.Promises{Concurrent: true, Sleeps: true})...),
}

func spinSpins(s *server) error {
	c, err := s.greets()
	if err != nil {
		return err
	}
	defer c.Close()
	for deadline := time.Now().Add(proc.Patience / 2); time.Now().Before(deadline); {
		if err := c.Exchange("hello", "hello"); err != nil {
			return err
		}
		for range 20 { // the Go scheduler may move it to another thread meanwhile
			if awake, err := s.awake(5 * time.Millisecond); awake || err != nil {
				return err
			}
		}
	}
	return &echotest.Failure{Sent: "-spin 1s, and a message now and then", Want: "a thread that stays awake after it", Got: "all sleep, whenever one looks"}
}

// spinNot has a client speak now and then; a spin of 20 ms or more would fill the
// pauses.
func spinNot(s *server) error {
	c, err := s.greets()
	if err != nil {
		return err
	}
	defer c.Close()
	var speaking sync.WaitGroup
	defer speaking.Wait()
	stop := make(chan bool)
	defer close(stop)
	speaking.Go(func() {
		for c.Exchange("hello", "hello") == nil {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond): // a pause: it speaks now and then
			}
		}
	})
	return s.rests("-spin 0s, a round trip each 20 ms")
}

func spinIdle(s *server) error {
	c, err := s.greets()
	if err != nil {
		return err
	}
	defer c.Close()
	return s.rests("-spin 1ms; hello, and then nothing")
}

// spinAsks has a client speak again as soon as it is answered, while the server spins.
// A server that does not ask answers after the spin.
func spinAsks(s *server) error {
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	var took time.Duration
	for range 3 {
		if err := c.Exchange("hello", "hello"); err != nil {
			return err
		}
		start := time.Now()
		if err := c.Exchange("again", "again"); err != nil {
			return echotest.After(err, "hello, and as soon as it is back")
		}
		if took = time.Since(start); took < time.Second {
			return nil
		}
	}
	return &echotest.Failure{Sent: "again, as soon as hello is back, with -spin 3s", Want: "the answer within 1s, once in three times", Got: fmt.Sprintf("after %v", took)}
}

// spinOnlyAfterEvents has a timer, first without any client, and then with one who
// has said something.
func spinOnlyAfterEvents(s *server) error {
	if err := s.rests("no client, and a timer each 100ms"); err != nil {
		return err
	}
	c, err := s.greets()
	if err != nil {
		return err
	}
	defer c.Close()
	return echotest.Amend(s.rests("hello, and then nothing, with a timer each 100ms"), func(f *echotest.Failure) {
		f.Cause = "a timer that becomes due does not end the spin: spin no longer than min(d, l.Spin), and take the next wait for one that brought no events"
	})
}
