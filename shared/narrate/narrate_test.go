package narrate

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// A listener reads what a narrator of its own prints, which for the length of a
// test is the process's narrator.
type listener struct {
	*narrator
	t    *testing.T
	file *os.File // which takes everything at once
	read int64
}

// listen starts a narration. Value is that of the flag.
func listen(t *testing.T, value string) *listener {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "narration"))
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{narrator: &narrator{out: output{fd: int(file.Fd())}}, t: t, file: file}
	before := story
	story = l.narrator
	_, here, _, _ := runtime.Caller(0)
	if err := (&mode{folder: filepath.Dir(here)}).Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		On, story = false, before
		if l.mu.TryLock() { // otherwise Close or Fatal keeps it, and nothing is printed any more
			l.out.fd = -1
			l.mu.Unlock()
		}
		file.Close()
	})
	return l
}

// told returns what has been printed since the last time.
func (l *listener) told() string {
	l.t.Helper()
	size, err := l.file.Seek(0, io.SeekEnd)
	if err != nil {
		l.t.Fatal(err)
	}
	text := make([]byte, size-l.read)
	if _, err := l.file.ReadAt(text, l.read); err != nil {
		l.t.Fatal(err)
	}
	l.read = size
	return string(text)
}

func (l *listener) expect(want string) {
	l.t.Helper()
	if got := l.told(); got != want {
		l.t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
}

// pass lets time pass, and what is due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func eagain(name string, arg int) {
	Done(Call{Name: name, Arg: arg, Result: -1, Err: unix.EAGAIN})
}

func TestShapes(t *testing.T) {
	l := listen(t, "true")
	Done(Call{Name: "accept", Arg: 3, Result: 7, Words: "127.0.0.1:51514"})
	Done(Call{Name: "read", Arg: 7, Result: 6, Bytes: []byte("hello\n")})
	Done(Call{Name: "read", Arg: 7, Result: 0, Words: "end of file"})
	Done(Call{Name: "write", Arg: 7, Result: 0, Bytes: []byte{}})
	eagain("read", 7)
	eagain("write", 7)
	eagain("accept", 3)
	Done(Call{Name: "read", Arg: 8, Result: -1, Err: unix.ECONNRESET, Words: "not shown"})
	Done(Call{Name: "accept", Arg: 3, Result: -1, Err: unix.EMFILE})
	Done(Call{Name: "write", Arg: 8, Result: -1, Err: unix.EPIPE})
	Done(Call{Name: "close", Arg: 8})
	Done(Call{Name: "select", Arg: 8, Err: unix.EINTR})
	Done(Call{Name: "listen", Arg: 8, Err: errors.New("not from the kernel")})
	l.expect(`accept(3) = 7  127.0.0.1:51514
read(7) = 6  "hello\n"
read(7) = 0  end of file
write(7) = 0  ""
read(7) = EAGAIN  nothing there yet
write(7) = EAGAIN  no room for more yet
accept(3) = EAGAIN  nobody is waiting
read(8) = ECONNRESET  connection reset by peer
accept(3) = EMFILE  too many open files
write(8) = EPIPE  broken pipe
close(8) = 0
select(8) = EINTR  a signal came first
listen(8) = error  not from the kernel
`)
}

func TestRegistrationShapes(t *testing.T) {
	l := listen(t, "true")
	Registration("epoll_ctl", 4, 7, true, false, nil)
	Registration("epoll_ctl", 4, 7, false, true, nil)
	Registration("epoll_ctl", 4, 7, true, true, nil)
	Registration("epoll_ctl", 4, 7, false, false, nil)
	Registration("epoll_ctl", 4, 7, true, true, unix.EPERM)
	l.expect(`epoll_ctl(4) = 0  descriptor 7: read
epoll_ctl(4) = 0  descriptor 7: write
epoll_ctl(4) = 0  descriptor 7: read, write
epoll_ctl(4) = 0  descriptor 7: nothing
epoll_ctl(4) = EPERM  operation not permitted
`)
}

func TestTwoHalvesOfALine(t *testing.T) {
	l := listen(t, "true")
	call := Enter(Call{Name: "read", Arg: 8})
	l.expect("read(8)")
	call.Bytes = []byte("hello\n")
	call.Return(6, nil)
	l.expect(" = 6  \"hello\\n\"\n")
	wait := Wait(Call{Name: "select", Arg: 9, Timeout: -1})
	l.expect("select(9)")
	wait.Return(2, nil)
	l.expect(" = 2 ready\n")
	wait = Wait(Call{Name: "select", Arg: 9, Timeout: -1})
	wait.Return(-1, unix.EINTR)
	l.expect("select(9) = EINTR  a signal came first\n")
}

