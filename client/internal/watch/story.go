package watch

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// An event is one thing the page is sent. It carries the new state of whatever it
// changes, so that only the server works out what a call means: the page just
// replaces the old with the new.
type event struct {
	N    int     `json:"n"`            // counts all events
	At   float64 `json:"at"`           // milliseconds since the watch began
	To   float64 `json:"to,omitempty"` // in a sample: until when the next ones were the same
	Kind string  `json:"k"`            // enter, call, again, gap, log, dropped, act, client, sample, server, note, seen, key

	*call
	Text  string `json:"text,omitempty"`
	Count int    `json:"count,omitempty"`

	FDs      map[int]*descriptor        `json:"fds,omitempty"`      // as they are now; null: closed
	Asked    *interest                  `json:"asked,omitempty"`    // by the wait being entered
	Listener int                        `json:"listener,omitempty"` // its descriptor, once there is one
	Inside   *call                      `json:"inside,omitempty"`   // in gap and seen: the call that the server is in
	Client   *clientView                `json:"client,omitempty"`
	Crowd    *crowdView                 `json:"crowd,omitempty"`
	Sample   map[string]json.RawMessage `json:"sample,omitempty"` // what differs from the last one
	Server   *serverView                `json:"server,omitempty"`
	State    *state                     `json:"state,omitempty"` // in a key: the whole state
}

// A call is a system call, and what it returned.
type call struct {
	Call   string    `json:"call"`
	Arg    int       `json:"arg"`
	Result *int      `json:"result,omitempty"`
	Errno  string    `json:"errno,omitempty"`
	Words  string    `json:"words,omitempty"`
	FD     int       `json:"fd,omitempty"`    // the descriptor being registered
	Ready  *interest `json:"ready,omitempty"` // what a wait reports
	Slept  *float64  `json:"slept,omitempty"` // milliseconds
	Since  float64   `json:"since,omitempty"` // when it was entered, if it has not returned
	File   string    `json:"file,omitempty"`
	Line   int       `json:"line,omitempty"`
}

// An interest lists descriptors as ranges: "7-9,12".
type interest struct {
	Read  string `json:"read,omitempty"`
	Write string `json:"write,omitempty"`
}

// A descriptor is what the server's calls reveal about an open one.
type descriptor struct {
	Port    int    `json:"port,omitempty"` // the client's; 0: the listener, or the loop's own pipe
	Read    int64  `json:"read,omitempty"` // bytes
	Written int64  `json:"written,omitempty"`
	Said    int    `json:"no,omitempty"`  // how many calls on it returned EAGAIN
	Wants   string `json:"reg,omitempty"` // its registration: r, w, rw, or - for nothing
}

// A state is the whole picture after an event. The page keeps one too, and computes
// it the same way: see step in app.js.
type state struct {
	FDs      map[int]*descriptor        `json:"fds"`
	Listener int                        `json:"listener"`
	Inside   *call                      `json:"inside,omitempty"`
	Asked    *interest                  `json:"asked,omitempty"` // by the last wait
	Ready    *interest                  `json:"ready,omitempty"` // what the last wait reported, if it has returned
	Last     *call                      `json:"last,omitempty"`
	Clients  map[string]*clientView     `json:"clients"`
	Crowd    *crowdView                 `json:"crowd,omitempty"`
	Sample   map[string]json.RawMessage `json:"sample"`
	SampleAt float64                    `json:"sampleAt"`
	Server   *serverView                `json:"server,omitempty"`
}

func newState() state {
	return state{FDs: map[int]*descriptor{}, Clients: map[string]*clientView{}, Sample: map[string]json.RawMessage{}}
}

// step applies e to the state.
func (s *state) step(e *event) {
	if e.Server != nil {
		if s.Server == nil || s.Server.Run != e.Server.Run { // another process
			clients, crowd := s.Clients, s.Crowd
			*s = newState()
			s.Clients, s.Crowd = clients, crowd
		}
		s.Server = e.Server
		if e.Server.Is == ended {
			s.Inside, s.FDs, s.Sample = nil, map[int]*descriptor{}, map[string]json.RawMessage{}
		}
	}
	for fd, d := range e.FDs {
		if d == nil {
			delete(s.FDs, fd)
		} else {
			s.FDs[fd] = d
		}
	}
	if e.Listener != 0 {
		s.Listener = e.Listener
	}
	s.stepCall(e)
	if e.Client != nil {
		if s.Clients[e.Client.ID] = e.Client; e.Client.Removed {
			delete(s.Clients, e.Client.ID)
		}
	}
	if e.Crowd != nil {
		s.Crowd = e.Crowd
	}
	if e.Kind == "sample" {
		s.SampleAt = max(e.At, e.To)
		for name, value := range e.Sample {
			s.Sample[name] = value
		}
	}
}

