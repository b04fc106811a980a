package narrate

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func logLine(format string, values ...any) { fmt.Fprintf(Log, format+"\n", values...) }

// pending returns what the limiter has under way.
func (l *listener) pending() (timer bool, kinds int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.timer, len(l.log.kinds)
}

// sum adds up the lines of a log: those that are there, and those that are said
// to have been.
func sum(t *testing.T, log string) (n int) {
	t.Helper()
	for line := range strings.Lines(log) {
		more := regexp.MustCompile(`^… and ([0-9,]+) more like "`).FindStringSubmatch(line)
		if more == nil {
			n++
			continue
		}
		count, err := strconv.Atoi(strings.ReplaceAll(more[1], ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		n += count
	}
	return n
}

func TestLinesOfAKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "false")
		for i := range 1234 {
			logLine("client 127.0.0.1:%d: gone", 40000+i)
		}
		logLine("something else")
		l.expect(`client 127.0.0.1:40000: gone
client 127.0.0.1:40001: gone
client 127.0.0.1:40002: gone
client 127.0.0.1:40003: gone
client 127.0.0.1:40004: gone
something else
`)
		pass(time.Second - 1)
		l.expect("")
		pass(1)
		l.expect("… and 1,229 more like \"client 127.0.0.1:41233: gone\"\n")
		pass(time.Hour)
		l.expect("")
	})
}

func TestASecondBeginsWithItsFirstLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "false")
		logLine("line 1")
		pass(900 * time.Millisecond)
		for i := 2; i < 8; i++ {
			logLine("line %d", i)
		}
		l.expect("line 1\nline 2\nline 3\nline 4\nline 5\n")
		pass(100 * time.Millisecond)
		logLine("line 8") // the count of the second before comes first
		l.expect("… and 2 more like \"line 7\"\nline 8\n")
		for i := range 6 {
			logLine("other %d", i)
		}
		pass(899 * time.Millisecond) // when the timer of lines 6 and 7 has come
		l.expect("other 0\nother 1\nother 2\nother 3\nother 4\n")
		pass(1001 * time.Millisecond) // of which there is one more, for these
		l.expect("… and 1 more like \"other 5\"\n")
		logLine("line 9")
		l.expect("line 9\n")
	})
}

// No line comes, and no timer runs, when nothing is owed.
func TestAQuietLogSetsNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "false")
		for i := range burst {
			logLine("line %d", i)
		}
		if timer, _ := l.pending(); timer {
			t.Error("a timer is set, and nothing is owed")
		}
		logLine("one more")
		logLine("line 6")
		if timer, _ := l.pending(); !timer {
			t.Error("no timer is set, and a count is owed")
		}
		pass(time.Second)
		if timer, kinds := l.pending(); timer || kinds > 0 {
			t.Errorf("timer %v, %d kinds when nothing is owed", timer, kinds)
		}
	})
}

// When a count is printed, the seconds of other kinds may not be over yet.
func TestTheTimerIsSetAgainForWhatIsOwed(t *testing.T) {
	for _, lines := range []int{burst, burst + 1} {
		synctest.Test(t, func(t *testing.T) {
			l := listen(t, "false")
			for i := range burst + 1 {
				logLine("first %d", i)
			}
			pass(500 * time.Millisecond)
			for i := range lines {
				logLine("second %d", i)
			}
			l.told()
			pass(500 * time.Millisecond)
			l.expect("… and 1 more like \"first 5\"\n")
			owed := lines > burst
			if timer, _ := l.pending(); timer != owed {
				t.Errorf("a timer is set: %v, a count is owed: %v", timer, owed)
			}
			pass(time.Second)
			if owed {
				l.expect("… and 1 more like \"second 5\"\n")
			}
		})
	}
}

func TestCountsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "false")
		const lines = 20000
		for i := range lines {
			logLine("kind %s, client %d", strings.Repeat("x", i%7), i)
			pass(300 * time.Microsecond)
		}
		Close()
		told := l.told()
		if n := sum(t, told); n != lines {
			t.Errorf("%d lines are accounted for, of %d", n, lines)
		}
		// 6 s, 7 kinds, five lines and a count for each; a second may be cut in two
		if n := strings.Count(told, "\n"); n < 6*7*6 || n > 8*7*6 {
			t.Errorf("%d lines in 6 s", n)
		}
	})
}

func TestManyKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := listen(t, "false")
		for i := range 100 {
			logLine("kind %s", strings.Repeat("x", i))
		}
		if got := strings.Count(l.told(), "\n"); got != maxKinds+burst {
			t.Errorf("%d lines of 100 kinds, want %d of them and %d of the others", got, maxKinds, burst)
		}
		if _, kinds := l.pending(); kinds > maxKinds+1 {
			t.Errorf("%d kinds are remembered", kinds)
		}
		pass(time.Second)
		l.expect(fmt.Sprintf("… and 31 more like \"kind %s\"\n", strings.Repeat("x", 99)))
	})
}

func TestCloseSaysWhatIsOwed(t *testing.T) {
	l := listen(t, "true")
	for i := range 7 {
		logLine("line %d", i)
	}
	for range 3 {
		eagain("read", 7)
	}
	Enter(Call{Name: "accept", Arg: 3})
	l.expect("line 0\nline 1\nline 2\nline 3\nline 4\nread(7) = EAGAIN  nothing there yet\n" +
		"… 2 more calls returned EAGAIN\naccept(3)")
	Close()
	l.expect("…\n… and 2 more like \"line 6\"\n")
}

func TestCloseSaysNothingIfNothingIsOwed(t *testing.T) {
	for _, value := range []string{"false", "true", "json"} {
		l := listen(t, value)
		Done(Call{Name: "close", Arg: 7})
		logLine("a line")
		l.told()
		Close()
		l.expect("")
	}
}

// The last line on the screen is a line, even if nothing is owed.
func TestCloseEndsTheLine(t *testing.T) {
	l := listen(t, "true")
	Enter(Call{Name: "accept", Arg: 3})
	Close()
	l.expect("accept(3)…\n")
}

func TestFatalIsTheLastLine(t *testing.T) {
	for _, owed := range []int{0, 1, 7} {
		l := listen(t, "true")
		for i := range owed {
			logLine("line %d", i)
		}
		Enter(Call{Name: "accept", Arg: 3})
		l.told()
		Fatal("it is over")
		want := "…\nit is over\n"
		if owed == 7 {
			want = "…\n… and 2 more like \"line 6\"\nit is over\n"
		}
		l.expect(want)
	}
}

func TestLogWriterTakesEverything(t *testing.T) {
	l := listen(t, "false")
	for _, line := range []string{"with newline\n", "without", "two\nlines\n"} {
		if n, err := io.WriteString(Log, line); n != len(line) || err != nil {
			t.Errorf("Write(%q) = %d, %v", line, n, err)
		}
	}
	l.expect("with newline\nwithout\ntwo\nlines\n")
}
