package watch

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestBounds: however much happens, what is kept stays bounded, and a page that opens
// later begins with a whole state and ends with the right one.
func TestBounds(t *testing.T) {
	s := newStory()
	s.kept = limits{bytes: 20_000, events: 50, segments: 3}
	s.line(`{"t":1,"kind":"call","call":"accept","arg":7,"result":8,"words":"127.0.0.1:36094"}`)
	for range 1000 {
		s.line(`{"t":1,"kind":"call","call":"read","arg":8,"result":1}`)
	}
	for range 200 {
		s.line(strings.Repeat("x", 10_000))
	}
	events, size := 0, 0
	for _, part := range s.past {
		events += len(part.events)
		for _, e := range part.events {
			size += len(e)
		}
	}
	if events > 3*50 || size > 3*21_000 {
		t.Errorf("%d events with %d bytes are kept", events, size)
	}
	all := told(t, s)
	if all[0].Kind != "key" || all[0].State == nil || all[0].N == 0 {
		t.Fatalf("it begins with %+v", all[0])
	}
	now := newState()
	for i := range all {
		if i > 0 && all[i].N != all[i-1].N+1 {
			t.Fatalf("%d follows %d", all[i].N, all[i-1].N)
		}
		if all[i].Kind == "key" {
			now = *all[i].State
		} else {
			now.step(&all[i])
		}
	}
	if !reflect.DeepEqual(now.FDs, s.state.FDs) || now.FDs[8].Read != 1000 {
		t.Errorf("it ends with %+v, want %+v", now.FDs[8], s.state.FDs[8])
	}
}

// TestSameSample: a sample equal to the last one replaces it, and a page that had the
// last one gets the new one.
func TestSameSample(t *testing.T) {
	s := newStory()
	s.sample(map[string]any{"queue": 1, "cpu": 0})
	_, at, _ := s.after(place{})
	for range 1000 {
		s.sample(map[string]any{"queue": 1, "cpu": 0})
	}
	lines, next, _ := s.after(at)
	if len(lines) != 1 {
		t.Fatalf("%d events", len(lines))
	}
	var e event
	if err := json.Unmarshal(lines[0], &e); err != nil || e.To < e.At || string(e.Sample["queue"]) != "1" {
		t.Errorf("%s: %v", lines[0], err)
	}
	if lines, _, _ := s.after(next); len(lines) != 0 {
		t.Errorf("it is sent again: %s", lines)
	}
	s.sample(map[string]any{"queue": 2, "cpu": 0})
	if lines, _, _ := s.after(next); len(lines) != 1 || strings.Contains(string(lines[0]), "cpu") {
		t.Errorf("not only what differs is sent: %s", lines)
	}
}

// TestChanged: whoever waits for more is woken.
func TestChanged(t *testing.T) {
	s := newStory()
	_, _, changed := s.after(place{})
	go s.line("word")
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Error("nobody was woken")
	}
}

// TestNextProcess: the state of an ended server is not carried over to the next.
func TestNextProcess(t *testing.T) {
	s := newStory()
	s.tell(event{Kind: "server", Server: &serverView{Run: 1, Is: runs}})
	s.tell(event{Kind: "client", Client: &clientView{ID: "A"}})
	s.line(`{"t":1,"kind":"enter","call":"accept","arg":7}`)
	s.sample(map[string]any{"queue": 1})
	s.tell(event{Kind: "server", Server: &serverView{Run: 1, Is: ended}})
	if s.state.Inside != nil || len(s.state.Sample) != 0 {
		t.Errorf("it has ended, but is still in %+v", s.state.Inside)
	}
	s.tell(event{Kind: "server", Server: &serverView{Run: 2, Is: starts}})
	if s.state.Last != nil || s.state.Clients["A"] == nil {
		t.Errorf("the state is %+v", s.state)
	}
}
