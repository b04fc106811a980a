package narrate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Log is where package log must write. A line that is written here never makes
// the program wait, see [output], and lines that say the same over and over are
// counted: of those that differ in digits only, the first five in a second are
// printed, and when the second is over, how many more there were.
var Log io.Writer = logWriter{}

type logWriter struct{}

// Write takes one line.
func (logWriter) Write(p []byte) (int, error) {
	story.mu.Lock()
	defer story.mu.Unlock()
	story.limit(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// Install prepares standard error for Log. It must be called before the first
// line is written.
func Install() {
	story.mu.Lock()
	defer story.mu.Unlock()
	story.out.fd = own(story.out.fd)
}

// Fatal prints a last line and, before it, what Close prints. It waits up to a
// second for somebody to read.
func Fatal(text string) {
	story.mu.Lock() // for good: nothing comes after the last line
	story.close()
	story.say(text, time.Second)
}

// Close prints the counts that are still owed. Nothing can be printed after it.
func Close() {
	story.mu.Lock()
	story.close()
}

func (n *narrator) close() {
	n.log.settle(n, true)
	n.unfold()
	if n.json && n.record.gap > 0 {
		n.fill()
	}
	if n.half != nil || n.out.dropped > 0 {
		n.out.begin("", 0)
	}
}

const (
	burst    = 5  // lines of a kind that are printed in a second
	maxKinds = 64 // that are told apart; what a client sends is in no log line, so there are few
)

// A limiter counts log lines of the same kind.
type limiter struct {
	kinds map[string]*kind // by their text without digits
	timer bool             // is set
}

type kind struct {
	began   time.Time // when the first of them came
	printed int       // since then
	more    int       // not printed
	last    string    // of those
}

// limit prints a log line, or counts it.
func (n *narrator) limit(text string) {
	l := &n.log
	key := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, text)
	k := l.kinds[key]
	if k == nil || time.Since(k.began) >= time.Second {
		l.settle(n, false)
		if k = l.kinds[key]; k == nil {
			k = l.add(key)
		}
	}
	if k.printed < burst {
		k.printed++
		n.say(text, 0)
		return
	}
	k.more++
	k.last = text
	l.arm(n)
}

// add makes a kind. When there are too many, all further ones share one.
func (l *limiter) add(key string) *kind {
	if len(l.kinds) >= maxKinds {
		key = ""
	}
	if l.kinds == nil {
		l.kinds = map[string]*kind{}
	}
	k := l.kinds[key]
	if k == nil {
		k = &kind{began: time.Now()}
		l.kinds[key] = k
	}
	return k
}

// arm sees to it that what is counted now is printed when its second is over.
func (l *limiter) arm(n *narrator) {
	if l.timer {
		return
	}
	l.timer = true
	time.AfterFunc(time.Second, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		l.timer = false
		l.settle(n, false)
		for _, k := range l.kinds {
			if k.more > 0 {
				l.arm(n)
			}
		}
	})
}

// settle prints the counts of the kinds whose second is over, or all, and
// forgets those kinds.
func (l *limiter) settle(n *narrator, all bool) {
	for key, k := range l.kinds {
		if !all && time.Since(k.began) < time.Second {
			continue
		}
		delete(l.kinds, key)
		if k.more > 0 {
			n.say(fmt.Sprintf("… and %s more like %q", thousands(k.more), k.last), 0)
		}
	}
}

// say prints a log line.
func (n *narrator) say(text string, patience time.Duration) {
	n.unfold()
	if n.json {
		n.print(&object{Kind: "log", Text: text}, patience)
		return
	}
	n.half = nil
	n.out.begin(text+"\n", patience)
}
