package exercisetest

import (
	"fmt"
	"net"
	"slices"
	"time"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// What is on the loop is registered with an epoll instance, and served by the thread
// that sleeps there. Linux shows both, whatever the program says of itself.

// notNet are the words for a program that has its own way round the loop.
const notNet = "a goroutine waits where the loop should: package net has descriptors of its own, which are registered with the Go runtime's epoll instance"

// onLoop wants the program's connections with these addresses (nil is its listener)
// to be registered with one epoll instance that is not the Go runtime's, and returns
// the descriptor of that instance.
func (s *server) onLoop(p *echotest.Target, clients ...net.Addr) (poller int, err error) {
	poller = -1
	list, err := s.Registrations()
	if _, skipped := echotest.Skipped(err); skipped {
		return poller, builtWithoutNet(p, err)
	}
	for _, client := range clients {
		fd, err := s.descriptorOf(client)
		if err != nil {
			return poller, err
		}
		found, runtime := -1, false
		for _, r := range list {
			if r.FD == fd && r.Runtime {
				runtime = true
			} else if r.FD == fd {
				found = r.Poller
			}
		}
		if runtime || found < 0 || poller >= 0 && poller != found {
			return poller, notOnLoop(p, fd, client, runtime)
		}
		poller = found
	}
	return poller, nil
}

// builtWithoutNet is for systems that do not show the registrations: a program built
// with package net is wrong, and of any other nothing is known, which is skip.
func builtWithoutNet(p *echotest.Target, skip error) error {
	if with, err := importsNet(p); err == nil && with {
		return &echotest.Failure{Want: "a program that waits in its loop", Got: "package net, by go list -deps", Cause: notNet}
	}
	return skip
}

func notOnLoop(p *echotest.Target, fd int, client net.Addr, runtime bool) error {
	f := &echotest.Failure{Want: "the listener and every client registered with the loop"}
	whose := "the listener"
	if client != nil {
		whose = "the connection with " + client.String()
	}
	if f.Got = fmt.Sprintf("descriptor %d, %s, is not", fd, whose); runtime {
		f.Got += ", but with the Go runtime's own epoll instance"
		f.Cause = notNet
	}
	if with, err := importsNet(p); err == nil && with {
		f.Got += "; go list -deps: the program is built with package net"
	}
	f.Got += started(p)
	return f
}

// started says where goroutines are started.
func started(p *echotest.Target) string {
	if places := goStatements(p); places != "" {
		return "; goroutines are started at " + places
	}
	return ""
}

// descriptorOf finds a connection in the kernel's table, which may miss one while
// others come and go.
func (s *server) descriptorOf(client net.Addr) (int, error) {
	for deadline := time.Now().Add(proc.Patience / 10); ; <-time.After(time.Millisecond) {
		if fd := s.DescriptorOf(client); fd >= 0 {
			return fd, nil
		}
		if time.Now().After(deadline) {
			return -1, echotest.Skipf("the connection is not to be found in the kernel's tables")
		}
	}
}

// asleepIn returns the thread that sleeps in epoll_wait on this instance, or an error
// if none does for a while.
func (s *server) asleepIn(poller int) (echotest.Thread, error) {
	for deadline := time.Now().Add(proc.Patience / 5); ; <-time.After(time.Millisecond) {
		all, err := s.Threads()
		if err != nil {
			return echotest.Thread{}, err
		}
		for _, t := range all {
			if t.Call == "epoll_wait" && t.FD == poller {
				return t, nil
			}
		}
		if time.Now().After(deadline) {
			return echotest.Thread{}, echotest.Failf("no thread sleeps in epoll_wait(%d)", poller)
		}
	}
}

// wakesLoop wants the thread that sleeps in the loop to wake up while next waits for
// the server to do something. The Go scheduler may choose another thread each time,
// and next may find something that was done earlier: so there are many tries, of which
// three have to succeed. A loop that has no part in it sleeps through all of them.
func (s *server) wakesLoop(p *echotest.Target, poller int, what string, next func() error) error {
	const tries, enough = 20, 3
	woken, n := 0, 0
	for end := time.Now().Add(proc.Patience / 5); n < tries || time.Now().Before(end); n++ {
		loop, err := s.asleepIn(poller)
		if err != nil {
			return err
		}
		if err := next(); err != nil {
			return err
		}
		all, err := s.Threads()
		if err != nil {
			return err
		}
		if !slices.Contains(all, loop) {
			woken++
		}
		if woken == enough {
			return nil
		}
	}
	return &echotest.Failure{Sent: fmt.Sprintf("%s, %d times", what, n), Want: "the thread that waits in the loop wakes up for it",
		Got: fmt.Sprintf("it slept on in epoll_wait(%d), and another one sent the lines", poller) + started(p)}
}

// awake reports whether some thread does not go to sleep within d. Linux shows that,
// however many others want the CPU; elsewhere the share of the CPU has to do.
func (s *server) awake(d time.Duration) (bool, error) {
	before, err := s.Threads()
	if _, skipped := echotest.Skipped(err); skipped {
		share, err := s.Share(d)
		return share > 0.5, err
	}
	<-time.After(d) // nothing is waited for: this is what is looked at
	after, err := s.Threads()
	return slices.ContainsFunc(before, func(t echotest.Thread) bool { return t.Runs && slices.Contains(after, t) }), err
}

// rests wants one window at whose ends the server sleeps, and in which it wants no more
// than half of a CPU. A server that spins never sleeps, however little of the CPU it
// gets; one that wakes up often may have to wait for the CPU each time.
func (s *server) rests(sent string) error {
	if proc.RaceEnabled {
		return echotest.Skipf("CPU is not judged with the race detector")
	}
	var share float64
	for deadline := time.Now().Add(proc.Patience / 2); time.Now().Before(deadline); {
		before := s.sleeps()
		var err error
		if share, err = s.Share(250 * time.Millisecond); err != nil || before && share <= 0.5 && s.sleeps() {
			return err
		}
	}
	return &echotest.Failure{Sent: sent, Want: "a server that sleeps most of the time", Got: fmt.Sprintf("%.0f %% of a CPU, for seconds", share*100)}
}

// sleeps reports whether all threads sleep, or whether that is not shown.
func (s *server) sleeps() bool {
	list, err := s.Threads()
	return err != nil || !slices.ContainsFunc(list, func(t echotest.Thread) bool { return t.Runs })
}

// greets has a client say something once, and leaves it there.
func (s *server) greets() (*echotest.Conn, error) {
	c, err := s.Connect(0)
	if err != nil {
		return nil, err
	}
	if err := c.Exchange("hello", "hello"); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
