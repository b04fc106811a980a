package narrate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// objects decodes lines of JSON. A line that was torn is none; it ends in "…".
func objects(t *testing.T, text string) (all []object) {
	t.Helper()
	for line := range strings.Lines(text) {
		var o object
		if err := json.Unmarshal([]byte(line), &o); err == nil {
			all = append(all, o)
		} else if !strings.HasSuffix(line, "…\n") {
			t.Fatalf("%q: %v", line, err)
		}
	}
	return all
}

// expectJSON compares objects, which want lists as they ought to be printed, but
// for their places.
func (l *listener) expectJSON(want ...string) {
	l.t.Helper()
	got := strings.SplitAfter(l.told(), "\n")
	got = got[:len(got)-1]
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || withoutPlace(l.t, got[i]) != want[i] {
			l.t.Errorf("object %d of %d:\n%s\nwant:\n%s", i, len(got), strings.Join(got, ""), strings.Join(want, "\n"))
			return
		}
	}
}

func withoutPlace(t *testing.T, line string) string {
	t.Helper()
	before, place, found := strings.Cut(line, `,"file":`)
	if !found {
		return strings.TrimSuffix(line, "\n")
	}
	_, after, _ := strings.Cut(place, `,"line":`)
	return before + strings.TrimLeft(strings.TrimSuffix(after, "\n"), "0123456789")
}

func TestCallsAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "json")
		pass(1500 * time.Microsecond)
		Done(Call{Name: "accept", Arg: 3, Result: 7, Words: "127.0.0.1:51514"})
		Done(Call{Name: "read", Arg: 7, Result: 6, Bytes: []byte("hello\n")})
		Done(Call{Name: "read", Arg: 7, Result: 40, Bytes: []byte(strings.Repeat("a", 32) + "and more")})
		Done(Call{Name: "read", Arg: 7, Words: "end of file"})
		Done(Call{Name: "write", Arg: 7, Result: -1, Err: unix.EPIPE})
		Registration("epoll_ctl", 4, 7, true, true, nil)
		Registration("epoll_ctl", 4, 7, false, false, nil)
		l.expectJSON(
			`{"t":1500,"kind":"call","call":"accept","arg":3,"result":7,"words":"127.0.0.1:51514"}`,
			`{"t":1500,"kind":"call","call":"read","arg":7,"result":6,"words":"\"hello\\n\"","bytes":"aGVsbG8K"}`,
			fmt.Sprintf(`{"t":1500,"kind":"call","call":"read","arg":7,"result":40,"words":"\"%s\"...","bytes":"%sYWE="}`,
				strings.Repeat("a", 32), strings.Repeat("YWFh", 10)),
			`{"t":1500,"kind":"call","call":"read","arg":7,"result":0,"words":"end of file"}`,
			`{"t":1500,"kind":"call","call":"write","arg":7,"errno":"EPIPE","words":"broken pipe"}`,
			`{"t":1500,"kind":"call","call":"epoll_ctl","arg":4,"result":0,"words":"descriptor 7: read, write","fd":7,"want":{"read":[7],"write":[7]}}`,
			`{"t":1500,"kind":"call","call":"epoll_ctl","arg":4,"result":0,"words":"descriptor 7: nothing","fd":7,"want":{}}`,
		)
	})
}

func TestCallsThatSleepAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "json")
		call := Enter(Call{Name: "read", Arg: 7})
		l.expectJSON(`{"t":0,"kind":"enter","call":"read","arg":7}`)
		pass(time.Second)
		call.Bytes = []byte("x")
		call.Return(1, nil)
		wait := Wait(Call{Name: "select", Arg: 9, Timeout: 5 * time.Millisecond, Want: &Set{Read: []int{3, 8}, Write: []int{8}}})
		pass(time.Millisecond)
		wait.Ready = &Set{Read: []int{3}}
		wait.Return(1, nil)
		l.expectJSON(
			`{"t":1000000,"kind":"call","call":"read","arg":7,"result":1,"words":"\"x\"","bytes":"eA==","slept":1000000}`,
			`{"t":1000000,"kind":"enter","call":"select","arg":9,"want":{"read":[3,8],"write":[8]},"timeout":5000}`,
			`{"t":1001000,"kind":"call","call":"select","arg":9,"result":1,"want":{"read":[3,8],"write":[8]},"ready":{"read":[3]},"timeout":5000,"slept":1000}`,
		)
		Wait(Call{Name: "kevent", Arg: 4, Timeout: -1}).Return(-1, unix.EINTR)
		Wait(Call{Name: "kevent", Arg: 4, Timeout: 0}).Return(0, nil)
		Enter(Call{Name: "read", Arg: 7}).Return(-1, unix.EAGAIN)
		l.expectJSON(
			`{"t":1001000,"kind":"enter","call":"kevent","arg":4}`,
			`{"t":1001000,"kind":"call","call":"kevent","arg":4,"errno":"EINTR","words":"a signal came first","ready":{},"slept":0}`,
			`{"t":1001000,"kind":"enter","call":"kevent","arg":4,"timeout":0}`,
			`{"t":1001000,"kind":"call","call":"kevent","arg":4,"result":0,"ready":{},"timeout":0,"slept":0}`,
			`{"t":1001000,"kind":"enter","call":"read","arg":7}`,
			`{"t":1001000,"kind":"call","call":"read","arg":7,"errno":"EAGAIN","words":"nothing there yet","slept":0}`,
		)
	})
}

func TestFoldingAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "json")
		for range 1000 {
			eagain("accept", 3)
			eagain("read", 7)
		}
		l.expectJSON(
			`{"t":0,"kind":"call","call":"accept","arg":3,"errno":"EAGAIN","words":"nobody is waiting"}`,
			`{"t":0,"kind":"call","call":"read","arg":7,"errno":"EAGAIN","words":"nothing there yet"}`,
		)
		for range 3 {
			eagain("write", 7) // new, so what was folded is told before it
		}
		l.expectJSON(
			`{"t":0,"kind":"again","counts":[{"call":"accept","arg":3,"count":999},{"call":"read","arg":7,"count":999}]}`,
			`{"t":0,"kind":"call","call":"write","arg":7,"errno":"EAGAIN","words":"no room for more yet"}`,
		)
		eagain("read", 7)
		Done(Call{Name: "close", Arg: 9})
		l.expectJSON(
			`{"t":0,"kind":"again","counts":[{"call":"read","arg":7,"count":1},{"call":"write","arg":7,"count":2}]}`,
			`{"t":0,"kind":"call","call":"close","arg":9,"result":0}`,
		)
		eagain("read", 7)
		l.expectJSON(`{"t":0,"kind":"call","call":"read","arg":7,"errno":"EAGAIN","words":"nothing there yet"}`)
		pass(time.Second)
		eagain("read", 7)
		pass(time.Second)
		l.expectJSON(`{"t":2000000,"kind":"again","counts":[{"call":"read","arg":7,"count":1}]}`)
		eagain("read", 7)
		call := Enter(Call{Name: "accept", Arg: 3})
		call.Return(8, nil)
		eagain("read", 7)
		eagain("read", 7)
		logLine("client \"1\": gone")
		l.expectJSON(
			`{"t":2000000,"kind":"again","counts":[{"call":"read","arg":7,"count":1}]}`,
			`{"t":2000000,"kind":"enter","call":"accept","arg":3}`,
			`{"t":2000000,"kind":"call","call":"accept","arg":3,"result":8,"slept":0}`,
			`{"t":2000000,"kind":"call","call":"read","arg":7,"errno":"EAGAIN","words":"nothing there yet"}`,
			`{"t":2000000,"kind":"again","counts":[{"call":"read","arg":7,"count":1}]}`,
			`{"t":2000000,"kind":"log","text":"client \"1\": gone"}`,
		)
	})
}

