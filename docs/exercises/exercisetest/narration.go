package exercisetest

import (
	"bytes"
	"encoding/json"
	"time"

	"example/tcpladder/shared/narrate"
)

// A call is a system call of a program that runs with -v=json, or something else
// that it reports; see the documentation of that flag.
type call struct {
	Kind   string
	Call   string
	Arg    int
	Result int
	Errno  string
	Words  string
	FD     int
	Want   *narrate.Set

	Descriptors []descriptor
	Inside      *call
}

// A descriptor is what is known of one when some calls have been left out.
type descriptor struct {
	FD            int
	Peer          string
	Read, Written int64
	Want          struct{ Read, Write bool }
}

// A story is the narration of a process, as far as it has been read.
type story struct {
	lines *lines
	at    int // of the next line in lines.text

	open   map[int]*descriptor
	asleep bool // in a call that may sleep
}

func (r *process) story() *story {
	return &story{lines: r.stderr, open: map[int]*descriptor{}}
}

// next returns the next call, as soon as there is one.
func (s *story) next() (call, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		line, ended, grown := s.lines.from(s.at)
		if line != nil {
			s.at += len(line) + 1
			var c call
			if err := json.Unmarshal(line, &c); err != nil {
				return c, failf("with -v=json, a line that is no object: %s", line)
			}
			s.follow(c)
			return c, nil
		}
		if !ended {
			select {
			case <-grown:
				continue
			case <-timer.C:
			}
		}
		return call{}, failf("with -v=json, no such call, but:\n%s", s.lines.excerpt())
	}
}

// until returns the first call for which match is true.
func (s *story) until(match func(call) bool) (call, error) {
	for {
		if c, err := s.next(); err != nil || match(c) {
			return c, err
		}
	}
}

// follow keeps account of the descriptors.
func (s *story) follow(c call) {
	switch c.Kind {
	case "enter":
		s.asleep = true
	case "call":
		s.asleep = false
	case "gap":
		s.asleep = c.Inside != nil
		clear(s.open)
		for _, d := range c.Descriptors {
			s.open[d.FD] = &d
		}
	}
	d := s.open[c.Arg]
	switch {
	case c.Kind != "call" || c.Errno != "":
	case c.Call == "accept":
		s.open[c.Result] = &descriptor{FD: c.Result, Peer: c.Words}
	case c.Call == "read" && d != nil:
		d.Read += int64(c.Result)
	case c.Call == "write" && d != nil:
		d.Written += int64(c.Result)
	case c.FD != 0 && c.Want != nil && s.open[c.FD] != nil:
		want := &s.open[c.FD].Want
		want.Read, want.Write = len(c.Want.Read) > 0, len(c.Want.Write) > 0
	}
}

// served returns what the server knows of c: nil before it has accepted it.
func (s *story) served(c *client) *descriptor {
	for _, d := range s.open {
		if d.Peer == c.LocalAddr().String() {
			return d
		}
	}
	return nil
}

// from returns the line at an offset into the text, nil if it is not whole yet.
func (l *lines) from(at int) (line []byte, ended bool, grown chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.Bytes()[at:]
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		line = bytes.Clone(text[:end])
	}
	return line, l.ended, l.grown
}
