package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"example/tcpladder/shared/proc"
)

// A trial is one fault: a server, a kernel and clients.
type trial struct {
	e         *examiner
	f         fault
	s         *server
	k         *kernel
	listener  string    // its socket
	victims   []*client // whose calls fail
	others    []*client // whose calls do not
	newcomers []*client // that connect meanwhile
	parted    int       // victims that have left
	number    int       // of the last client
	before    int       // lines on standard error
}

// trialTime bounds one fault, whatever the server does.
const trialTime = 60 * time.Second

// try examines one fault.
func (e *examiner) try(ctx context.Context, f fault) (verdict, error) {
	limited, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	s, err := start(limited, e.subject.Argv)
	if err != nil {
		return verdict{}, err
	}
	defer s.kill()
	t := &trial{e: e, f: f, s: s}
	defer t.leave()
	if p := t.arrive(limited); p != nil {
		return verdict{}, fmt.Errorf("before any fault: %s", p.got)
	}
	t.before = len(t.s.Stderr.All())
	if err := t.find(); err != nil {
		return verdict{}, err
	}
	if t.k, err = attach(limited, s, t.order()); err != nil {
		return verdict{}, err
	}
	v := t.conclude(t.play(limited))
	return v, ctx.Err()
}

// order says what is to fail. Which descriptors are a client's is known, so only
// calls on these fail; the descriptor of a client that is still to come is not, so
// for these calls it is every descriptor of their kind.
func (t *trial) order() order {
	o := order{calls: t.e.habits.made[t.f.call.name], errno: t.f.errno, when: second}
	switch t.f.call.role {
	case serving:
		o.paths = t.paths(t.victims)
	case closing:
		o.paths, o.when = t.paths(t.victims), first // and the clients between them close in peace
	case waiting:
		o.paths = append(t.paths(t.others), t.listener)
		if t.f.call.name == "epoll_wait" {
			o.paths = []string{epollPath}
		}
	}
	return o
}

func (t *trial) paths(clients []*client) (paths []string) {
	for _, c := range clients {
		paths = append(paths, c.served)
	}
	return paths
}

// find finds the sockets on which calls are to fail.
func (t *trial) find() error {
	t.listener = t.s.listener()
	clients := t.victims
	if t.f.call.role == waiting {
		clients = t.others
	}
	for _, c := range clients {
		if !t.e.habits.concurrent && c != clients[0] {
			break // it is not accepted yet
		}
		if c.served = t.s.served(c); c.served == "" {
			return fmt.Errorf("no socket of the server belongs to %s", c.name)
		}
	}
	return nil
}

// arrive connects those who are there before the kernel turns hostile. A server of
// one client at a time serves the first, and another one waits.
func (t *trial) arrive(ctx context.Context) *problem {
	victims, others := 0, 1
	switch t.f.call.role {
	case serving, closing:
		victims, others = 2, 2
	case waiting:
		others = 2
	}
	together := t.e.habits.concurrent
	if !together {
		victims, others = min(victims, 1), min(victims, 1)
	}
	for i := range victims + others {
		c, p := t.connect(ctx)
		if p != nil {
			return p
		}
		if i < victims {
			t.victims = append(t.victims, c)
		} else {
			t.others = append(t.others, c)
		}
		c.say()
		if i > 0 && !together {
			continue // it has to wait
		}
		if s := c.await(ctx, proc.Patience); s != complete {
			return &problem{kind: stuck, got: c.name + ": " + c.tale()}
		}
	}
	return nil
}

func (t *trial) connect(ctx context.Context) (*client, *problem) {
	t.number++
	name := fmt.Sprintf("client %d", t.number)
	c, err := connect(ctx, t.s.addr, name)
	if err != nil {
		return nil, &problem{kind: stuck, got: name + " cannot connect: " + plain(err)}
	}
	return c, nil
}

func (t *trial) leave() {
	for _, list := range [][]*client{t.victims, t.others, t.newcomers} {
		for _, c := range list {
			c.conn.Close()
		}
	}
}

// play has the kernel fail calls, lets go of the server, and looks whether all is
// well again.
func (t *trial) play(ctx context.Context) *problem {
	defer t.k.detach(t.s)
	if p := t.provoke(ctx); p != nil {
		return t.orSpins(ctx, t.k, p)
	}
	if p := t.calm(ctx, t.k); p != nil {
		return p
	}
	t.k.detach(t.s)
	if t.k.again != "" {
		return &problem{kind: again, got: t.k.again}
	}
	if p := t.recover(ctx); p != nil {
		return t.orSpins(ctx, nil, p)
	}
	if p := t.calm(ctx, nil); p != nil {
		return p
	}
	t.leave()
	if err := t.s.stop(t.e.subject.Rung); err != nil {
		return &problem{kind: stops, got: err.Error(), waited: true}
	}
	return nil
}

