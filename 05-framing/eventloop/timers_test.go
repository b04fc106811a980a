package eventloop

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTimersAreCalledInOrder(t *testing.T) {
	l := bareLoop(t)
	var all, called []*Timer
	for _, ms := range []int{30, 10, 20, 0, 10, 25} {
		d := time.Duration(ms) * time.Millisecond
		start := time.Now()
		var timer *Timer
		timer = l.After(d, func() {
			if slept := time.Since(start); slept < d {
				t.Errorf("the timer of %v came after %v", d, slept)
			}
			called = append(called, timer)
		})
		all = append(all, timer)
	}
	l.After(20*time.Millisecond, func() { l.After(20*time.Millisecond, l.Stop) })
	run(t, l)
	slices.SortStableFunc(all, func(a, b *Timer) int { return a.due.Compare(b.due) })
	if !slices.Equal(called, all) {
		t.Errorf("%d timers were called, out of order; want %d", len(called), len(all))
	}
}

func TestTimersOfOneMomentKeepTheirOrder(t *testing.T) {
	l := bareLoop(t)
	due := time.Now().Add(-time.Second)
	var got []int
	for i := range 5 {
		l.insert(&Timer{loop: l, due: due, f: func() { got = append(got, i) }})
	}
	l.timers[3].Stop()
	l.runTimers()
	if want := []int{0, 1, 2, 4}; !slices.Equal(got, want) || len(l.timers) != 0 {
		t.Errorf("timers were called as %v, %d are left; want %v", got, len(l.timers), want)
	}
}

func TestTimerStop(t *testing.T) {
	l := bareLoop(t)
	bad := func() { t.Error("a stopped timer was called") }
	var victim *Timer
	l.After(time.Millisecond, func() { victim.Stop() })
	victim = l.After(time.Millisecond, bad)
	l.After(2*time.Millisecond, bad).Stop()

	var beat *Timer
	beats := 0
	beat = l.Every(time.Millisecond, func() {
		if beats++; beats == 3 {
			beat.Stop() // from within
			beat.Stop()
			l.After(10*time.Millisecond, l.Stop)
		}
	})
	run(t, l)
	if beats != 3 {
		t.Errorf("%d beats, want 3", beats)
	}
	(*Timer)(nil).Stop()
}

// Stop finds its timer wherever it is, and takes no other.
func TestStopAmongMany(t *testing.T) {
	l := bareLoop(t)
	random := rand.New(rand.NewPCG(1, 2))
	var all []*Timer
	for range 500 {
		all = append(all, l.After(time.Duration(random.IntN(100))*time.Hour, nil))
	}
	byDue := func(a, b *Timer) int { return a.due.Compare(b.due) }
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i, timer := range all {
		if !slices.Contains(l.timers, timer) {
			t.Fatal("a timer is missing that was not stopped")
		}
		timer.Stop()
		timer.Stop()
		if len(l.timers) != len(all)-i-1 || slices.Contains(l.timers, timer) {
			t.Fatalf("%d timers after %d were stopped", len(l.timers), i+1)
		}
		if !slices.IsSortedFunc(l.timers, byDue) {
			t.Fatal("the timers are not in order")
		}
	}
}

func TestEveryKeepsItsSchedule(t *testing.T) {
	const period = time.Hour
	l := bareLoop(t)
	calls := 0
	beat := l.Every(period, func() { calls++ })
	if beat.period != period || time.Until(beat.due) > period {
		t.Fatalf("due in %v, then every %v", time.Until(beat.due), beat.period)
	}
	for late, beats := range map[time.Duration]time.Duration{
		1:                            1,
		period / 2:                   1, // a late call does not delay the next
		period + time.Minute:         2, // a beat that was missed is left out
		2*period - time.Minute:       2,
		10*period + 30*time.Minute:   11,
		1000*period + 10*time.Minute: 1001,
	} {
		calls = 0
		due := time.Now().Add(-late)
		beat.due = due
		l.runTimers()
		if calls != 1 || !beat.due.Equal(due.Add(beats*period)) {
			t.Errorf("%v late: called %d times, the next is due %v after the last; want once and %v",
				late, calls, beat.due.Sub(due), beats*period)
		}
	}
}