func TestWhatComesInBetweenEndsTheFirstHalf(t *testing.T) {
	l := listen(t, "true")
	call := Enter(Call{Name: "read", Arg: 8})
	io.WriteString(Log, "client 1: gone\n")
	l.expect("read(8)…\nclient 1: gone\n")
	io.WriteString(Log, "client 2: gone\n")
	call.Return(6, nil)
	l.expect("client 2: gone\nread(8) = 6\n")

	first := Enter(Call{Name: "read", Arg: 8})
	second := Enter(Call{Name: "read", Arg: 9})
	Done(Call{Name: "close", Arg: 5})
	second.Return(2, nil)
	third := Enter(Call{Name: "accept", Arg: 3})
	first.Return(1, nil)
	third.Return(10, nil)
	l.expect("read(8)…\nread(9)…\nclose(5) = 0\nread(9) = 2\naccept(3)…\nread(8) = 1\naccept(3) = 10\n")
}

func TestHowLongACallSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "true")
		for slept, want := range map[time.Duration]string{
			0:                                    "",
			10*time.Millisecond - 1:              "",
			10 * time.Millisecond:                "  after 0.01 s",
			3204 * time.Millisecond:              "  after 3.2 s",
			3206 * time.Millisecond:              "  after 3.21 s",
			time.Minute:                          "  after 60 s",
			3*time.Hour + 10*time.Millisecond:    "  after 10800.01 s",
			1234*time.Hour + 70*time.Millisecond: "  after 4442400.07 s",
		} {
			call := Enter(Call{Name: "read", Arg: 8})
			pass(slept)
			call.Return(0, nil)
			l.expect("read(8) = 0" + want + "\n")
		}
	})
}

func TestFoldingOfCallsThatDidNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "true")
		for range 1000 {
			eagain("accept", 3)
			eagain("read", 7)
			eagain("write", 7)
		}
		const each = "accept(3) = EAGAIN  nobody is waiting\n" +
			"read(7) = EAGAIN  nothing there yet\nwrite(7) = EAGAIN  no room for more yet\n"
		l.expect(each)
		Done(Call{Name: "read", Arg: 7, Result: 1, Bytes: []byte("x")})
		l.expect("… 2,997 more calls returned EAGAIN\nread(7) = 1  \"x\"\n")
		for range 2 { // it starts over, however little the call did
			eagain("accept", 3)
			eagain("read", 7)
			eagain("write", 7)
			Done(Call{Name: "close", Arg: 9, Err: unix.EINTR})
			l.expect(each + "close(9) = EINTR  a signal came first\n")
		}
		for fd := range 6 { // of many descriptors, the first four
			eagain("read", fd)
		}
		eagain("read", 1)
		call := Enter(Call{Name: "accept", Arg: 3})
		l.expect(strings.ReplaceAll("read(0)#read(1)#read(2)#read(3)#", "#", " = EAGAIN  nothing there yet\n") +
			"… 3 more calls returned EAGAIN\naccept(3)")
		call.Return(5, nil)
		l.expect(" = 5\n")
	})
}

func TestFoldedCallsAreCountedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "true")
		eagain("read", 7)
		l.expect("read(7) = EAGAIN  nothing there yet\n")
		pass(5 * time.Second)
		l.expect("")
		eagain("read", 7)
		pass(time.Second - 1)
		eagain("read", 7)
		l.expect("")
		pass(1)
		l.expect("… 2 more calls returned EAGAIN\n")
		pass(5 * time.Second)
		l.expect("")
		eagain("read", 7)
		pass(time.Second)
		l.expect("… 1 more call returned EAGAIN\n")
		eagain("read", 7)
		io.WriteString(Log, "a line\n")
		l.expect("… 1 more call returned EAGAIN\na line\n")
		pass(time.Second)
		l.expect("")
	})
}

// A call whose first half is on the screen is never folded.
func TestACallThatWasEnteredIsShownToReturn(t *testing.T) {
	l := listen(t, "true")
	for range 3 {
		Enter(Call{Name: "read", Arg: 7}).Return(-1, unix.EAGAIN)
	}
	l.expect(strings.Repeat("read(7) = EAGAIN  nothing there yet\n", 3))
}

