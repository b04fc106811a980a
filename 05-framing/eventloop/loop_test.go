package eventloop

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also a program that narrates, when a test starts it as that.
func TestMain(m *testing.M) {
	if os.Getenv("EVENTLOOP_TEST_PROGRAM") != "" {
		narratedProgram()
		return
	}
	os.Exit(m.Run())
}

// bareLoop returns a loop without timers. A test that fails must not hang, so
// the loop is stopped from outside after a while.
func bareLoop(t *testing.T) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	alarm := time.AfterFunc(10*time.Second, func() {
		t.Error("the loop was still running after 10 s")
		l.Stop()
	})
	deaf := time.AfterFunc(15*time.Second, func() { panic(t.Name() + ": Stop did not end the loop") })
	t.Cleanup(func() {
		alarm.Stop()
		deaf.Stop()
		l.Close()
	})
	return l
}

// pair returns two connected sockets that do not block.
func pair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		unix.SetNonblock(fd, true)
	}
	return fds[0], fds[1]
}

func run(t *testing.T, l *Loop) {
	t.Helper()
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

// turn runs the loop for one turn, with at least one event: the stop.
func turn(t *testing.T, l *Loop) {
	t.Helper()
	before := l.turn
	l.stopping.Store(false)
	l.After(0, func() { l.stopping.Store(true) })
	run(t, l)
	if l.turn != before+1 {
		t.Fatalf("%d turns, want 1", l.turn-before)
	}
}

func add(t *testing.T, l *Loop, fd int, ready func() error) {
	t.Helper()
	if err := l.Add(fd, ready); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, l *Loop, fd int, read, write bool) {
	t.Helper()
	if err := l.Want(fd, read, write); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, l *Loop, fd int) {
	t.Helper()
	if err := l.Remove(fd); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, fd int, text string) {
	t.Helper()
	if _, err := unix.Write(fd, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// fill writes to fd until it takes no more.
func fill(t *testing.T, fd int) {
	t.Helper()
	for _, size := range []int{4096, 1} {
		for {
			if _, err := unix.Write(fd, make([]byte, size)); err == unix.EAGAIN {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// next returns the number that the next descriptor will get.
func next(t *testing.T) int {
	t.Helper()
	fd, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	return fd
}

// quiet fails if the poller has anything to report.
func quiet(t *testing.T, l *Loop) {
	t.Helper()
	if n, err := l.poller.wait(0); n != 0 || err != nil {
		t.Fatalf("wait = %d, %v; want no events: the loop would spin", n, err)
	}
}

func unwanted() error { return errors.New("a handler was called that should not be") }

func nothing() error { return nil }

func TestReadingIsLevelTriggered(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	got := ""
	add(t, l, ours, func() error {
		var one [1]byte // the rest has to be reported again
		n, err := unix.Read(ours, one[:])
		if n == 0 {
			l.Stop()
		}
		got += string(one[:max(n, 0)])
		return err
	})
	send(t, theirs, "hello")
	unix.Close(theirs) // the end must not overtake the data
	run(t, l)
	if got != "hello" {
		t.Errorf("read %q, want %q", got, "hello")
	}
}

func TestWritingIsReportedWhileWanted(t *testing.T) {
	l := bareLoop(t)
	ours, _ := pair(t)
	calls := 0
	add(t, l, ours, func() error {
		if calls++; calls == 3 {
			want(t, l, ours, true, false)
		}
		return nil
	})
	turn(t, l)
	if calls != 0 {
		t.Fatal("the handler was called before writing was wanted")
	}
	want(t, l, ours, true, true)
	for range 5 {
		turn(t, l)
	}
	if calls != 3 {
		t.Errorf("the handler was called %d times, want 3", calls)
	}
	quiet(t, l)
}

func TestOneCallInATurnForBothReadinesses(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	calls := 0
	add(t, l, ours, func() error { calls++; return nil })
	want(t, l, ours, true, true)
	send(t, theirs, "x")
	for turns := range 4 {
		if calls != turns {
			t.Fatalf("%d calls in %d turns, want one in each", calls, turns)
		}
		turn(t, l)
	}
}

// A kqueue reports the two readinesses as two events.
func TestTwoEventsInATurnAreOneCall(t *testing.T) {
	l := bareLoop(t)
	ours, _ := pair(t)
	calls := 0
	add(t, l, ours, func() error { calls++; return nil })
	want(t, l, ours, true, true)
	for turns := range 3 {
		l.turn++
		for _, ready := range []interest{readable, writable, readable | writable} {
			if err := l.dispatch(ours, ready); err != nil || calls != turns+1 {
				t.Fatalf("%d calls, %v; want %d", calls, err, turns+1)
			}
		}
	}
	l.watches[ours].wanted = writable // as if another handler had changed it
	l.turn++
	if l.dispatch(ours, readable); calls != 3 {
		t.Error("the handler was called for something that is not wanted any more")
	}
	if l.dispatch(ours, writable); calls != 4 {
		t.Error("the event that was not wanted has used up the turn's call")
	}
}

func TestAHandlerCanChangeWhatIsWantedOfAnother(t *testing.T) {
	l := bareLoop(t)
	var fds [2]int
	calls := 0
	for i := range fds {
		ours, theirs := pair(t)
		fds[i] = ours
		add(t, l, ours, func() error {
			calls++
			want(t, l, fds[1-i], false, true) // full, so it is not ready for that
			return nil
		})
		fill(t, ours)
		send(t, theirs, "x")
	}
	turn(t, l)
	if calls != 1 {
		t.Errorf("%d handlers were called, want 1: reading the other was not wanted any more", calls)
	}
}

func TestNothingWantedIsQuiet(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	got := ""
	add(t, l, ours, func() error {
		var buf [16]byte
		n, err := unix.Read(ours, buf[:])
		got += string(buf[:n])
		return err
	})
	want(t, l, ours, false, false)
	send(t, theirs, "unread")
	unix.Close(theirs) // an error or a hang-up, which nobody asked for
	quiet(t, l)
	turn(t, l)
	if got != "" {
		t.Fatal("the handler was called when nothing was wanted")
	}
	want(t, l, ours, true, false)
	turn(t, l)
	if got != "unread" {
		t.Errorf("read %q after the pause, want what came during it", got)
	}
}

func TestHangupCallsTheHandler(t *testing.T) {
	var fds [2]int // of a pipe, for which Linux reports an end without a readiness
	for side, name := range []string{"reader", "writer"} {
		l := bareLoop(t)
		if err := unix.Pipe(fds[:]); err != nil {
			t.Fatal(err)
		}
		ours, theirs := fds[side], fds[1-side]
		unix.SetNonblock(fds[1], true)
		calls := 0
		add(t, l, ours, func() error { calls++; return nil })
		if name == "writer" {
			fill(t, ours)
			want(t, l, ours, false, true)
		}
		turn(t, l)
		if calls != 0 {
			t.Fatalf("%s: called before the end", name)
		}
		unix.Close(theirs)
		turn(t, l)
		turn(t, l)
		if calls != 2 {
			t.Errorf("%s: %d calls in two turns after the end, want 2", name, calls)
		}
	}
}

func TestHangupOfASocket(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	fill(t, ours) // only the hang-up can make it writable
	var got error
	add(t, l, ours, func() error {
		_, got = unix.Write(ours, []byte("x"))
		l.Stop()
		return nil
	})
	want(t, l, ours, false, true)
	quiet(t, l)
	unix.Close(theirs)
	run(t, l)
	if got != unix.EPIPE && got != unix.ECONNRESET {
		t.Errorf("write to a peer that is gone: %v, want EPIPE or ECONNRESET", got)
	}
}

func TestRemoveOfAnotherReadyDescriptor(t *testing.T) {
	l := bareLoop(t)
	var fds [2]int
	calls, removed := 0, -1
	for i := range fds {
		ours, theirs := pair(t)
		fds[i] = ours
		add(t, l, ours, func() error {
			calls++
			removed = fds[1-i]
			remove(t, l, removed)
			if !isOpen(removed) {
				t.Error("the number was free for reuse before the end of the turn")
			}
			return nil
		})
		send(t, theirs, "x")
	}
	turn(t, l)
	if calls != 1 {
		t.Errorf("%d handlers were called, want 1: the other one was removed", calls)
	}
	if isOpen(removed) {
		t.Error("still open after the turn")
	}
}

func TestRemoveOfItself(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	calls := 0
	add(t, l, ours, func() error {
		calls++
		remove(t, l, ours)
		if _, err := unix.Write(ours, []byte("bye")); err != nil {
			t.Errorf("closed before the end of the turn: %v", err)
		}
		return nil
	})
	want(t, l, ours, true, true)
	send(t, theirs, "x")
	turn(t, l)
	turn(t, l)
	if calls != 1 || isOpen(ours) {
		t.Errorf("%d calls, open: %v; want one call, and that it is closed", calls, isOpen(ours))
	}
}

// What a timer removes is closed before the loop sleeps again. The other end notices.
func TestRemoveByATimer(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	add(t, l, ours, unwanted)
	add(t, l, theirs, func() error { l.Stop(); return nil })
	l.After(0, func() { remove(t, l, ours) })
	run(t, l)
	if isOpen(ours) {
		t.Error("still open after Run")
	}
}

func TestANumberIsUsedAgain(t *testing.T) {
	l := bareLoop(t)
	old, _ := pair(t)
	add(t, l, old, unwanted)
	want(t, l, old, false, false)
	remove(t, l, old)
	ours, theirs := pair(t)
	if ours == old || theirs == old {
		t.Fatal("the number was used again before the end of the turn")
	}
	turn(t, l)
	if again, _ := unix.Dup(ours); again != old {
		t.Skipf("the next number is %d, not %d", again, old)
	}
	unix.SetNonblock(old, true)
	calls := 0
	add(t, l, old, func() error { calls++; return nil }) // reading is wanted again
	send(t, theirs, "x")
	turn(t, l)
	if calls != 1 {
		t.Errorf("the new handler was called %d times, want once", calls)
	}
}

// What is removed while the loop does not run is closed when it does.
func TestRemoveOfWhatWasNeverAdded(t *testing.T) {
	l := bareLoop(t)
	a, b := pair(t)
	remove(t, l, a)
	var inside bool
	l.After(0, func() {
		inside = isOpen(a)
		remove(t, l, b)
		inside = inside || !isOpen(b)
	})
	turn(t, l)
	if inside || isOpen(a) || isOpen(b) {
		t.Errorf("in the turn: %v, after it: %v, %v; want both closed at the end of their turn",
			inside, isOpen(a), isOpen(b))
	}
}

func TestRemoveTwiceClosesOnce(t *testing.T) {
	l := bareLoop(t)
	ours, _ := pair(t)
	add(t, l, ours, unwanted)
	remove(t, l, ours)
	if l.Remove(ours) == nil {
		t.Error("the second Remove in a turn is not an error")
	}
	if !slices.Equal(l.removed, []int{ours}) {
		t.Errorf("%v will be closed, want %d once", l.removed, ours)
	}
	never, _ := pair(t)
	remove(t, l, never) // whether it was registered or not
	for _, fd := range []int{ours, never} {
		if l.Add(fd, nothing) == nil {
			t.Error("Add of a descriptor that is about to be closed is not an error")
		}
	}
	turn(t, l)
	if len(l.removed) != 0 {
		t.Errorf("%v will be closed again", l.removed)
	}
	unix.Dup(0) // which gets the number
	if err := l.Remove(ours); err != nil {
		t.Errorf("Remove in a later turn: %v", err)
	}
}

// A descriptor that the kernel has not closed is still registered, and reported in
// each turn.
func TestCloseFailed(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	defer unix.Close(theirs)
	defer unix.Close(ours)
	add(t, l, ours, unwanted)
	l.watches[ours] = watch{} // all that Remove leaves after a close that was none
	send(t, theirs, "late")
	turn(t, l)
	quiet(t, l)
}

func TestMoreEventsThanOneWaitReports(t *testing.T) {
	const n = 600
	var limit unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	if uint64(limit.Cur) < 2*n+100 {
		t.Skipf("only %d descriptors", limit.Cur)
	}
	l := bareLoop(t)
	timely := false
	l.After(0, func() { timely = true })
	seen := map[int]bool{}
	for range n {
		ours, theirs := pair(t)
		add(t, l, ours, func() error {
			seen[ours] = true
			remove(t, l, ours)
			unix.Close(theirs)
			if len(seen) == n { // not before the third turn
				l.Stop()
				if !timely {
					t.Error("with as many events as a wait reports, a timer that is due has to wait")
				}
			}
			return nil
		})
		send(t, theirs, "x")
	}
	run(t, l)
	if len(seen) != n {
		t.Errorf("%d descriptors were reported, want %d", len(seen), n)
	}
}

func TestHandlerErrorEndsRun(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	other, _ := pair(t)
	mine := errors.New("mine")
	failing := true
	add(t, l, ours, func() error {
		if failing {
			remove(t, l, other)
			return mine
		}
		l.Stop()
		return nil
	})
	send(t, theirs, "x")
	if err := l.Run(); err != mine {
		t.Errorf("Run = %v, want the handler's error", err)
	}
	if isOpen(other) {
		t.Error("what was removed is still open")
	}
	failing = false
	run(t, l) // it goes on where it was
}

// The first of two that fail is the last that is called, and a stop in the same turn
// does not hide what it returned.
func TestHandlerErrorEndsRunAtOnce(t *testing.T) {
	l := bareLoop(t)
	mine := errors.New("mine")
	calls := 0
	for range 2 {
		ours, theirs := pair(t)
		add(t, l, ours, func() error {
			calls++
			l.Stop()
			return mine
		})
		send(t, theirs, "x")
	}
	if err := l.Run(); err != mine || calls != 1 {
		t.Errorf("Run = %v after %d handlers, want the first one's error", err, calls)
	}
}

func TestPollerErrorEndsRun(t *testing.T) {
	l := bareLoop(t)
	unix.Close(l.poller.fd)
	err := l.Run()
	var call *os.SyscallError
	if !errors.As(err, &call) || call.Syscall != waitCall || call.Err != unix.EBADF {
		t.Errorf("Run without a poller: %v, want EBADF of %s", err, waitCall)
	}
	l.poller.fd = -1
}

func TestMisuseIsAnError(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	add(t, l, ours, unwanted)
	for what, err := range map[string]error{
		"Add of -1":                 l.Add(-1, nothing),
		"Add without a handler":     l.Add(theirs, nil),
		"Add for the second time":   l.Add(ours, nothing),
		"Want of -1":                l.Want(-1, true, false),
		"Want of an unknown one":    l.Want(theirs, true, false),
		"Want of the next in table": l.Want(len(l.watches), true, false),
		"Want of a large number":    l.Want(1<<30, true, false),
		"Remove of -1":              l.Remove(-1),
	} {
		name, _, _ := strings.Cut(what, " ")
		if err == nil || !strings.HasPrefix(err.Error(), "eventloop: "+name+": descriptor ") {
			t.Errorf("%s: %v, want an error of the loop's own, not the kernel's", what, err)
		}
	}
	turn(t, l) // nothing of this has done anything
	if !isOpen(ours) || !isOpen(theirs) {
		t.Error("a descriptor was closed")
	}
	remove(t, l, ours)
	if l.Want(ours, true, false) == nil {
		t.Error("Want of a removed descriptor is not an error")
	}
}

func TestSystemCallsThatFail(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	failed := func(err error) bool {
		var call *os.SyscallError
		return errors.As(err, &call) && call.Syscall == setCall && call.Err == unix.EBADF
	}
	unix.Close(theirs)
	if err := l.Add(theirs, nothing); !failed(err) {
		t.Errorf("Add of a closed descriptor: %v, want EBADF of %s", err, setCall)
	}
	if l.registered(theirs) {
		t.Error("it is registered all the same")
	}
	add(t, l, ours, nothing)
	unix.Close(ours)
	for range 2 { // the first failure must not look like success
		if err := l.Want(ours, true, true); !failed(err) {
			t.Errorf("Want of a closed descriptor: %v, want EBADF of %s", err, setCall)
		}
	}
	if err := l.Want(ours, true, false); err != nil {
		t.Errorf("Want without a change: %v; it should make no system call", err)
	}
}

func TestDescriptorZero(t *testing.T) {
	saved, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := pair(t)
	unix.Close(0)
	if fd, err := unix.Dup(ours); fd != 0 {
		t.Fatal(fd, err)
	}
	defer func() {
		unix.Close(0)
		unix.Dup(saved)
		unix.Close(saved)
	}()
	l := bareLoop(t)
	calls := 0
	add(t, l, 0, func() error { calls++; return nil })
	want(t, l, 0, true, false)
	send(t, theirs, "x")
	turn(t, l)
	if calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
	remove(t, l, 0)
	l.closeRemoved()
	if isOpen(0) {
		t.Error("still open")
	}
}

// The table grows by need, and keeps what is in it.
func TestDescriptorsOfAllSizes(t *testing.T) {
	l := bareLoop(t)
	ours, theirs := pair(t)
	send(t, theirs, "x")
	calls := 0
	for _, least := range []int{200, 300, len(l.watches), 60} {
		fd, err := unix.FcntlInt(uintptr(ours), unix.F_DUPFD, max(least, len(l.watches)))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		add(t, l, fd, func() error { calls++; return nil })
	}
	turn(t, l)
	if calls != 4 {
		t.Errorf("%d descriptors were reported, want 4", calls)
	}
}

func TestStop(t *testing.T) {
	l := bareLoop(t)
	l.Stop() // before Run: the next one ends at once
	l.Stop()
	run(t, l)
	if l.turn != 0 {
		t.Errorf("%d turns after a Stop, want none", l.turn)
	}
	for range 100 { // from elsewhere, and Run can be called again
		go l.Stop()
		run(t, l)
	}
	turn(t, l) // takes what is left in the pipe
	quiet(t, l)

	unix.SetNonblock(l.wakeUp[1], true)
	fill(t, l.wakeUp[1])
	l.Stop() // must not wait for room
	run(t, l)
}

func TestStopLetsTheTurnEnd(t *testing.T) {
	l := bareLoop(t)
	calls := 0
	for range 2 {
		ours, theirs := pair(t)
		add(t, l, ours, func() error {
			calls++
			l.Stop()
			return nil
		})
		send(t, theirs, "x")
	}
	last, _ := pair(t)
	l.After(0, func() { remove(t, l, last) })
	run(t, l)
	if calls != 2 || isOpen(last) {
		t.Errorf("%d calls, open: %v; want the whole turn, and its end", calls, isOpen(last))
	}
}

// A Stop that comes late must not write into somebody else's descriptor, nor
// may a second Close close it.
func TestStopAndCloseAfterClose(t *testing.T) {
	l := bareLoop(t)
	kept, _ := pair(t)
	removed, other := pair(t)
	unix.Close(other)
	add(t, l, kept, nothing)
	add(t, l, removed, nothing)
	remove(t, l, removed)
	own := []int{l.wakeUp[0], l.wakeUp[1], l.poller.fd}
	l.Close()
	if slices.ContainsFunc(own, isOpen) {
		t.Error("a descriptor of the loop's own is still open")
	}
	if max(l.wakeUp[0], l.wakeUp[1], l.poller.fd) >= 0 {
		t.Error("the loop still has numbers that others may get")
	}
	if !isOpen(kept) || isOpen(removed) {
		t.Errorf("open after Close: %v, %v; want only the one that is still registered",
			isOpen(kept), isOpen(removed))
	}
	var theirs []int
	for range 8 { // get all numbers that the loop had
		a, b := pair(t)
		theirs = append(theirs, a, b)
	}
	l.Stop()
	l.Close()
	for _, fd := range theirs {
		if n, err := unix.Read(fd, make([]byte, 1)); err != unix.EAGAIN {
			t.Errorf("descriptor %d, opened after Close: %d, %v; want that it is empty", fd, n, err)
		}
	}
	for _, fd := range theirs {
		unix.Close(fd)
	}
}

func TestOwnDescriptors(t *testing.T) {
	l := bareLoop(t)
	for i, fd := range []int{l.wakeUp[0], l.wakeUp[1], l.poller.fd} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d would be inherited: %d, %v", i, flags, err)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if i < 2 && flags&unix.O_NONBLOCK == 0 {
			t.Errorf("descriptor %d blocks: %d, %v", i, flags, err)
		}
	}
}

// With too few descriptors New fails, names the call, and leaves nothing open.
func TestNewWithoutDescriptors(t *testing.T) {
	bareLoop(t) // what the Go runtime needs is open from here on
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	free := next(t)
	for spare, call := range []string{newCall, "pipe", "pipe"} {
		low := limit
		low.Cur = 0
		for range free + spare { // its type differs by system
			low.Cur++
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		l, err := New()
		unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		var failed *os.SyscallError
		if !errors.As(err, &failed) || failed.Syscall != call || failed.Err != unix.EMFILE {
			t.Errorf("%d descriptors: %v, want EMFILE of %s", spare, err, call)
		}
		if l != nil || next(t) != free {
			t.Errorf("%d descriptors: something was left open", spare)
		}
	}
}

// After a signal the loop waits for the time that is left: neither for none nor for
// all of it again.
func TestASignalDoesNotEndTheWait(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	defer signal.Stop(signals)
	interrupt := interrupter()
	for range 5 { // a storm has gaps, in which the whole wait may pass
		l := bareLoop(t)
		done := make(chan struct{})
		start := time.Now()
		l.After(100*time.Millisecond, func() {
			if slept := time.Since(start); slept < 100*time.Millisecond {
				t.Errorf("the timer came after %v", slept)
			}
			close(done)
			l.Stop()
		})
		over := storm(signals, interrupt, done, 3*time.Second)
		run(t, l)
		if <-over {
			t.Fatal("a timer of 100 ms came only when signals had ceased, after 3 s")
		}
	}
}

// storm sends signals until done, for limit at most. It tells whether it came to that.
func storm(signals chan os.Signal, interrupt func(), done chan struct{}, limit time.Duration) (over chan bool) {
	over = make(chan bool, 1)
	go func() {
		for start := time.Now(); time.Since(start) < limit; {
			select {
			case <-done:
				over <- false
				return
			case <-signals: // one has come: the next
			default:
				interrupt()
			}
		}
		over <- true
	}()
	return over
}
