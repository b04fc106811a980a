package echotest

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// walls: what a rung's model cannot do, proven as well. Each wall is what the
// next rung takes down.
var walls = []Check{
	{Name: "wall-one-at-a-time", Wall: true, OnWire: true, Chapter: chapter1, Proof: On(oneAtATime),
		when:    func(p Promises) bool { return !p.Concurrent },
		Promise: "the second client connects, and is served when the first has left",
		Cause:   "this server serves more than one client at a time (then it is not this rung), or has forgotten the one that waited"},
	{Name: "wall-burns-cpu", Measures: true, Wall: true, Alone: true, Chapter: chapter2, Proof: On(burnsCPU),
		when:    func(p Promises) bool { return !p.Sleeps },
		Promise: "asking every client again and again takes most of a CPU, even when nobody says anything",
		Cause:   "this server sleeps while it has nothing to do (then it is not this rung)"},
	{Name: "wall-fd-setsize", Wall: true, Alone: true, Chapter: chapter3, Proof: On(fdSetsize),
		when:    func(p Promises) bool { return p.FDSet },
		Promise: "a descriptor that does not fit in an fd_set is turned away; the others are served, and there is room again when some leave",
		Cause:   "FdSet.Set is called with a descriptor of unix.FD_SETSIZE or more, and panics: close such a client at once"},
	{Name: "wall-no-boundaries", Wall: true, Chapter: chapter5, Proof: On(noBoundaries, "-v=json"), when: raw,
		Promise: "two sends become one read: a stream has no boundaries",
		Cause:   "the server reads less than there is"},
	{Name: "keeps-boundaries", OnWire: true, Chapter: chapter5, Proof: On(keepsBoundaries), when: framed,
		Promise: "two messages stay two, even when they arrive together",
		Cause:   "one read is taken for one message"},
}

func oneAtATime(s *Server) error {
	first, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer first.close()
	second, err := s.dial() // the kernel's backlog sees to that
	if err != nil {
		return err
	}
	defer second.Close()
	if err := second.send(second.next(0)); err != nil {
		return err
	}
	if err := After(second.Silent(200*time.Millisecond), "a second client, while the first is there"); err != nil {
		return err
	}
	if err := first[0].ping(); err != nil {
		return err
	}
	first[0].Close()
	return After(second.recv(second.out.Load()), "the first client left")
}

// burnsCPU looks for one busy window: outside Linux, a server that has to wait for
// its CPU does not look busy.
func burnsCPU(s *Server) error {
	if !s.measurable() {
		return Skipf("CPU is not judged with the race detector")
	}
	idle, err := s.dialMany(3)
	if err != nil {
		return err
	}
	defer idle.close()
	var most float64
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		share, err := s.Share(200 * time.Millisecond)
		if err != nil {
			return err
		}
		if most = max(most, share); most > 0.5 {
			return nil
		}
	}
	return Failf("at most %.0f %% of a CPU", most*100)
}

func idleCostsNothing(s *Server) error {
	if !s.measurable() {
		return Skipf("CPU is not judged with the race detector")
	}
	n := 1
	if s.Concurrent {
		n = 200
	}
	idle, err := s.dialMany(n)
	if err != nil {
		return err
	}
	defer idle.close()
	return s.still("")
}

// fdSetsize connects more clients than there are numbers below FD_SETSIZE.
func fdSetsize(s *Server) error {
	want := unix.FD_SETSIZE + 60
	wide := *s
	wide.FDSet = false
	if n, err := wide.room(want); err != nil || n < want {
		return errors.Join(err, Skipf("room for only %d clients (ulimit -n), not for %d", n, want))
	}
	served, away, err := s.crowd(want)
	defer served.close()
	if err != nil {
		return err
	}
	if away == 0 || len(served) < unix.FD_SETSIZE-20 {
		return &Failure{Sent: fmt.Sprintf("%d clients", want), Want: "nearly FD_SETSIZE of them served, the others turned away",
			Got: fmt.Sprintf("%d served, %d turned away", len(served), away)}
	}
	if err := served.each((*client).ping); err != nil {
		return After(err, fmt.Sprintf("%d clients were turned away", away))
	}
	if err := s.still("a descriptor that was turned away was not closed"); err != nil {
		return err
	}
	err = s.said(1)
	if err == nil {
		err = turnedAwayLine(s.Stderr.Last())
	}
	if err != nil {
		return After(err, fmt.Sprintf("%d clients were turned away", away))
	}
	const leave = 10
	for _, c := range served[:leave] {
		if err := c.finish(); err != nil {
			return err
		}
	}
	again, away, err := s.crowd(leave + 5)
	defer again.close()
	if err == nil && (len(again) < leave || away == 0) {
		err = &Failure{Want: fmt.Sprintf("%d new clients served, the others turned away", leave), Got: fmt.Sprintf("%d served, %d turned away", len(again), away)}
	}
	if err == nil {
		err = s.said(2)
	}
	return After(err, fmt.Sprintf("%d of those served have left, and %d come", leave, leave+5))
}

// turnedAwayLine wants the line to name a client and its descriptor.
func turnedAwayLine(line string) error {
	var peer string
	var fd int
	if _, err := fmt.Sscanf(line, "client %s turned away: descriptor %d is", &peer, &fd); err != nil || fd < unix.FD_SETSIZE {
		return &Failure{Want: fmt.Sprintf("client 127.0.0.1:51514: turned away: descriptor %d is not below FD_SETSIZE", unix.FD_SETSIZE), Got: line}
	}
	return nil
}

// crowd connects n clients and tells who is served and how many are not.
func (s *Server) crowd(n int) (served clients, away int, err error) {
	for range n {
		c, err := s.dial()
		if err != nil {
			return served, away, err
		}
		gone, err := turnedAway(c)
		if err != nil {
			c.Close()
			return served, away, After(err, fmt.Sprintf("client %d connects", len(served)+away+1))
		}
		if gone {
			c.Close()
			away++
		} else {
			served = append(served, c)
		}
	}
	return served, away, nil
}

// noBoundaries sends twice while the server is suspended. The narration tells
// what its next read brings.
func noBoundaries(s *Server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.ping(), s.Suspend()); err != nil {
		return err
	}
	_, err = c.Write([]byte("hello"))
	if err == nil {
		_, err = c.Write([]byte("world"))
	}
	if err = errors.Join(err, s.Signal(unix.SIGCONT)); err != nil {
		return err
	}
	together := func(o *Object) bool { return o.did("read") && string(o.Bytes) == "helloworld" }
	if _, ok := s.Journal().Wait(patience, together); !ok {
		return &Failure{Sent: `"hello" and "world", in two writes, while the server was suspended (SIGSTOP)`,
			Want: `with -v=json, a read whose bytes are helloworld`, Got: s.Stderr.Excerpt()}
	}
	return nil
}

func keepsBoundaries(s *Server) error {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(5), 90))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.exchange(int64(len(c.block)) * 50)
}
