package proc

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"
)

// most is how many bytes of an output are kept: a process that floods its log
// must not take the memory of the one that watches it.
const most = 16 << 20

// Lines collects output line by line, for whoever waits for a line.
type Lines struct {
	each   func(string) // called with each line; may be nil
	taking sync.Mutex

	mu    sync.Mutex
	whole []string // only ever appended to
	part  []byte   // a last line that has no newline yet
	size  int      // of all of it
	last  string   // the last whole line, kept or not
	ended bool
	grown chan struct{} // closed and replaced at each change
}

func newLines(each func(string)) *Lines { return &Lines{each: each, grown: make(chan struct{})} }

// Write takes what a process printed.
func (l *Lines) Write(p []byte) (int, error) {
	l.taking.Lock()
	defer l.taking.Unlock()
	fresh := l.add(p)
	if l.each != nil {
		for _, line := range fresh {
			l.each(line)
		}
	}
	return len(p), nil
}

// add returns the lines that p completes.
func (l *Lines) add(p []byte) (fresh []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		line, rest, found := bytes.Cut(p, []byte("\n"))
		l.part = append(l.part, line[:min(len(line), most-len(l.part))]...)
		if !found {
			break
		}
		l.last = string(l.part)
		fresh = append(fresh, l.last)
		if room := most - l.size; room > 0 {
			l.whole = append(l.whole, l.last[:min(len(l.last), room)])
			l.size += len(l.last) + 1
		}
		p, l.part = rest, l.part[:0]
	}
	l.broadcast()
	return fresh
}

// Close says that nothing more comes.
func (l *Lines) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.last = string(l.part)
		l.whole, l.part = append(l.whole, l.last), nil
	}
	l.ended = true
	l.broadcast()
}

func (l *Lines) broadcast() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// Hold takes nothing more until release is called: the process finds its output
// full, with nobody reading it.
func (l *Lines) Hold() (release func()) {
	l.taking.Lock()
	return l.taking.Unlock
}

// All returns the whole lines so far; at the end also a last one without newline.
func (l *Lines) All() []string {
	list, _, _ := l.look()
	return list
}

func (l *Lines) look() (list []string, ended bool, grown chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.whole), l.ended, l.grown
}

// Tail returns what has come of an unfinished line.
func (l *Lines) Tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.part)
}

// Last returns the last whole line.
func (l *Lines) Last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Text returns all that has come, as it came.
func (l *Lines) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, line := range l.whole {
		b.WriteString(line)
		b.WriteByte('\n')
	}
	b.Write(l.part)
	return b.String()
}

// Wait returns the first line that match accepts, once there is one.
func (l *Lines) Wait(limit time.Duration, match func(string) bool) (line string, ok bool) {
	seen := 0 // the lines before it did not match
	ok = l.WaitAll(limit, func(list []string) bool {
		i := slices.IndexFunc(list[seen:], match)
		if i >= 0 {
			line = list[seen+i]
		}
		seen = len(list)
		return i >= 0
	})
	return line, ok
}

// First returns the first line.
func (l *Lines) First(limit time.Duration) (line string, ok bool) {
	return l.Wait(limit, func(string) bool { return true })
}

// WaitEnd waits until nothing more comes.
func (l *Lines) WaitEnd(limit time.Duration) { l.Wait(limit, func(string) bool { return false }) }

// WaitTail waits until match accepts what there is of an unfinished line.
func (l *Lines) WaitTail(limit time.Duration, match func(string) bool) bool {
	return l.WaitAll(limit, func([]string) bool { return match(l.Tail()) })
}

// WaitAll waits until match accepts the lines there are.
func (l *Lines) WaitAll(limit time.Duration, match func([]string) bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		list, ended, grown := l.look()
		if match(list) {
			return true
		}
		if ended {
			return false
		}
		select {
		case <-grown:
		case <-timer.C:
			return false
		}
	}
}

// Excerpt returns the first and the last lines: a panic says most at its beginning,
// a log at its end.
func (l *Lines) Excerpt() string {
	list := l.All()
	if len(list) > 12 {
		list = append(append(slices.Clone(list[:6]), "..."), list[len(list)-5:]...)
	}
	return strings.Join(list, "\n")
}
