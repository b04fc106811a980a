package echotest

import (
	"context"
	"fmt"
	"time"
)

// checkTime bounds a whole check of a server that somebody else runs: such a
// server cannot be killed, and [patience] bounds only one wait: one that sends a
// byte now and then would be waited for as long as it liked.
var checkTime = 3 * patience

// Patience is how long a check waits for one thing at most.
func Patience() time.Duration { return patience }

// Until ends every check of t at that time, finished or not.
func (t *Target) Until(end time.Time) { t.until = end }

// timed is t for one check. When the time for that is over, every connection of
// the check is closed, which ends whatever it waits for; done closes what is left.
func (t *Target) timed() (timed *Target, done context.CancelFunc) {
	if t.addr == "" {
		return t, func() {}
	}
	end := time.Now().Add(checkTime)
	if !t.until.IsZero() && t.until.Before(end) {
		end = t.until
	}
	copied := *t
	copied.ctx, done = context.WithDeadlineCause(context.Background(), end,
		fmt.Errorf("stopped after %v", time.Until(end).Round(time.Second)))
	return &copied, done
}

// overtime says what a failure really is if its check was ended by the deadline.
func (t *Target) overtime(f *Failure) {
	if t.ctx == nil || t.ctx.Err() != context.DeadlineExceeded {
		return
	}
	f.Got = fmt.Sprintf("%s (%v)", f.Got, context.Cause(t.ctx))
	f.Or, f.Cause = nil, "the server answers, but so slowly that the check was given up: a server that keeps its promises passes in a few seconds"
}

// context is nil for a server that the check has started: that one is killed.
func (s *Server) context() context.Context {
	if s.ctx == nil {
		return context.Background()
	}
	return s.ctx
}
