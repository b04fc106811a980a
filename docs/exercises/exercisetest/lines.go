package exercisetest

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"time"
)

// lines collects an output line by line, for one who waits for a line.
type lines struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ended bool
	grown chan struct{} // closed and replaced at each change
}

func newLines() *lines { return &lines{grown: make(chan struct{})} }

// Write takes what the process printed. It keeps at most 4 MiB: a program that
// floods its log must not take the suite's memory.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text.Len() < 4<<20 {
		l.text.Write(p)
	}
	l.broadcast()
	return len(p), nil
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.broadcast()
}

func (l *lines) broadcast() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// look gives the whole lines so far; at the end also a last one without newline.
func (l *lines) look() (list []string, ended bool, grown chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list = strings.Split(l.text.String(), "\n")
	if last := len(list) - 1; !l.ended || list[last] == "" {
		list = list[:last]
	}
	return list, l.ended, l.grown
}

// wait gives the first line that match accepts, as soon as there is one.
func (l *lines) wait(limit time.Duration, match func(line string) bool) (line string, ok bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		list, ended, grown := l.look()
		if i := slices.IndexFunc(list, match); i >= 0 {
			return list[i], true
		}
		if ended {
			return "", false
		}
		select {
		case <-grown:
		case <-timer.C:
			return "", false
		}
	}
}

// expect wants the line want among those printed so far or soon.
func (l *lines) expect(want string) error {
	_, ok := l.wait(patience, func(line string) bool { return line == want })
	if ok {
		return nil
	}
	return failf("no line %q was printed, but:\n%s", want, l.excerpt())
}

// excerpt gives the first and the last lines: of a panic the beginning matters, of
// a log the end.
func (l *lines) excerpt() string {
	list, _, _ := l.look()
	if len(list) > 12 {
		list = append(append(slices.Clone(list[:6]), "..."), list[len(list)-5:]...)
	}
	return strings.Join(list, "\n")
}
