package echotest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// fairChecks: a client that sends a lot is not served at the others' expense.
var fairChecks = []Check{
	{Name: "flood-is-fair", Measures: true, OnWire: true, Alone: true, Chapter: chapter2, when: concurrent, Proof: On(floodIsFair),
		Promise: "a client that sends as fast as it can does not starve the others",
		Cause:   "a client is read until EAGAIN: one bounded read per client and turn is fair"},
	{Name: "turns-are-fair", Measures: true, Alone: true, Chapter: chapter2, when: concurrent, Proof: On(turnsAreFair, "-v=json"),
		Promise: "a client that has sent megabytes at once is not served completely before the others get a turn, even one that has just connected",
		Cause:   "a client is read until EAGAIN: one bounded read per client and turn is fair"},
	{Name: "floods-are-fair", Measures: true, Alone: true, Chapter: chapter5, when: framed, Proof: On(floodsAreFair),
		Promise: "a client beside 20 that flood the server with frames of 1 MiB gets its reply after a little of each",
		Cause:   "too much is read from each client in one turn: a turn is as long as all reads and writes in it together"},
}

// A flood sends as fast as the server takes it, and reads what comes.
type flood struct {
	*client
	stop             atomic.Bool
	sendEnd, readEnd chan error // how the two sides ended; nil at end of file
}

func (s *Server) flood() (*flood, error) {
	c, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(4000), 1<<20))
	if err != nil {
		return nil, err
	}
	return c.flood(), nil
}

// flood begins to send and to read.
func (c *client) flood() *flood {
	f := &flood{client: c, sendEnd: make(chan error, 1), readEnd: make(chan error, 1)}
	go func() {
		var err error
		for err == nil && !f.stop.Load() {
			err = c.send(c.next(c.out.Load() + 1<<20))
		}
		f.sendEnd <- errors.Join(err, c.CloseWrite())
	}()
	go func() { f.readEnd <- f.toEnd() }()
	return f
}

