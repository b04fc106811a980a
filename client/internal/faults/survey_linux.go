package faults

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// habits are what a server does while nothing fails.
type habits struct {
	concurrent  bool                // it serves its clients side by side
	busy        bool                // it burns CPU even so
	nonblocking bool                // its clients' descriptors are
	made        map[string][]string // call: the system calls that do it here
	shared      map[string]string   // call: the runtime that makes it for itself too
}

// survey watches a server that nothing happens to.
func (e *examiner) survey(ctx context.Context) (*habits, error) {
	s, err := start(ctx, e.subject.Argv)
	if err != nil {
		return nil, err
	}
	defer s.kill()
	h := &habits{made: map[string][]string{}, shared: map[string]string{}}
	a, err := connect(ctx, s.addr, "client 1")
	if err != nil {
		return nil, s.explain(err)
	}
	defer a.conn.Close()
	b, err := connect(ctx, s.addr, "client 2")
	if err != nil {
		return nil, s.explain(err)
	}
	defer b.conn.Close()
	a.say()
	if a.await(ctx, proc.Patience) != complete {
		return nil, s.explain(fmt.Errorf("it does not echo: %s came back", a.tale()))
	}
	b.say()
	h.concurrent = b.await(ctx, 2*time.Second) == complete
	h.busy = !s.quiet(ctx, nil).ok
	if err := e.startle(ctx, s, a); err != nil {
		return nil, err
	}
	if err := e.watch(ctx, s, h, a, b); err != nil {
		return nil, err
	}
	return h, nil
}

// startle stops the server and lets it go on. That interrupts the call in which it
// sleeps, and a few calls are not taken up again: epoll_wait returns EINTR, see
// signal(7). strace does the same when it attaches and detaches, so a server that
// does not survive it cannot be examined further.
func (e *examiner) startle(ctx context.Context, s *server, c *client) error {
	group := family(s.group)
	for _, pid := range group {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	for deadline := time.Now().Add(proc.Patience); !stopped(group) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // there is no event for one that is not our child
	}
	for _, pid := range group {
		syscall.Kill(pid, syscall.SIGCONT)
	}
	c.say()
	if c.await(ctx, proc.Patience) == complete {
		return nil
	}
	if !s.ends() {
		return fmt.Errorf("it does not echo after SIGSTOP and SIGCONT: %s", c.tale())
	}
	r := readings[died][waiting]
	return &echotest.Failure{
		Sent:    "SIGSTOP and SIGCONT, after which epoll_wait returns EINTR: signal(7)",
		Want:    r.want,
		Got:     "the server ended: " + s.State(),
		Cause:   r.cause,
		Chapter: "docs/04-kqueue.md",
		Log:     lastWords(s.Stderr.All()),
	}
}

// underStrace says why a server cannot be examined that echoes without strace.
func underStrace(s *server, c *client) error {
	return s.explain(fmt.Errorf("it does not echo under strace: %s", c.tale()))
}

// watch attaches a kernel that fails nothing, and has the server accept, echo,
// wait and close.
func (e *examiner) watch(ctx context.Context, s *server, h *habits, a, b *client) error {
	group := family(s.group)
	listener, first := s.listener(), s.served(a)
	if listener == "" || first == "" {
		return fmt.Errorf("none of its processes has the socket that listens on %s", s.addr)
	}
	k, err := attach(ctx, s, order{})
	if err != nil {
		return err
	}
	defer k.detach(s)
	have := descriptorsOf(group)
	ours := func(d descriptor) bool { return d.path == listener || d.path == first }
	sockets := slices.DeleteFunc(slices.Clone(have), func(d descriptor) bool { return !ours(d) })
	for _, d := range sockets {
		h.nonblocking = h.nonblocking || d.path == first && d.nonblocking()
	}
	for range 4 {
		a.say()
		if a.await(ctx, proc.Patience) != complete {
			return underStrace(s, a)
		}
	}
	c, err := connect(ctx, s.addr, "client 3")
	if err != nil {
		return underStrace(s, a)
	}
	defer c.conn.Close()
	c.say()
	if h.concurrent && c.await(ctx, proc.Patience) != complete {
		return underStrace(s, c)
	}
	a.conn.Close() // in a server of one client at a time, now b has its turn
	b.say()
	if b.await(ctx, proc.Patience) != complete {
		return underStrace(s, b)
	}
	k.wait(ctx, time.Second, func(k *kernel) bool {
		return slices.ContainsFunc(k.objects("close"), func(o object) bool { return o.is == first })
	})
	k.detach(s)
	e.learn(s, h, k, listener, first, have, sockets)
	return nil
}

// objects lists what a call was made on. The caller holds k.mu.
func (k *kernel) objects(call string) (list []object) {
	for o := range k.made {
		if o.call == call {
			list = append(list, o)
		}
	}
	return list
}

// learn sorts the calls that were seen.
func (e *examiner) learn(s *server, h *habits, k *kernel, listener, first string, have, sockets []descriptor) {
	var instances []descriptor // epoll instances that clients or the listener are on
	for _, d := range have {
		if d.watches(sockets) {
			instances = append(instances, d)
		}
	}
	own := runtimeOf(s.Pid)
	for i := range calls {
		c := &calls[i]
		for _, name := range c.made {
			for _, o := range k.objects(name) {
				relevant := o.is == first || o.is == listener && c.role != serving
				if o.is == epollPath {
					relevant = slices.ContainsFunc(instances, func(d descriptor) bool { return fmt.Sprint(d.fd) == o.fd })
				}
				if relevant && !slices.Contains(h.made[c.name], name) {
					h.made[c.name] = append(h.made[c.name], name)
				}
			}
			if slices.Contains(h.made[c.name], name) && slices.Contains(own.calls, name) {
				h.shared[c.name] = own.name
			}
		}
	}
}
