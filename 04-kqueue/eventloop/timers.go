package eventloop

import (
	"slices"
	"sort"
	"time"
)

// A Timer is a function that the loop calls later, see After and Every.
type Timer struct {
	loop   *Loop
	f      func()
	due    time.Time
	period time.Duration // 0: once
}

// After calls f once, when d has passed: never earlier, and later only by
// the resolution of the kernel's clock (1 ms on Linux, because epoll_wait(2) counts in
// milliseconds) and by as long as other handlers keep the loop busy.
func (l *Loop) After(d time.Duration, f func()) *Timer {
	t := &Timer{loop: l, f: f, due: time.Now().Add(d)}
	l.insert(t)
	return t
}

// Every calls f whenever another d has passed; d must be positive. It keeps its
// beat: a call that comes late does not delay the next one, and beats for which
// the loop was too busy are left out.
func (l *Loop) Every(d time.Duration, f func()) *Timer {
	t := l.After(d, f)
	t.period = d
	return t
}

// Stop cancels t. It does nothing if t is nil, stopped or over already.
func (t *Timer) Stop() {
	if t == nil {
		return
	}
	ts := t.loop.timers
	first := sort.Search(len(ts), func(i int) bool { return !ts[i].due.Before(t.due) })
	if i := slices.Index(ts[first:], t); i >= 0 {
		t.loop.timers = slices.Delete(ts, first+i, first+i+1)
	}
}

// insert keeps the timers sorted. Most programs use the same few durations over
// and over, so most timers go to the end.
func (l *Loop) insert(t *Timer) {
	i := sort.Search(len(l.timers), func(i int) bool { return l.timers[i].due.After(t.due) })
	l.timers = slices.Insert(l.timers, i, t)
}

// untilNextTimer returns how long the loop may sleep; negative: forever.
func (l *Loop) untilNextTimer() time.Duration {
	if len(l.timers) == 0 {
		return -1
	}
	return min(max(0, time.Until(l.timers[0].due)), time.Hour) // kernels have limits
}

// runTimers calls what is due, each timer once.
func (l *Loop) runTimers() {
	now := time.Now()
	for len(l.timers) > 0 && !l.timers[0].due.After(now) {
		t := l.timers[0]
		l.timers = slices.Delete(l.timers, 0, 1)
		if t.period > 0 {
			late := now.Sub(t.due)
			t.due = now.Add(t.period - late%t.period)
			l.insert(t)
		}
		t.f()
	}
}