func TestQuote(t *testing.T) {
	nul := func(n int) string { return strings.Repeat(`\x00`, n) }
	for bytes, want := range map[string]string{
		"":                                   ``,
		"hello\r\n\t":                        `hello\r\n\t`,
		"\x00\x00\x00\x07":                   nul(3) + `\x07`,
		"\x00\x00\x00\x09":                   nul(3) + `\x09`,
		"\x00\x00\x00\x0a":                   nul(3) + `\x0a`,
		"\x00\x00\x00\x0c":                   nul(3) + `\x0c`,
		"\x00\x00\x00\x21":                   nul(3) + `\x21`,
		"\x00\x00\x00\x41A":                  nul(3) + `\x41A`,
		"\x00\x00\x00\x05hello\x00\x00\x01!": nul(3) + `\x05hello\x00\x00\x01\x21`,
		"\x00AB":                             `\x00\x41\x42`,
		"a\x00":                              `a\x00`,
		"\x01\x07\x08\x0b\x1b\x1f\x7f":       `\x01\x07\x08\x0b\x1b\x1f\x7f`,
		"\" \\":                              `\" \\`,
		"äöü €":                              `äöü €`,
		"\xff\xfe\xc3":                       `\xff\xfe\xc3`,
		"\ufffd":                             `\xef\xbf\xbd`,
		"\u200b":                             `\u200b`,
		" ~":                                 ` ~`,
		strings.Repeat("x", 32):              strings.Repeat("x", 32),
	} {
		if got := quote([]byte(bytes)); got != `"`+want+`"` {
			t.Errorf("quote(%+q) = %s, want \"%s\"", bytes, got, want)
		}
	}
	for _, p := range []string{strings.Repeat("x", 33), strings.Repeat("x", 1000)} {
		if got, want := quote([]byte(p)), `"`+strings.Repeat("x", 32)+`"...`; got != want {
			t.Errorf("quote of %d bytes: %s, want %s", len(p), got, want)
		}
	}
	if got, want := quote(make([]byte, 1000)), `"`+nul(32)+`"...`; got != want {
		t.Errorf("quote of many NUL: %s, want %s", got, want)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 1242333: "1,242,333"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestOffCostsNothing(t *testing.T) {
	l := listen(t, "false")
	n := testing.AllocsPerRun(100, func() {
		Done(Call{Name: "read", Arg: 7, Result: 1})
		Registration("epoll_ctl", 4, 7, true, false, nil)
		Closing(7)
	})
	if n != 0 {
		t.Errorf("%v allocations while off", n)
	}
	l.expect("")
}

func TestFlag(t *testing.T) {
	for args, want := range map[string]struct{ on, json bool }{
		"":                 {false, false},
		"-v":               {true, false},
		"-v=true":          {true, false},
		"-v=false":         {false, false},
		"-v=json":          {true, true},
		"-v=json -v":       {true, false},
		"-v=json -v=false": {false, false},
	} {
		l := listen(t, "false")
		before := flag.CommandLine
		flag.CommandLine = flag.NewFlagSet("", flag.ContinueOnError)
		Flag("v", "a usage")
		err := flag.CommandLine.Parse(strings.Fields(args))
		defined := flag.Lookup("v")
		flag.CommandLine = before
		if err != nil || On != want.on || story.json != want.json {
			t.Errorf("%q: on %v, JSON %v, %v; want %+v", args, On, story.json, err, want)
		}
		if defined.Usage != "a usage" || want.on && defined.Value.String() == "" {
			t.Errorf("%q: usage %q, value %q", args, defined.Usage, defined.Value)
		}
		if folder := filepath.Base(story.record.folder); want.json && folder != "narrate" {
			t.Errorf("the program's folder is %s, want that of the caller of Flag", folder)
		}
		notice := !strings.HasPrefix((&output{dropped: 1, announce: l.out.announce}).notice(), "…")
		if notice != want.json {
			t.Errorf("%q: lines that are dropped are announced as JSON: %v", args, notice)
		}
	}
	if err := new(mode).Set("yes"); err == nil || err.Error() != "not true, false or json" {
		t.Errorf("-v=yes: %v", err)
	}
}