// outside calls f from a line that is not in shared/, and returns that line.
func outside(f func()) (where place) {
	new(sync.Once).Do(func() {
		var pcs [10]uintptr
		for frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])]); ; {
			frame, more := frames.Next()
			if !more || strings.HasPrefix(frame.Function, "sync.") {
				where = place{frame.File, frame.Line}
				break
			}
		}
		f()
	})
	return where
}

func TestPlaces(t *testing.T) {
	l := listen(t, "json")
	var call *Call
	where := outside(func() {
		Done(Call{Name: "close", Arg: 9})
		call = Enter(Call{Name: "read", Arg: 7})
	})
	call.Return(1, nil) // from somewhere else
	got := objects(t, l.told())
	for _, o := range got {
		if o.place != where {
			t.Errorf("%s of %s at %v, want %v", o.Kind, o.Call, o.place, where)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d objects, want 3", len(got))
	}
	l.record.folder = filepath.Dir(filepath.Dir(where.File)) // as if that were a program's
	outside(func() { Done(Call{Name: "close", Arg: 9}) })
	if o := objects(t, l.told()); o[0].File != "sync/"+filepath.Base(where.File) {
		t.Errorf("a file of the program is %s, want it to be relative", o[0].File)
	}
}

func closeLater(fd int) { Closing(fd) }

func TestADelayedCloseIsWhereItWasAskedFor(t *testing.T) {
	l := listen(t, "json")
	_, _, line, _ := runtime.Caller(0)
	closeLater(7) // one below
	outside(func() { Done(Call{Name: "write", Arg: 7, Result: 1}) })
	where := outside(func() {
		Done(Call{Name: "close", Arg: 7})
		Done(Call{Name: "close", Arg: 7})
	})
	got := objects(t, l.told())
	if want := (place{"json_test.go", line + 1}); len(got) != 3 || got[1].place != want {
		t.Errorf("closed at %v, want %v", got[1].place, want)
	}
	if got[0].place != where && got[0].File != where.File || got[2].place != where {
		t.Errorf("other calls at %v and %v, want %v", got[0].place, got[2].place, where)
	}
	if len(l.record.closing) != 0 {
		t.Errorf("still remembered: %v", l.record.closing)
	}
}

func TestWhatIsKnownOfDescriptors(t *testing.T) {
	l := listen(t, "json")
	const unchanged = -100
	for i, step := range []struct {
		call Call
		want string
	}{
		{Call{Name: "socket", Arg: 2, Result: 3}, `[{"fd":3,"read":0,"written":0}]`},
		{Call{Name: "socket", Arg: 2, Result: 4, Err: unix.EMFILE}, ``},
		{Call{Name: "accept", Arg: 3, Result: 7, Words: "1.2.3.4:5"}, `[{"fd":3,"read":0,"written":0},{"fd":7,"peer":"1.2.3.4:5","read":0,"written":0}]`},
		{Call{Name: "accept", Arg: 3, Result: -1, Err: unix.EAGAIN}, ``},
		{Call{Name: "close", Arg: 3, Err: unix.EIO}, `[{"fd":7,"peer":"1.2.3.4:5","read":0,"written":0}]`},
		{Call{Name: "read", Arg: 7, Result: 10}, `[{"fd":7,"peer":"1.2.3.4:5","read":10,"written":0}]`},
		{Call{Name: "read", Arg: 7, Result: 5}, `[{"fd":7,"peer":"1.2.3.4:5","read":15,"written":0}]`},
		{Call{Name: "write", Arg: 7, Result: 3}, `[{"fd":7,"peer":"1.2.3.4:5","read":15,"written":3}]`},
		{Call{Name: "write", Arg: 7, Result: 4}, `[{"fd":7,"peer":"1.2.3.4:5","read":15,"written":7}]`},
		{Call{Name: "read", Arg: 7, Result: unchanged, Err: unix.EAGAIN}, ``},
		{Call{Name: "write", Arg: 7, Result: unchanged, Err: unix.EPIPE}, ``},
		{Call{Name: "read", Arg: 9, Result: 1}, ``}, // never opened
		{Call{Name: "write", Arg: 9, Result: 1}, ``},
		{Call{Name: "kevent", Arg: 4, FD: 7, Want: &Set{Read: []int{7}}}, `[{"fd":7,"peer":"1.2.3.4:5","read":15,"written":7,"want":{"read":true}}]`},
		{Call{Name: "kevent", Arg: 4, FD: 7, Want: &Set{Write: []int{7}}}, `[{"fd":7,"peer":"1.2.3.4:5","read":15,"written":7,"want":{"write":true}}]`},
		{Call{Name: "kevent", Arg: 4, FD: 7, Want: &Set{}, Err: unix.EBADF}, ``},
		{Call{Name: "select", Arg: 4, Result: 1, Want: &Set{Read: []int{7}}}, ``},
		{Call{Name: "kevent", Arg: 4, FD: 5, Want: &Set{}}, `[{"fd":5,"read":0,"written":0,"want":{}},{"fd":7,"peer":"1.2.3.4:5","read":15,"written":7,"want":{"write":true}}]`},
		{Call{Name: "accept", Arg: 3, Result: 7, Words: "6.7.8.9:1"}, `[{"fd":5,"read":0,"written":0,"want":{}},{"fd":7,"peer":"6.7.8.9:1","read":0,"written":0}]`},
		{Call{Name: "close", Arg: 7}, `[{"fd":5,"read":0,"written":0,"want":{}}]`},
		{Call{Name: "close", Arg: 5}, `[]`},
	} {
		if step.want == "" {
			step.want = known(t, l)
		}
		Done(step.call)
		if got := known(t, l); got != step.want {
			t.Errorf("after step %d, %+v:\n%s\nwant:\n%s", i, step.call, got, step.want)
		}
	}
}

// known returns what a gap would say now about descriptors.
func known(t *testing.T, l *listener) string {
	t.Helper()
	l.told()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.record.gap = 1
	if !l.fill() || l.record.gap != 0 {
		t.Fatal("the gap was not filled")
	}
	_, list, _ := strings.Cut(l.told(), `"descriptors":`)
	return strings.TrimSuffix(list, "}\n")
}

func TestObjectsInASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "json")
		Done(Call{Name: "accept", Arg: 3, Result: 7, Words: "1.2.3.4:5"})
		for range 4999 {
			Done(Call{Name: "read", Arg: 7, Result: 2})
		}
		if n := len(objects(t, l.told())); n != maxObjects {
			t.Errorf("%d objects, want %d", n, maxObjects)
		}
		logLine("not left out")
		l.expectJSON(`{"t":0,"kind":"log","text":"not left out"}`)
		pass(time.Second - 1)
		l.expectJSON()
		pass(1) // also if nothing more happens
		l.expectJSON(`{"t":1000000,"kind":"gap","count":3000,"descriptors":[{"fd":7,"peer":"1.2.3.4:5","read":9998,"written":0}]}`)
		pass(time.Hour)
		l.expectJSON()

		for range 3 {
			pass(time.Second)
			for range maxObjects {
				Done(Call{Name: "read", Arg: 7, Result: 2})
			}
			if n := len(objects(t, l.told())); n != maxObjects || l.left() != 0 {
				t.Errorf("%d objects in one of the next seconds, want %d and no gap", n, maxObjects)
			}
		}
		Done(Call{Name: "read", Arg: 7, Result: 2})
		Close()
		l.expectJSON(`{"t":3604000000,"kind":"gap","count":1,"descriptors":[{"fd":7,"peer":"1.2.3.4:5","read":22000,"written":0}]}`)
	})
}

func TestAGapIsFilledWhenTheSecondIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "json")
		Done(Call{Name: "close", Arg: 7})
		pass(400 * time.Millisecond)
		for range maxObjects {
			Done(Call{Name: "close", Arg: 7})
		}
		l.told()
		pass(600*time.Millisecond - 1)
		l.expectJSON()
		pass(1)
		l.expectJSON(`{"t":1000000,"kind":"gap","count":1,"descriptors":[]}`)
	})
}

// left returns how many objects the next gap will stand for.
func (l *listener) left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record.gap
}

// A gap counts as one of the objects of the second that it opens.
func TestAGapIsAnObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "json")
		for range maxObjects + 1 {
			Done(Call{Name: "close", Arg: 7})
		}
		pass(time.Second)
		for range 2 * maxObjects {
			Done(Call{Name: "close", Arg: 7})
		}
		if n := len(objects(t, l.told())); n != 2*maxObjects {
			t.Errorf("%d objects in two seconds, want %d", n, 2*maxObjects)
		}
	})
}

func TestAGapNamesTheCallThatSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "json")
		for range maxObjects {
			Done(Call{Name: "close", Arg: 7})
		}
		l.told()
		call := Wait(Call{Name: "epoll_wait", Arg: 4, Timeout: -1})
		pass(time.Second)
		got := objects(t, l.told())
		if len(got) != 1 || got[0].Kind != "gap" || got[0].Inside == nil || got[0].Inside.Call != "epoll_wait" {
			t.Errorf("%+v, want a gap inside of epoll_wait", got)
		}
		call.Return(1, nil)
		for range 2 * maxObjects {
			Done(Call{Name: "close", Arg: 7})
		}
		l.told()
		pass(time.Second)
		if got := objects(t, l.told()); len(got) != 1 || got[0].Inside != nil {
			t.Errorf("%+v, want a gap outside of every call", got)
		}
	})
}

