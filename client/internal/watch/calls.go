package watch

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// An object is a line of -v=json: see docs/narration.md.
type object struct {
	Kind, Call, Errno, Words, File, Text string

	Arg, Line, FD, Count int
	Result               *int
	Slept                *int64 // microseconds
	Want, Ready          *set
	Inside               *object
	Counts               []struct {
		Call       string
		Arg, Count int
	}
	Descriptors []struct {
		FD            int
		Peer          string
		Read, Written int64
		Want          *struct{ Read, Write bool }
	}
}

type set struct{ Read, Write []int }

// longest is how much of a line of text is kept.
const longest = 500

// line records a line of standard error, and returns its text if it belongs to the
// log. So does whatever is not an object: the Go runtime or a stranger printed it.
func (s *story) line(text string) (log string) {
	var o object
	if json.Unmarshal([]byte(text), &o) != nil || o.Kind == "" {
		if strings.HasPrefix(text, `{"`) {
			return "" // a torn object: a dropped event follows
		}
		o = object{Kind: "log", Text: text}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := event{Kind: o.Kind, Text: o.Text[:min(len(o.Text), longest)], Count: o.Count}
	switch o.Kind {
	case "enter", "call":
		e.call = o.call()
		e.FDs = s.changes(&o)
		if o.Want != nil && o.FD == 0 && o.Kind == "enter" {
			e.Asked = o.Want.interest()
		}
		if o.Call == "listen" && o.Result != nil {
			e.Listener = o.Arg
		}
	case "again":
		e.FDs = map[int]*descriptor{}
		e.Count = 0
		for _, c := range o.Counts {
			e.Count += c.Count
			e.asked(s, c.Arg, c.Count)
		}
	case "gap":
		e.FDs = s.difference(&o)
		if o.Inside != nil {
			e.Inside = o.Inside.call()
			if o.Inside.Want != nil {
				e.Asked = o.Inside.Want.interest()
			}
			e.Inside.Since = s.now() - 1 // it began earlier, at an unknown time
		}
	case "log", "dropped":
	default:
		return "" // from a later version
	}
	s.tellLocked(e)
	return e.Text
}

func (o *object) call() *call {
	c := &call{Call: o.Call, Arg: o.Arg, Result: o.Result, Errno: o.Errno, Words: o.Words, FD: o.FD, File: o.File, Line: o.Line}
	if o.Ready != nil {
		c.Ready = o.Ready.interest()
	}
	if o.Slept != nil {
		ms := float64(*o.Slept) / 1000
		c.Slept = &ms
	}
	return c
}

// changes returns the descriptors that a call has changed, in their new state.
func (s *story) changes(o *object) map[int]*descriptor {
	e := event{FDs: map[int]*descriptor{}}
	switch {
	case o.Kind == "enter":
	case o.Errno == "EAGAIN":
		e.asked(s, o.Arg, 1)
	case o.Call == "close":
		e.FDs[o.Arg] = nil
	case o.Result == nil:
	case o.Call == "socket":
		e.FDs[*o.Result] = &descriptor{}
	case o.Call == "accept":
		e.FDs[*o.Result] = &descriptor{Port: port(o.Words)}
	case o.Call == "read", o.Call == "write":
		if d := e.copy(s, o.Arg); d != nil && o.Call == "read" {
			d.Read += int64(*o.Result)
		} else if d != nil {
			d.Written += int64(*o.Result)
		}
	case o.FD != 0 && o.Want != nil:
		if e.copy(s, o.FD) == nil {
			e.FDs[o.FD] = &descriptor{}
		}
		e.FDs[o.FD].Wants = registration(len(o.Want.Read) > 0, len(o.Want.Write) > 0)
	}
	return e.FDs
}

// copy puts a copy of a descriptor into the event, which can then change it.
func (e *event) copy(s *story, fd int) *descriptor {
	d := s.state.FDs[fd]
	if d != nil {
		changed := *d
		d = &changed
		e.FDs[fd] = d
	}
	return d
}

func (e *event) asked(s *story, fd, times int) {
	d := e.FDs[fd]
	if d == nil {
		d = e.copy(s, fd)
	}
	if d != nil {
		d.Said += times
	}
}

// difference returns the descriptors that a gap reports differently, as reported.
func (s *story) difference(o *object) map[int]*descriptor {
	changed := map[int]*descriptor{}
	open := map[int]bool{}
	for _, is := range o.Descriptors {
		open[is.FD] = true
		d := descriptor{Port: port(is.Peer), Read: is.Read, Written: is.Written}
		if is.Want != nil {
			d.Wants = registration(is.Want.Read, is.Want.Write)
		}
		before := s.state.FDs[is.FD]
		if before != nil && before.Port == d.Port {
			d.Said = before.Said
		}
		if before == nil || *before != d {
			changed[is.FD] = &d
		}
	}
	for fd := range s.state.FDs {
		if !open[fd] {
			changed[fd] = nil
		}
	}
	return changed
}

func port(addr string) int {
	a, _ := netip.ParseAddrPort(addr)
	return int(a.Port())
}

func registration(read, write bool) string {
	switch {
	case read && write:
		return "rw"
	case read:
		return "r"
	case write:
		return "w"
	}
	return "-"
}

func (s *set) interest() *interest { return &interest{ranges(s.Read), ranges(s.Write)} }

// ranges formats numbers as "7-9,12".
func ranges(numbers []int) string {
	slices.Sort(numbers)
	var b strings.Builder
	for i := 0; i < len(numbers); i++ {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		from := i
		for i+1 < len(numbers) && numbers[i+1] == numbers[i]+1 {
			i++
		}
		b.WriteString(strconv.Itoa(numbers[from]))
		if i > from {
			b.WriteString("-" + strconv.Itoa(numbers[i]))
		}
	}
	return b.String()
}
