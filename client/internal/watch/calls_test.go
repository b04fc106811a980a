package watch

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// told returns the events of a story as a page that opens now gets them.
func told(t *testing.T, s *story) (list []event) {
	t.Helper()
	var at place
	for {
		lines, next, _ := s.after(at)
		if at = next; len(lines) == 0 {
			return list
		}
		for _, line := range lines {
			var e struct {
				event
				call // json does not fill an unexported embedded pointer
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			e.event.call = &e.call
			list = append(list, e.event)
		}
	}
}

// TestCalls: the state follows from what a rung prints. These lines are from one.
func TestCalls(t *testing.T) {
	s := newStory()
	for _, line := range []string{
		`{"t":105,"kind":"call","call":"socket","arg":2,"result":7,"words":"TCP, 127.0.0.1","file":"main.go","line":24}`,
		`{"t":371,"kind":"call","call":"listen","arg":7,"result":0,"file":"main.go","line":24}`,
		`{"t":1021,"kind":"call","call":"accept","arg":7,"result":8,"words":"127.0.0.1:36094","file":"server.go","line":117}`,
		`{"t":1043,"kind":"call","call":"accept","arg":7,"errno":"EAGAIN","words":"nobody is waiting","file":"server.go","line":117}`,
		`{"t":1078,"kind":"enter","call":"select","arg":9,"want":{"read":[7,8]},"file":"server.go","line":85}`,
		`{"t":537993,"kind":"call","call":"select","arg":9,"result":1,"want":{"read":[7,8]},"ready":{"read":[8]},"slept":536917,"file":"server.go","line":85}`,
		`{"t":538279,"kind":"call","call":"read","arg":8,"result":6,"words":"\"hello\\n\"","bytes":"aGVsbG8K","file":"conn.go","line":28}`,
		`{"t":538440,"kind":"call","call":"write","arg":8,"result":4,"words":"\"hell\"","bytes":"aGVsbA==","file":"conn.go","line":42}`,
		`{"t":538450,"kind":"again","counts":[{"call":"accept","arg":7,"count":40113},{"call":"read","arg":8,"count":40112}]}`,
		`{"t":538453,"kind":"enter","call":"select","arg":9,"want":{"read":[7],"write":[8]},"file":"server.go","line":85}`,
	} {
		if log := s.line(line); log != "" {
			t.Errorf("%s is taken for a log line", line)
		}
	}
	if got, want := s.state.FDs[8], (&descriptor{Port: 36094, Read: 6, Written: 4, Said: 40112}); !reflect.DeepEqual(got, want) {
		t.Errorf("descriptor 8 is %+v, want %+v", got, want)
	}
	if got := s.state.FDs[7]; got == nil || got.Said != 40114 || s.state.Listener != 7 {
		t.Errorf("listener %d is %+v", s.state.Listener, got)
	}
	if in := s.state.Inside; in == nil || in.Call != "select" || in.Line != 85 || in.File != "server.go" {
		t.Errorf("it is in %+v", in)
	}
	if got, want := s.state.Asked, (&interest{"7", "8"}); !reflect.DeepEqual(got, want) || s.state.Ready != nil {
		t.Errorf("it asks for %+v, and %+v is ready", got, s.state.Ready)
	}
	if last := s.state.Last; last == nil || last.Call != "write" || last.Line != 42 || *last.Result != 4 {
		t.Errorf("the last call is %+v", last)
	}
	if n := s.counts().calls; n != 7+40113+40112 {
		t.Errorf("%d calls", n)
	}
}

// TestGap: after a gap the state is exact again, and the event lists only what has
// changed.
func TestGap(t *testing.T) {
	s := newStory()
	for fd := 8; fd < 12; fd++ {
		s.line(fmt.Sprintf(`{"t":1,"kind":"call","call":"accept","arg":7,"result":%d,"words":"127.0.0.1:%d"}`, fd, 40000+fd))
	}
	s.line(`{"t":2,"kind":"call","call":"read","arg":8,"errno":"EAGAIN"}`)
	s.line(`{"t":3,"kind":"gap","count":50,"inside":{"t":2,"kind":"enter","call":"select","arg":12,"want":{"read":[8,9]}},"descriptors":[` +
		`{"fd":8,"peer":"127.0.0.1:40008","read":0,"written":0},{"fd":9,"peer":"127.0.0.1:50000","read":5,"written":1,"want":{"read":true,"write":true}},` +
		`{"fd":10,"peer":"127.0.0.1:40010","read":0,"written":0}]}`)
	want := map[int]*descriptor{8: {Port: 40008, Said: 1}, 9: {Port: 50000, Read: 5, Written: 1, Wants: "rw"}, 10: {Port: 40010}}
	if !reflect.DeepEqual(s.state.FDs, want) {
		t.Errorf("the descriptors are %+v", s.state.FDs)
	}
	if s.state.Inside == nil || s.state.Inside.Call != "select" || s.state.Asked == nil || s.state.Asked.Read != "8-9" {
		t.Errorf("it is in %+v and asks for %+v", s.state.Inside, s.state.Asked)
	}
	all := told(t, s)
	if changed := all[len(all)-1].FDs; len(changed) != 2 || changed[9] == nil || changed[11] != nil {
		t.Errorf("the gap changes %+v", changed)
	}
}

// TestRegistrations: the last registration of a descriptor counts.
func TestRegistrations(t *testing.T) {
	s := newStory()
	for _, test := range []struct{ want, is string }{{`{"read":[11]}`, "r"}, {`{"write":[11]}`, "w"}, {`{"read":[11],"write":[11]}`, "rw"}, {`{}`, "-"}} {
		s.line(`{"t":1,"kind":"call","call":"epoll_ctl","arg":8,"result":0,"fd":11,"want":` + test.want + `}`)
		if got := s.state.FDs[11].Wants; got != test.is {
			t.Errorf("%s is %q, want %q", test.want, got, test.is)
		}
	}
	s.line(`{"t":1,"kind":"call","call":"epoll_ctl","arg":8,"errno":"ENOMEM","fd":11,"want":{"read":[11]}}`)
	if got := s.state.FDs[11].Wants; got != "-" {
		t.Errorf("a failed call has registered %q", got)
	}
	s.line(`{"t":1,"kind":"call","call":"close","arg":11,"result":0}`)
	if s.state.FDs[11] != nil {
		t.Error("it is closed, but still listed")
	}
}

// TestOtherLines: what is not an object comes from the runtime, or is a torn one.
func TestOtherLines(t *testing.T) {
	s := newStory()
	for line, want := range map[string]string{
		`{"t":1,"kind":"log","text":"client 127.0.0.1:1: read: gone"}`: "client 127.0.0.1:1: read: gone",
		"panic: out of luck":                "panic: out of luck",
		`{"t":10011771,"kind":"gap","coun…`: "",
		`{"t":1,"kind":"of tomorrow"}`:      "",
	} {
		if got := s.line(line); got != want {
			t.Errorf("%s: the log is %q, want %q", line, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for want, list := range map[string][]int{"": nil, "7": {7}, "7-9": {9, 7, 8}, "0,2-3,5": {5, 2, 3, 0}} {
		if got := ranges(list); got != want {
			t.Errorf("%v is %q, want %q", list, got, want)
		}
	}
}
