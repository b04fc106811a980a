package faults

import (
	"context"
	"fmt"
	"time"
)

// A calmness is what a server does while its clients say nothing.
type calmness struct {
	ok    bool
	share float64 // of the time in which it wants a CPU; 2: two of them
	calls int     // of those that the kernel looks at, in one window
}

// quiet watches the server until it rests for a moment. One that spins never does.
// On a machine where others want the CPU too, it waits for the CPU all the time; and
// strace slows it, so its calls count as well.
func (s *server) quiet(ctx context.Context, k *kernel) (c calmness) {
	const (
		window  = 100 * time.Millisecond
		most    = 0.05 // of the time
		atMost  = 20   // calls: a server that pauses makes some
		windows = 30
	)
	for range windows {
		before, _ := s.wanted()
		began, calls := time.Now(), 0
		if k != nil {
			calls = k.count()
		}
		timer := time.NewTimer(window)
		select {
		case <-timer.C:
		case <-s.Done():
			timer.Stop()
			return calmness{ok: true} // another one's business
		case <-ctx.Done():
			timer.Stop()
			return calmness{ok: true}
		}
		after, now := s.wanted()
		c.share = float64(after-before) / float64(time.Since(began))
		if k != nil {
			c.calls = k.count() - calls
		}
		if c.share <= most && c.calls <= atMost && !now {
			return calmness{ok: true}
		}
	}
	return c
}

// calm wants the server to rest, if it does at all.
func (t *trial) calm(ctx context.Context, k *kernel) *problem {
	if t.e.habits.busy {
		return nil
	}
	c := t.s.quiet(ctx, k)
	if c.ok {
		return nil
	}
	p := &problem{kind: spins, waited: true, got: fmt.Sprintf("it wants a CPU %.0f %% of the time, for seconds, while nobody says anything", 100*min(c.share, 1))}
	if c.calls > 0 {
		p.got += fmt.Sprintf("; %d calls in the last 100 ms", c.calls)
	}
	return p
}