// stepCall tracks the call that the server is in, and the last one that returned.
func (s *state) stepCall(e *event) {
	switch e.Kind {
	case "enter":
		s.Inside = e.call
		if e.Asked != nil {
			s.Asked, s.Ready = e.Asked, nil
		}
	case "call":
		s.Last = e.call
		if e.Slept != nil {
			s.Inside = nil
		}
		if e.Ready != nil {
			s.Ready = e.Ready
		}
	case "seen":
		s.Inside = e.Inside
	case "gap":
		s.Inside, s.Asked, s.Ready = e.Inside, e.Asked, nil
	}
}

// How much of the past is kept, for a page that opens later: a few segments, each
// beginning with the whole state. When there are too many, the oldest is dropped.
// (A page keeps about as much: see app.js.)
type limits struct{ bytes, events, segments int }

var kept = limits{512 << 10, 4000, 12}

// A segment is a part of the past. Its events are JSON; the first is a key.
type segment struct {
	first  int
	events [][]byte
	size   int
}

// A story is everything that has happened, as far back as it is kept.
type story struct {
	mu      sync.Mutex
	began   time.Time
	state   state
	kept    limits
	past    []*segment
	next    int   // the number of the next event
	last    event // the one before it
	again   int   // how often the last event was replaced
	calls   tally
	changed chan struct{} // closed and replaced at each change
}

func newStory() *story {
	return &story{began: time.Now(), state: newState(), kept: kept, changed: make(chan struct{})}
}

// now returns the time as events carry it.
func (s *story) now() float64 { return float64(time.Since(s.began).Microseconds()) / 1000 }

// tell adds an event.
func (s *story) tell(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked(e)
}

func (s *story) tellLocked(e event) {
	e.At = s.now()
	if e.Kind == "enter" {
		e.Since = e.At
	}
	now := s.past
	if len(now) == 0 || now[len(now)-1].size > s.kept.bytes || len(now[len(now)-1].events) >= s.kept.events {
		s.past = append(s.past, &segment{first: s.next})
		if len(s.past) > s.kept.segments {
			s.past = append([]*segment(nil), s.past[1:]...)
		}
		s.append(event{At: e.At, Kind: "key", State: &s.state})
	}
	s.state.step(&e)
	s.count(&e)
	s.append(e)
	close(s.changed)
	s.changed = make(chan struct{})
}

// A tally is the number of calls up to some moment.
type tally struct {
	at          time.Time // of the last call
	calls, gaps int
}

func (s *story) count(e *event) {
	switch e.Kind {
	default:
		return
	case "call":
		s.calls.calls++
	case "again":
		s.calls.calls += e.Count
	case "gap":
		s.calls.gaps++
	}
	s.calls.at = time.Now()
}

// counts returns the tally so far.
func (s *story) counts() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// append numbers an event and keeps it.
func (s *story) append(e event) {
	e.N = s.next
	s.next++
	s.last = e
	text, _ := json.Marshal(e) // no field can fail
	now := s.past[len(s.past)-1]
	now.events = append(now.events, text)
	now.size += len(text)
}

// sample records what the kernel says now. If nothing has changed, and the last event
// was a sample too, that one lasts longer: watching a server that sleeps adds nothing.
func (s *story) sample(values map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := map[string]json.RawMessage{}
	for name, value := range values {
		text, _ := json.Marshal(value)
		if !bytes.Equal(text, s.state.Sample[name]) {
			fresh[name] = text
		}
	}
	if len(fresh) > 0 || s.last.Kind != "sample" {
		s.tellLocked(event{Kind: "sample", Sample: fresh})
		return
	}
	s.last.To = s.now()
	s.state.step(&s.last)
	text, _ := json.Marshal(s.last)
	now := s.past[len(s.past)-1]
	now.events[len(now.events)-1] = text
	s.again++
	close(s.changed)
	s.changed = make(chan struct{})
}

// A place is how far a page has got.
type place struct {
	next  int // event
	again int // the version of the one before it
}

// most is the maximum number of events returned at once.
const most = 2000

// after returns the events from p on, or from the oldest one kept if p is gone. The
// channel is closed when there are more.
func (s *story) after(p place) (events [][]byte, now place, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.next == s.next && p.again != s.again && s.next > 0 {
		p.next--
	}
	if len(s.past) > 0 {
		p.next = max(p.next, s.past[0].first)
	}
	for _, part := range s.past {
		if at := p.next - part.first; at < len(part.events) && len(events) < most {
			fresh := part.events[at:min(len(part.events), at+most-len(events))]
			events = append(events, fresh...)
			p.next += len(fresh)
		}
	}
	return events, place{p.next, s.again}, s.changed
}
