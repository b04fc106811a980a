package narrate

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tell starts a narration into a string, without the clock.
func tell(t *testing.T) *strings.Builder {
	var out strings.Builder
	On, story = true, &folder{out: &out, known: map[call]*line{}}
	t.Cleanup(func() { On, story = false, nil })
	return &out
}

func check(t *testing.T, out *strings.Builder, want string) {
	t.Helper()
	if got := out.String(); got != want {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
	out.Reset()
}

func TestShapes(t *testing.T) {
	out := tell(t)
	Call("accept", 3, 7, nil, "127.0.0.1:51514")
	Call("read", 7, 6, nil, Bytes([]byte("hello\n")))
	Call("read", 7, -1, unix.EAGAIN, "")
	Call("write", 7, -1, unix.EAGAIN, "")
	Call("accept", 3, -1, unix.EAGAIN, "")
	Call("read", 8, -1, unix.ECONNRESET, "")
	Call("close", 8, 0, nil, "")
	Ready("select", 8, 2, nil)
	Ready("select", 8, -1, unix.EINTR)
	check(t, out, `accept(3) = 7  127.0.0.1:51514
read(7) = 6  "hello\n"
read(7) = EAGAIN  nothing there yet
write(7) = EAGAIN  no room for more yet
accept(3) = EAGAIN  nobody is waiting
read(8) = ECONNRESET  connection reset by peer
close(8) = 0
select(8) = 2 ready
select(8) = EINTR  a signal came first
`)
}

func TestBytesAreClipped(t *testing.T) {
	if got, want := Bytes(make([]byte, 1000)), `"`+strings.Repeat(`\x00`, clip)+`"...`; got != want {
		t.Errorf("Bytes = %s, want %s", got, want)
	}
}

func TestACycleIsFolded(t *testing.T) {
	out := tell(t)
	cycle := func(times int) {
		for range times {
			Call("accept", 3, -1, unix.EAGAIN, "")
			Call("read", 7, -1, unix.EAGAIN, "")
			Call("read", 8, -1, unix.EAGAIN, "")
		}
	}
	cycle(1000)
	check(t, out, `accept(3) = EAGAIN  nobody is waiting
read(7) = EAGAIN  nothing there yet
read(8) = EAGAIN  nothing there yet
`)
	story.tick()
	check(t, out, `accept(3) = EAGAIN  nobody is waiting  [999 times]
read(7) = EAGAIN  nothing there yet  [999 times]
read(8) = EAGAIN  nothing there yet  [999 times]
`)
	cycle(2)
	Call("read", 8, 1, nil, `"x"`) // an event: its own count comes before it
	cycle(5)
	check(t, out, `read(8) = EAGAIN  nothing there yet  [2 times]
read(8) = 1  "x"
read(8) = EAGAIN  nothing there yet
`)
	story.tick()
	check(t, out, `accept(3) = EAGAIN  nobody is waiting  [7 times]
read(7) = EAGAIN  nothing there yet  [7 times]
read(8) = EAGAIN  nothing there yet  [4 times]
`)
}

func TestWhatLedToAnEventComesBeforeIt(t *testing.T) {
	out := tell(t)
	for _, word := range []string{`"one"`, `"two"`} {
		Ready("select", 9, 1, nil)
		Call("read", 8, 3, nil, word)
		Call("write", 8, 3, nil, word)
	}
	check(t, out, `select(9) = 1 ready
read(8) = 3  "one"
write(8) = 3  "one"
select(9) = 1 ready
read(8) = 3  "two"
write(8) = 3  "two"
`)
}

func TestSilenceEndsTheFolding(t *testing.T) {
	out := tell(t)
	Ready("select", 8, 1, nil)
	Ready("select", 8, 1, nil)
	story.tick()
	check(t, out, "select(8) = 1 ready\nselect(8) = 1 ready\n")
	story.tick() // a second without it
	check(t, out, "")
	Ready("select", 8, 1, nil)
	check(t, out, "select(8) = 1 ready\n")
}

func TestOffCostsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Ready("select", 8, 1, nil); Call("read", 7, 1, nil, "") }); n != 0 {
		t.Errorf("%v allocations while off", n)
	}
}