func TestEveryGoesOn(t *testing.T) {
	l := bareLoop(t)
	const period = 2 * time.Millisecond
	start := time.Now()
	beats := 0
	var due []time.Time
	var beat *Timer
	beat = l.Every(period, func() {
		due = append(due, beat.due)
		if beats++; beats == 5 {
			l.Stop()
		}
	})
	run(t, l)
	if took := time.Since(start); took < 5*period {
		t.Errorf("5 beats after %v, want at least %v", took, 5*period)
	}
	for i := range due {
		if off := due[i].Sub(due[0]) % period; off != 0 {
			t.Errorf("beat %d is off by %v", i, off)
		}
	}
}

// The shortest period there is beats in every turn, and does not end.
func TestEveryOfANanosecond(t *testing.T) {
	l := bareLoop(t)
	beats := 0
	l.Every(1, func() {
		if beats++; beats == 3 {
			l.Stop()
		}
	})
	run(t, l)
	if beats != 3 {
		t.Errorf("%d beats, want 3", beats)
	}
}

// Only what was due when the turn's timers began is called in it.
func TestATimerThatIsDueAtOnceWaitsForTheNextTurn(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	add(t, l, ours, func() error {
		l.Stop()
		return nil
	})
	var again func()
	calls := 0
	again = func() {
		if calls++; calls == 3 {
			send(t, theirs, "x")
		}
		l.After(time.Microsecond, again)
	}
	again()
	run(t, l)
}

func TestHowLongTheLoopMaySleep(t *testing.T) {
	l := bareLoop(t)
	if d := l.untilNextTimer(); d >= 0 {
		t.Errorf("without a timer %v, want no limit", d)
	}
	for _, test := range []struct{ due, least, most time.Duration }{
		{1000 * time.Hour, time.Hour, time.Hour},
		{time.Hour + time.Minute, time.Hour, time.Hour},
		{30 * time.Minute, 29 * time.Minute, 30 * time.Minute},
		{-time.Second, 0, 0},
	} {
		timer := l.After(test.due, nil)
		if d := l.untilNextTimer(); d < test.least || d > test.most {
			t.Errorf("with a timer in %v: %v, want from %v to %v", test.due, d, test.least, test.most)
		}
		timer.Stop()
	}
}

// A loop that has nothing to do sleeps: the wait ends with the timer, or not at
// all without one.
func TestSleepsUntilTheNextTimer(t *testing.T) {
	l := bareLoop(t)
	start := time.Now()
	l.After(50*time.Millisecond, l.Stop)
	run(t, l)
	if slept := time.Since(start); slept < 50*time.Millisecond || l.turn > 100 {
		t.Errorf("%d turns in %v", l.turn, slept)
	}
	l.turn = 0
	time.AfterFunc(50*time.Millisecond, l.Stop)
	run(t, l)
	if l.turn > 100 {
		t.Errorf("%d turns without a timer", l.turn)
	}
}

func TestAWaitWithoutALimitEndsWithAnEvent(t *testing.T) {
	l := bareLoop(t)
	time.AfterFunc(20*time.Millisecond, l.Stop)
	n, err := l.poller.wait(-1)
	for err == unix.EINTR {
		n, err = l.poller.wait(-1)
	}
	if n != 1 || err != nil {
		t.Errorf("wait = %d, %v; want the event of Stop", n, err)
	}
}

// A server makes one wait for each turn, so it must leave nothing to collect.
func TestAWaitAllocatesNothing(t *testing.T) {
	l := bareLoop(t)
	l.After(time.Hour, nil)
	ours, theirs := pair(t)
	add(t, l, ours, nothing)
	send(t, theirs, "x")
	if n := testing.AllocsPerRun(100, func() { l.wait() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