// A state is what a program that reads the objects knows.
type state map[int]descriptor

// apply changes the state by what an object says.
func (s state) apply(o object) state {
	if o.Kind == "gap" {
		s = state{}
		for _, d := range *o.Descriptors {
			s[d.FD] = d
		}
		return s
	}
	if o.Kind != "call" || o.Errno != "" {
		return s
	}
	d, known := s[*o.Arg]
	switch o.Call {
	case "accept":
		s[*o.Result] = descriptor{FD: *o.Result, Peer: o.Words}
		return s
	case "close":
		delete(s, *o.Arg)
		return s
	case "read":
		d.Read += int64(*o.Result)
	case "write":
		d.Written += int64(*o.Result)
	case "kevent":
		d, known = s[o.FD]
		d.Want = &want{len(o.Want.Read) > 0, len(o.Want.Write) > 0}
	}
	if known {
		s[d.FD] = d
	}
	return s
}

func (s state) String() string {
	var b strings.Builder
	for _, fd := range slices.Sorted(maps.Keys(s)) {
		text, _ := json.Marshal(s[fd])
		fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}

// randomCall narrates a call, and returns what should have been said of it.
func randomCall(random *rand.Rand) object {
	fd := 10 + random.IntN(20)
	n := 1 + random.IntN(1000)
	o := object{Kind: "call", Arg: &fd, Result: &n}
	switch random.IntN(10) {
	case 0:
		o.Call, o.Arg, o.Result, o.Words = "accept", new(int), &fd, fmt.Sprint("peer ", n)
		Done(Call{Name: o.Call, Arg: 0, Result: fd, Words: o.Words})
	case 1:
		o.Call = "close"
		Done(Call{Name: o.Call, Arg: fd})
	case 2, 3:
		o.Call, o.FD, o.Want = "kevent", fd, &Set{}
		o.Want.Add(fd, n%2 == 0, n%3 == 0)
	case 4, 5, 6:
		o.Call = "read"
		Done(Call{Name: o.Call, Arg: fd, Result: n})
	default:
		o.Call = "write"
		Done(Call{Name: o.Call, Arg: fd, Result: n})
	}
	return o
}

// Whatever is left out and whenever it is read, the state is exact in the end.
func TestStateIsExactAfterAGap(t *testing.T) {
	for _, interval := range []int{0, 500, 3000} { // calls; 0: there is always room
		synctest.Test(t, func(t *testing.T) {
			l := listen(t, "json")
			read := l.told
			if interval > 0 {
				p := openPipe(t)
				l.out.fd, read = p.write, p.read
			}
			compareStates(t, cmp.Or(interval, 4000), read)
		})
	}
}

// compareStates narrates many calls and reads them now and then.
func compareStates(t *testing.T, interval int, read func() string) {
	random := rand.New(rand.NewPCG(3, uint64(interval)))
	told, truth := state{}, state{}
	gaps := 0
	listen := func() {
		for _, o := range objects(t, read()) {
			told = told.apply(o)
			if o.Kind == "gap" {
				gaps++
			}
		}
	}
	for i := range 12000 {
		o := randomCall(random)
		if o.Call == "kevent" {
			if _, open := truth[o.FD]; !open {
				continue // there is nothing to register
			}
			Done(Call{Name: o.Call, Arg: 4, FD: o.FD, Want: o.Want})
		}
		truth = truth.apply(o)
		if i%interval == 0 {
			listen()
			pass(time.Duration(random.IntN(1500)) * time.Millisecond)
		}
	}
	listen()
	pass(2 * time.Second)
	listen()
	Close()
	listen()
	if gaps == 0 {
		t.Error("nothing was left out")
	}
	if told.String() != truth.String() {
		t.Errorf("told:\n%vtrue:\n%v", told, truth)
	}
}

// What is not read costs the same, however many descriptors are open.
func TestAGapThatNobodyReadsIsTriedOnceASecond(t *testing.T) {
	for _, calls := range []int{1, 2, 100} {
		synctest.Test(t, func(t *testing.T) {
			p := openPipe(t)
			l := narrateInto(t, p.write, "json")
			p.fill()
			for range calls {
				Done(Call{Name: "close", Arg: 7})
			}
			for range 2 {
				if l.left() != calls {
					t.Errorf("%d objects left out, want %d", l.left(), calls)
				}
				pass(10 * time.Second)
			}
			p.read()
			Done(Call{Name: "close", Arg: 7})
			got := objects(t, p.read())
			if len(got) != 3 || got[0].Kind != "dropped" || got[0].Count > 5 ||
				got[1].Kind != "gap" || got[1].Count != calls || got[2].Call != "close" {
				t.Errorf("%+v, want few dropped, the gap of %d, and the call", got, calls)
			}
		})
	}
}

func TestDroppedLinesAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := openPipe(t)
		narrateInto(t, p.write, "json")
		p.fill()
		pass(time.Millisecond)
		logLine("one")
		logLine("two")
		p.read()
		logLine("three")
		const want = `{"t":1000,"kind":"dropped","count":2}` + "\n" + `{"t":1000,"kind":"log","text":"three"}` + "\n"
		if got := p.read(); got != want {
			t.Errorf("told:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestManyDescriptorsCostNothing(t *testing.T) {
	l := listen(t, "json")
	cost := func() time.Duration {
		l.mu.Lock()
		defer l.mu.Unlock()
		shortest := time.Hour
		for range 20 {
			l.record.second = time.Now() // a gap cannot be filled now
			l.record.printed, l.record.timer = maxObjects, true
			start := time.Now()
			for range 100 {
				l.settle(&Call{Name: "write", Arg: 10, Result: 1})
				l.settle(&Call{Name: "read", Arg: 10, Err: unix.EAGAIN})
				l.settle(&Call{Name: "read", Arg: 10, Err: unix.EAGAIN})
			}
			shortest = min(shortest, time.Since(start))
		}
		return shortest
	}
	few := cost()
	for fd := range 4000 {
		l.record.descriptors[fd] = &descriptor{FD: fd}
	}
	if many := cost(); many > 5*few+5*time.Millisecond {
		t.Errorf("100 calls take %v with 4,000 descriptors and %v with none", many, few)
	}
}
