package echotest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
)

// TestCauses: a row has all it needs. That each is the first candidate of a mistake
// is proven in client/mistakes_test.go.
func TestCauses(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range causes {
		if row.name == "" || seen[row.name] || row.when == nil || row.says == "" {
			t.Errorf("%q: used twice, or something is missing", row.name)
		}
		seen[row.name] = true
		if row.chapter != "" && !strings.HasPrefix(row.chapter, "docs/0") {
			t.Errorf("%s: chapter %q", row.name, row.chapter)
		}
		// A row must not fall over when little is known, nor match when nothing is.
		for _, what := range []symptom{"", otherBytes, surplus, silence, noEnd, earlyEnd, wasReset, takesNone, noWay, burns, measured} {
			f := &Failure{}
			f.symptom = what
			if e := (&evidence{Promises: framesPromises, Failure: f}); row.when(e) && what == "" {
				t.Errorf("%s: matches without any evidence", row.name)
			}
		}
	}
}

// TestCandidates: what is seen stands alone, what is guessed comes with the rest.
func TestCandidates(t *testing.T) {
	c := Check{Name: "echo", Cause: "the usual", Chapter: chapter1}
	f := &Failure{testimony: testimony{log: "client 127.0.0.1:1: read: resource temporarily unavailable"}}
	f.diagnose(c)
	if !strings.Contains(f.Cause, "EAGAIN") || len(f.Or) > 0 || f.Chapter != chapter2 {
		t.Errorf("EAGAIN in the log:\n%v", f)
	}
	f = &Failure{testimony: testimony{symptom: otherBytes, whose: "another client's"}}
	f.diagnose(c)
	if !strings.Contains(f.Cause, "another client's") || len(f.Or) != 1 || f.Or[0] != "the usual" {
		t.Errorf("another client's bytes:\n%v", f)
	}
	c.Measures, c.Cause = true, "TCP_NODELAY"
	for _, came := range []string{"0 bytes, then " + Plain(io.EOF), "0 bytes, then " + Plain(os.ErrDeadlineExceeded), "other bytes: 48 54 54 50"} {
		f = &Failure{Got: came}
		f.diagnose(c)
		if strings.Contains(f.Error(), "TCP_NODELAY") {
			t.Errorf("a server of another protocol is told TCP_NODELAY:\n%v", f)
		}
	}
	f = &Failure{Got: "a quarter of the replies took 44 ms or more"}
	if f.diagnose(c); f.Cause != "TCP_NODELAY" {
		t.Errorf("late replies:\n%v", f)
	}
}

// TestTrace: where wrong bytes come from.
func TestTrace(t *testing.T) {
	mine, other := newStream(Promises{}, 1, sized(100), 4000), newStream(Promises{}, 2, sized(100), 4000)
	remember(other)
	for _, c := range []struct {
		offset   int64
		got      []byte
		whose    string
		distance int
	}{
		{500, mine.block[700:800], "later", 200},
		{3900, mine.block[100:200], "later", 200}, // of the next block
		{700, mine.block[500:600], "earlier", 200},
		{0, make([]byte, 50), "zeros", 0},
		{0, other.block[300:400], "another client's", 0},
		{0, []byte("HTTP/1.1 400 Bad Request"), "", 0},
		{0, mine.block[700:704], "", 0}, // too few to tell
	} {
		f := &Failure{}
		f.trace(mine, c.offset, c.got)
		if f.whose != c.whose || f.distance != c.distance {
			t.Errorf("at %d: %q, %d; want %q, %d", c.offset, f.whose, f.distance, c.whose, c.distance)
		}
	}
	framed := newStream(Promises{Framed: true}, 3, sized(0x0102), 4000)
	f := &Failure{}
	f.trace(framed, 2, []byte{1, 6, 0, 0, 0, 0}) // 00 00 | 01 06 instead of 00 00 | 01 02
	if !f.inHeader || f.gotHeader != 0x0106 || f.wantHeader != 0x0102 {
		t.Errorf("a header that counts itself: %v, %x, %x", f.inHeader, f.gotHeader, f.wantHeader)
	}
}

// TestLook sees this very process with a thread asleep in read(2).
func TestLook(t *testing.T) {
	if err := CanSee(); err != nil {
		t.Skip(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := c.File() // a second descriptor, which blocks
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd := int(file.Fd())
	unix.SetNonblock(fd, false)
	read := make(chan error)
	go func() {
		_, err := unix.Read(fd, make([]byte, 1))
		read <- err
	}()
	blocking := func(k *socketState) bool { return !k.nonblock && k.fd == fd }
	for found := false; !found; {
		select {
		case err := <-read:
			t.Fatalf("read ended: %v", err)
		default:
			_, found = look(os.Getpid()).in("read", blocking)
		}
	}
	peer.Close()
	if err := <-read; err != nil && !errors.Is(err, unix.EINTR) {
		t.Error(err)
	}
}

// Whatever a check promises, and whatever is said of a broken promise, fits on a screen.
func TestFailuresFit(t *testing.T) {
	var texts []string
	for _, row := range causes {
		texts = append(texts, row.says)
	}
	for _, r := range Rungs {
		for _, c := range Checks(r.Promises) {
			texts = append(texts, c.Promise, c.Cause)
		}
	}
	for _, text := range texts {
		f := &Failure{Sent: text, Want: text, Got: text, Cause: text, Or: []string{text}, Seen: text, Chapter: chapter1}
		for line := range strings.Lines(f.Error()) {
			if n := cli.Columns(line) - 1; n > failureWidth {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		if words := strings.Join(strings.Fields(f.Error()), " "); !strings.Contains(words, "cause "+strings.Join(strings.Fields(text), " ")) {
			t.Errorf("%q is not in\n%v", text, f)
		}
	}
}

// What is quoted stays as it is: a server's words, a call as strace prints it, bytes.
func TestFailuresQuote(t *testing.T) {
	log := strings.Repeat("word ", 30) + "end"
	call := `accept4(3<socket:[113832663]>, 0x7ffe6e016650, [16], SOCK_CLOEXEC) = -1 ECONNABORTED (Software caused connection abort)`
	sent := fmt.Sprintf("%q", log)
	f := &Failure{Sent: sent, Want: call + "; 1 of 2 such calls failed", Got: "one line\n" + log + "\n" + log, Log: log + "\n" + log}
	want := "sent      " + sent + "\nexpected  " + call + ";\n          1 of 2 such calls failed\ncame      one line\n          " + log + "\n          " + log +
		"\nserver    " + log + "\n          " + log
	if f.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", f, want)
	}
}