// toEnd compares what comes, up to the end of file.
func (c *client) toEnd() error {
	buf := make([]byte, 256<<10)
	for {
		n, err := c.Read(buf)
		if bad := c.differ(c.in.Load(), buf[:n]); bad >= 0 {
			return c.wrong(buf[bad:n], c.in.Load()+int64(bad))
		}
		c.in.Add(int64(n))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// end stops the flood and wants every byte of it back.
func (f *flood) end() error {
	f.stop.Store(true)
	f.SetReadDeadline(time.Now().Add(patience))
	err := errors.Join(<-f.sendEnd, <-f.readEnd)
	f.Close()
	if err == nil && f.in.Load() != f.out.Load() {
		err = &Failure{Sent: f.told(), Want: "all of it back", Got: fmt.Sprintf("%d bytes, then end of file", f.in.Load())}
	}
	return err
}

// floodIsFair counts in bytes instead of seconds: how much of the flood comes
// back while another client waits for one small reply.
func floodIsFair(s *Server) error {
	f, err := s.flood()
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	const pings, most = 150, 16 << 20
	each, err := c.servedBeside(pings, f.in.Load)
	if err != nil {
		return After(err, "another client floods")
	}
	if each > most {
		return &Failure{Sent: fmt.Sprintf("%d messages, one after the other, while another client floods", pings),
			Want: "a reply on each turn of the loop", Got: fmt.Sprintf("%d KiB of the flood served for each", each>>10)}
	}
	return f.end()
}

// floodsAreFair counts how much of the floods is served for each message of a
// client next to them.
func floodsAreFair(s *Server) error {
	const floods, pings, most = 20, 60, 6 << 20
	if proc.RaceEnabled {
		return Skipf("the floods' bytes are compared too slowly with the race detector")
	}
	var all []*flood
	for range floods {
		c, err := s.dialWith(newStream(s.Promises, 1, sized(defaultMaxFrame), 1))
		if err != nil {
			return err
		}
		defer c.Close()
		all = append(all, c.flood())
	}
	served := func() (total int64) {
		for _, f := range all {
			total += f.in.Load()
		}
		return total
	}
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	each, err := c.servedBeside(pings, served)
	if err != nil {
		return After(err, fmt.Sprintf("%d other clients flood", floods))
	}
	if each > most {
		return &Failure{Sent: fmt.Sprintf("%d messages, one after the other, while %d other clients flood", pings, floods),
			Want: fmt.Sprintf("at most %d KiB of the floods served for each", most>>10), Got: fmt.Sprintf("%d KiB", each>>10)}
	}
	return nil
}

// servedBeside is how much served grows while the server answers a message of c: the
// median of n, because c itself has to wait for a CPU now and then.
func (c *client) servedBeside(n int, served func() int64) (int64, error) {
	var each []int64
	for range n {
		before := served()
		if err := c.ping(); err != nil {
			return 0, err
		}
		each = append(each, served()-before)
	}
	slices.Sort(each)
	return each[n/2], nil
}

// turnsAreFair lets one client send megabytes and eleven others a message each
// while the server is suspended, one of whom has just connected, and then looks in
// the narration for what was read of the one before the last of the eleven: a buffer
// in each of two turns.
func turnsAreFair(s *Server) error {
	const burst, rounds = 3 << 20, 5
	// The newcomer is accepted in the first turn and read in the second. A server that
	// is edge-triggered may come back to the big one in between.
	most := 3 * 64 << 10
	if s.Framed {
		most = 2 * 256 << 10
	}
	big, err := s.dialWith(newStream(s.Promises, seeds.Add(1), sized(4000), 1<<20))
	if err != nil {
		return err
	}
	defer big.Close()
	if err := big.exchange(big.next(12 << 20)); err != nil { // the kernel's buffers grow with use
		return err
	}
	others, err := s.dialMany(10)
	if err != nil {
		return err
	}
	defer others.close()
	j := s.Journal()
	var before []int
	for i := 0; len(before) < rounds; i++ {
		n, whole, err := s.burstAgainst(j, big, burst, others)
		if err == nil {
			err = big.exchange(big.whole())
		}
		if err != nil {
			return err
		}
		if whole {
			before = append(before, n)
		} else if i == 4*rounds {
			return Failf("objects are left out of every burst of %d MiB", burst>>20)
		}
	}
	slices.Sort(before)
	if got := before[rounds/2]; got > most {
		return &Failure{Sent: fmt.Sprintf("%d MiB by one client and a message by each of 11 others, all at once; one of them is new", burst>>20),
			Want: "11 replies within two turns or three", Got: fmt.Sprintf("%d KiB read from the one before the last of the 11", got>>10)}
	}
	return nil
}

// burstAgainst tells how many bytes of big were read before every other client
// was, also a new one, and whether the narration of that is whole.
func (s *Server) burstAgainst(j *Journal, big *client, burst int64, others clients) (before int, whole bool, err error) {
	if err := s.Suspend(); err != nil {
		return 0, false, err
	}
	old := len(j.read())
	if _, err := big.fill(burst); err != nil {
		return 0, false, err
	}
	newcomer, err := s.dial()
	if err != nil {
		return 0, false, err
	}
	defer newcomer.Close()
	others = append(others[:len(others):len(others)], newcomer)
	for _, o := range others {
		if err := o.send(o.next(o.out.Load())); err != nil {
			return 0, false, err
		}
	}
	if err := s.Signal(unix.SIGCONT); err != nil {
		return 0, false, err
	}
	whole = true
	ok := j.WaitAll(patience, func(list []Object) bool {
		var served int
		before, served, whole = readOf(list, big, old)
		return served == len(others) || !whole
	})
	if !ok {
		return 0, false, &Failure{Want: "with -v=json, an object for the read of each client", Got: s.Stderr.Excerpt()}
	}
	return before, whole, others.each(func(o *client) error { return o.recv(o.out.Load()) })
}

// readOf counts, in the objects from old on, how many bytes of big were read up
// to the first read of the last other descriptor, and how many others there are.
// If objects were left out, it cannot be known.
func readOf(list []Object, big *client, old int) (before, others int, whole bool) {
	fd, ok := ofPeer(state(list), big)
	if !ok {
		return 0, 0, true
	}
	seen, total := map[int]bool{fd.FD: true}, 0
	for i := range list[old:] {
		o := &list[old+i]
		switch {
		case o.Kind == "gap":
			return 0, 0, false
		case !o.did("read"):
			continue
		case o.Arg == fd.FD:
			total += *o.Result
		}
		if !seen[o.Arg] {
			seen[o.Arg], before = true, total
		}
	}
	return before, len(seen) - 1, true
}
