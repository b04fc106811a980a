package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"example/tcpladder/shared/proc"
)

// A verdict is what came of one fault.
type verdict struct {
	ended   bool   // the server did, as it may
	skipped string // why nothing can be said
	*problem
}

// A problem is what went wrong, by kind, and the evidence.
type problem struct {
	kind   kind
	got    string
	words  string // the server's own
	sent   string
	waited bool // it took a time limit to find out
	fault  fault
}

type kind int

const (
	died     kind = iota // the server ended, and must not
	badEnd               // it may end, but not like this
	spins                // it burns CPU
	lost                 // another client misses bytes
	own                  // the client of a call that did not fail for good misses bytes
	hole                 // the client whose call failed is sent something else
	hangs                // it is neither served nor dropped
	unserved             // a client that was not accepted at once never was
	again                // a second close
	stuck                // after the faults a new client is not served
	stops                // SIGTERM does not end it, or not with status 0
)

// recover: no call fails any more.
func (t *trial) recover(ctx context.Context) *problem {
	for _, c := range t.victims {
		if p := t.judge(ctx, c); p != nil {
			return p
		}
		if !t.e.habits.concurrent {
			c.conn.Close()
		}
	}
	together := t.e.habits.concurrent
	if !together {
		for _, c := range t.others {
			if s := c.await(ctx, proc.Patience); s != complete {
				return &problem{kind: lost, got: c.name + ", who waited: " + c.tale(), waited: s == waits}
			}
			c.conn.Close()
		}
		t.others = nil
	}
	c, p := t.connect(ctx)
	if p != nil {
		return p
	}
	defer c.conn.Close()
	c.say()
	if s := c.await(ctx, proc.Patience); s != complete {
		return &problem{kind: stuck, got: "a new client: " + c.tale(), waited: s == waits}
	}
	for i := 0; together && i < len(t.newcomers); i++ { // others were judged when they came
		if p := t.judgeNew(ctx, t.newcomers[i]); p != nil {
			return p
		}
	}
	return t.talk(ctx)
}

// judge looks at a client whose calls failed. It may have been dropped for that,
// but not if the error only said: not this time. (On a descriptor that blocks,
// EAGAIN says something else: a time limit.) What it says now gives an edge-triggered
// server, to which the kernel has lied about its last bytes, another event.
func (t *trial) judge(ctx context.Context, c *client) *problem {
	if t.f.call.role == closing {
		return nil
	}
	if !c.over() {
		c.say()
	}
	s := c.await(ctx, proc.Patience)
	p := &problem{got: c.name + ", whose call failed: " + c.tale(), waited: s == waits}
	harmless := t.f.errno == "EINTR" || t.f.errno == "EAGAIN" && t.e.habits.nonblocking
	switch {
	case s == wrong:
		p.kind = hole
	case harmless && (s != complete || c.over()):
		p.kind = own
	case s == waits:
		p.kind = hangs
	default:
		return nil
	}
	return p
}

// judgeNew looks at a client that connected while calls failed. It is served; but
// one that could not be registered may be dropped, and so may one that waits while
// there are no descriptors left: that is how some tell it.
func (t *trial) judgeNew(ctx context.Context, c *client) *problem {
	s := c.await(ctx, proc.Patience)
	p := &problem{kind: unserved, got: c.name + ": " + c.tale(), waited: s == waits}
	if t.f.call.role == registering {
		p.kind = hangs
	}
	switch {
	case s == complete,
		s == dropped && (p.kind == hangs || t.f.errno == "EMFILE" || t.f.errno == "ENFILE"),
		s == waits && t.f.errno == "EEXIST": // it would mean that there is nothing to do
		return nil
	}
	return p
}

// conclude weighs a problem, if there is one: a server that has ended has no
// other.
func (t *trial) conclude(p *problem) verdict {
	t.k.detach(t.s)
	switch stray := t.stray(); {
	case stray != "":
		return verdict{skipped: "it also hit " + stray}
	case p != nil && p.kind != stops && t.s.ends():
		if p = t.end(p.got); p == nil {
			return verdict{ended: true}
		}
	case p == nil && len(t.k.failures()) == 0:
		return verdict{skipped: "the call was not made often enough"}
	}
	if p != nil {
		p.fault, p.sent = t.f, t.tale()
		p.words = lastWords(t.s.Stderr.All()[t.before:])
	}
	return verdict{problem: p}
}

// end judges a server that has ended, which was noticed by what a client saw.
func (t *trial) end(saw string) *problem {
	lines := t.s.Stderr.All()[t.before:]
	state := t.s.State()
	p := &problem{kind: died, got: fmt.Sprintf("the server ended: %s (%s)", state, saw)}
	if !t.f.mayEnd(t.e.subject) {
		return p
	}
	if code, _ := t.s.Wait(proc.Patience); code == 1 && len(lines) == 1 {
		return nil
	}
	p.kind = badEnd
	p.got = fmt.Sprintf("%s, with %d lines on standard error", state, len(lines))
	return p
}

// tale says what the kernel did.
func (t *trial) tale() string {
	failed := t.k.failures()
	if len(failed) == 0 {
		return t.f.errno + " was to be the answer to " + strings.Join(t.e.habits.made[t.f.call.name], " and ")
	}
	return fmt.Sprintf("%s; %d of %d such calls failed this way", failed[0], len(failed), t.k.calls(t.e.habits.made[t.f.call.name]))
}

// plain is the system's error without what surrounds it.
func plain(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	if err == io.EOF {
		return "end of file"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "nothing came in time"
	}
	return err.Error()
}
