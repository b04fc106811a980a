package eventloop

import (
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newLoop returns a loop that gives up after a while: a test that fails must not
// hang.
func newLoop(t *testing.T) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.After(10*time.Second, func() {
		t.Error("the loop was still running after 10 s")
		l.Stop()
	})
	return l
}

// pair returns two connected sockets; the first one does not block.
func pair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fds[0], true)
	return fds[0], fds[1]
}

func run(t *testing.T, l *Loop) {
	t.Helper()
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, fd int, text string) {
	t.Helper()
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// quiet fails if the poller has anything to report.
func quiet(t *testing.T, l *Loop) {
	t.Helper()
	if n, err := l.poller.wait(0); n != 0 || err != nil {
		t.Fatalf("wait = %d, %v; want no events: the loop would spin", n, err)
	}
}

func unwanted() error { return errors.New("a handler was called that should not be") }

func TestReadIsLevelTriggered(t *testing.T) {
	l := newLoop(t)
	ours, theirs := pair(t)
	var got []byte
	l.Add(ours, func() error {
		var one [1]byte // the rest has to be reported again
		n, err := unix.Read(ours, one[:])
		if n == 0 {
			l.Stop()
		}
		got = append(got, one[:max(n, 0)]...)
		return err
	}, nil)
	send(t, theirs, "hello")
	unix.Close(theirs) // the end must not overtake the data
	run(t, l)
	if string(got) != "hello" {
		t.Errorf("read %q, want %q", got, "hello")
	}
}

func TestWriteIsCalledWhileWanted(t *testing.T) {
	l := newLoop(t)
	ours, _ := pair(t)
	calls := 0
	write := func() error {
		if calls++; calls == 3 {
			l.Want(ours, true, false)
			l.After(20*time.Millisecond, l.Stop)
		}
		return nil
	}
	l.Add(ours, unwanted, write)
	l.Want(ours, true, true)
	run(t, l)
	if calls != 3 {
		t.Errorf("write was called %d times, want 3", calls)
	}
	l.awake() // of Stop
	quiet(t, l)
}

func TestNothingWantedIsQuiet(t *testing.T) {
	l := newLoop(t)
	ours, theirs := pair(t)
	l.Add(ours, unwanted, unwanted)
	l.Want(ours, false, false)
	send(t, theirs, "unread")
	unix.Close(theirs) // an error or a hang-up, which nobody asked for
	quiet(t, l)

	got := ""
	l.watches[ours].read = func() error {
		var buf [16]byte
		n, err := unix.Read(ours, buf[:])
		got = string(buf[:n])
		l.Stop()
		return err
	}
	l.Want(ours, true, false)
	run(t, l)
	if got != "unread" {
		t.Errorf("read %q after the pause, want what came during it", got)
	}
}

func TestHangupCallsTheHandlerThatIsWanted(t *testing.T) {
	l := newLoop(t)
	ours, theirs := pair(t)
	for { // until there is no room: only the hang-up can make it writable
		if _, err := unix.Write(ours, make([]byte, 4096)); err != nil {
			break
		}
	}
	var got error
	l.Add(ours, unwanted, func() error {
		_, got = unix.Write(ours, []byte("x"))
		l.Stop()
		return nil
	})
	l.Want(ours, false, true)
	quiet(t, l)
	unix.Close(theirs)
	run(t, l)
	if got != unix.EPIPE && got != unix.ECONNRESET {
		t.Errorf("write to a peer that is gone: %v, want EPIPE or ECONNRESET", got)
	}
}

func TestRemoveInTheSameTurn(t *testing.T) {
	l := newLoop(t)
	a, toA := pair(t)
	b, toB := pair(t)
	calls := 0
	remove := func(other int) func() error {
		return func() error {
			calls++
			l.Remove(other)
			if _, err := unix.FcntlInt(uintptr(other), unix.F_GETFD, 0); err != nil {
				t.Errorf("the number was free for reuse before the end of the turn: %v", err)
			}
			l.Stop()
			return nil
		}
	}
	l.Add(a, remove(b), nil)
	l.Add(b, remove(a), nil)
	send(t, toA, "x")
	send(t, toB, "x")
	run(t, l)
	if calls != 1 {
		t.Errorf("%d handlers were called, want 1: the other one was removed", calls)
	}
	a1, b1 := unix.SetNonblock(a, true), unix.SetNonblock(b, true)
	if (a1 == unix.EBADF) == (b1 == unix.EBADF) {
		t.Errorf("after the turn: %v, %v; want one of them closed", a1, b1)
	}
}

func TestRemoveItself(t *testing.T) {
	l := newLoop(t)
	ours, theirs := pair(t)
	removed := false
	read := func() error { // before the write handler, or never
		if removed {
			t.Error("read was called after Remove")
		}
		return nil
	}
	l.Add(ours, read, func() error {
		removed = true
		l.Remove(ours)
		l.After(0, l.Stop)
		return nil
	})
	l.Want(ours, true, true)
	send(t, theirs, "x")
	run(t, l)
}

func TestMoreEventsThanOneWaitReports(t *testing.T) {
	l := newLoop(t)
	const n = 600
	var limit unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	if uint64(limit.Cur) < 2*n+50 {
		t.Skipf("only %d descriptors", limit.Cur)
	}
	seen := map[int]bool{}
	for range n {
		ours, theirs := pair(t)
		l.Add(ours, func() error {
			seen[ours] = true
			l.Remove(ours)
			unix.Close(theirs)
			if len(seen) == n {
				l.Stop()
			}
			return nil
		}, nil)
		send(t, theirs, "x")
	}
	run(t, l)
	if len(seen) != n {
		t.Errorf("%d descriptors were reported, want %d", len(seen), n)
	}
}

func TestHandlerErrorEndsRun(t *testing.T) {
	l := newLoop(t)
	ours, theirs := pair(t)
	want := errors.New("mine")
	l.Add(ours, func() error { return want }, nil)
	send(t, theirs, "x")
	if err := l.Run(); err != want {
		t.Errorf("Run = %v, want the handler's error", err)
	}
}

func TestMisuseIsAnError(t *testing.T) {
	l := newLoop(t)
	ours, theirs := pair(t)
	if err := l.Add(ours, unwanted, nil); err != nil {
		t.Fatal(err)
	}
	unix.Close(theirs)
	if l.Add(ours, unwanted, nil) == nil {
		t.Error("Add of a registered descriptor succeeded")
	}
	if l.Want(theirs, true, false) == nil || l.Want(99999, true, false) == nil {
		t.Error("Want of a descriptor that is not registered succeeded")
	}
	if err := l.Add(theirs, unwanted, nil); !errors.Is(err, unix.EBADF) {
		t.Errorf("Add of a closed descriptor: %v, want EBADF", err)
	}
	l.Remove(ours)
	if l.Want(ours, true, false) == nil {
		t.Error("Want of a removed descriptor succeeded")
	}
}

func TestStop(t *testing.T) {
	l := newLoop(t)
	l.Stop() // before Run: the next one ends at once
	l.Stop()
	run(t, l)
	for range 100 { // from elsewhere, and Run can be called again
		go l.Stop()
		run(t, l)
	}
	l.Close()
	l.Stop() // must not write into somebody else's descriptor
	l.Close()
}

func TestTimersAreCalledInOrder(t *testing.T) {
	l := newLoop(t)
	var got []int
	for _, ms := range []int{30, 10, 20, 0, 10} {
		start := time.Now()
		l.After(time.Duration(ms)*time.Millisecond, func() {
			if early := time.Duration(ms)*time.Millisecond - time.Since(start); early > 0 {
				t.Errorf("the timer of %d ms came %v early", ms, early)
			}
			got = append(got, ms)
		})
	}
	l.After(20*time.Millisecond, func() { l.After(20*time.Millisecond, l.Stop) })
	run(t, l)
	if want := []int{0, 10, 10, 20, 30}; !slices.Equal(got, want) {
		t.Errorf("timers were called as %v, want %v", got, want)
	}
}

func TestTimerStop(t *testing.T) {
	l := newLoop(t)
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

func TestEveryKeepsItsBeat(t *testing.T) {
	const period = 10 * time.Millisecond
	l := newLoop(t)
	start := time.Now()
	var first time.Time
	var beat *Timer
	beats := 0
	beat = l.Every(period, func() {
		if beats++; beats == 1 {
			first = beat.due
			time.Sleep(3*period + period/2) // too busy for three beats
		}
		if off := beat.due.Sub(first) % period; off != 0 {
			t.Errorf("beat %d is off the beat by %v", beats, off)
		}
		if beats == 5 {
			l.Stop()
		}
	})
	run(t, l)
	// Due at 10, 20 (called late), 50, 60 and 70 ms: 30 and 40 are left out.
	if least := 7 * period; time.Since(start) < least {
		t.Errorf("5 beats after %v, want at least %v", time.Since(start), least)
	}
}

// A loop that has nothing to do sleeps: the wait ends with the timer, not before.
func TestSleepsUntilTheNextTimer(t *testing.T) {
	l := newLoop(t)
	var before, after unix.Rusage
	l.After(300*time.Millisecond, l.Stop)
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	run(t, l)
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	used := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	if used > 150*time.Millisecond {
		t.Errorf("%v of CPU in 300 ms of sleep", used)
	}
}