// orSpins is p, or what is behind it: a server that spins is late with everything.
func (t *trial) orSpins(ctx context.Context, k *kernel, p *problem) *problem {
	if p.waited {
		if spins := t.calm(ctx, k); spins != nil {
			return spins
		}
	}
	return p
}

// enough is how many calls are to fail: one might be luck.
const enough = 2

// moment is how long we look for something before we go on; it need not come.
const moment = 100 * time.Millisecond

// provoke has the server make the call until it has failed often enough.
func (t *trial) provoke(ctx context.Context) *problem {
	most := 30 // times: a thread's first call never fails
	for i := 0; i < most && len(t.k.failures()) < enough && ctx.Err() == nil; i++ {
		if len(t.k.failures()) > 0 {
			most = min(most, i+5) // perhaps the call is not made any more
		}
		var p *problem
		switch t.f.call.role {
		case accepting, registering:
			p = t.welcome(ctx)
		case serving:
			p = t.serve(ctx)
		case closing:
			p = t.part(ctx)
		case waiting: // for the clients, or the one that accepts for the next
			if p = t.talk(ctx); p == nil && (i%2 == 1 || len(t.others) == 0) {
				p = t.welcome(ctx)
			}
		}
		if p != nil {
			return p
		}
		if len(t.victims) > 0 && t.noneLeft() {
			break
		}
	}
	return nil
}

// noneLeft reports whether no victim is there whose calls could still fail.
func (t *trial) noneLeft() bool {
	if t.f.call.role == closing {
		return t.parted == len(t.victims)
	}
	return !slices.ContainsFunc(t.victims, func(c *client) bool { return !c.over() })
}

// welcome has one more client connect. If its accept failed, a server that sleeps
// until something happens may not see it before the next one comes.
func (t *trial) welcome(ctx context.Context) *problem {
	c, p := t.connect(ctx)
	if p != nil {
		return p
	}
	t.newcomers = append(t.newcomers, c)
	c.say()
	if t.e.habits.concurrent {
		c.await(ctx, moment)
		return t.talk(ctx)
	}
	defer c.conn.Close()
	return t.judgeNew(ctx, c)
}

// serve has the victims say something.
func (t *trial) serve(ctx context.Context) *problem {
	for _, c := range t.victims {
		if !c.over() {
			c.say()
			c.await(ctx, moment)
		}
	}
	return t.talk(ctx)
}

// part has the next victim leave, and then one whose close does not fail.
func (t *trial) part(ctx context.Context) *problem {
	t.victims[t.parted].conn.Close()
	t.parted++
	t.k.wait(ctx, proc.Patience, func(k *kernel) bool { return k.seen["close"] >= t.parted })
	if t.e.habits.concurrent && len(t.others) > 1 {
		t.others[0].conn.Close()
		t.others = t.others[1:]
	}
	return t.talk(ctx)
}

// talk has the others say something, and all of it must come back. In a server of
// one client at a time they have to wait as long as the victim is there.
func (t *trial) talk(ctx context.Context) *problem {
	if !t.e.habits.concurrent && len(t.victims) > 0 {
		return nil
	}
	for _, c := range t.others {
		c.say()
		s := c.await(ctx, proc.Patience)
		if s == dropped && t.waitsAlone(ctx, c) {
			continue
		}
		if s != complete {
			return &problem{kind: lost, got: c.name + ": " + c.tale(), waited: s == waits}
		}
	}
	return nil
}

// waitsAlone reports whether the server waits for c alone, in a process or a thread,
// and this wait has failed: then it was c's own, and c may be dropped. The client may
// know before strace says so.
func (t *trial) waitsAlone(ctx context.Context, c *client) bool {
	if t.f.call.role != waiting || t.f.passing() {
		return false
	}
	own := func(call string) bool {
		shared := slices.ContainsFunc(t.others, func(o *client) bool { return o != c && strings.Contains(call, "<"+o.served+">") })
		return strings.Contains(call, "<"+c.served+">") && !shared && !strings.Contains(call, "<"+t.listener+">")
	}
	return t.k.wait(ctx, time.Second, func(k *kernel) bool { return slices.ContainsFunc(k.failed, own) })
}

// stray finds a call that failed and should not have: on the listener of something
// else, or on a descriptor that is the server's own.
func (t *trial) stray() string {
	want := ""
	switch t.f.call.role {
	case accepting:
		want = "<" + t.listener + ">"
	case registering:
		want = "<socket:["
	}
	for _, call := range t.k.failures() {
		if !strings.Contains(call, want) {
			return call
		}
	}
	return ""
}
