package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example/tcpladder/shared/proc"
)

// A Recording is a story that can be replayed, on a page of its own.
type Recording struct {
	About  About             `json:"about"`
	Scenes []Scene           `json:"scenes"` // as played
	Key    int               `json:"key"`    // the event that shows its wall best
	Events []json.RawMessage `json:"events"`
}

// A Scene is a part of a script, with a note on what to look at.
type Scene struct {
	Steps string `json:"steps"` // as in the chapters' sessions, see Record
	Note  string `json:"note,omitempty"`
	Key   bool   `json:"key,omitempty"` // its end shows the wall best
}

// Record plays scenes against a rung and returns what happened. The steps, for a client
// named A:
//
//	A+      connects
//	A:text  sends a line (a frame if the rung is framed) and waits for its echo
//	A>text  sends it without waiting
//	A=bytes sends these bytes as they are, \n and \xff as in a Go string, and does not wait
//	A<      waits until everything sent has come back
//	A-      half-closes and waits for the connection to end
//	A!deed  performs an action of the page: deaf, hear, mib, close, ...
//	100+    100 idle clients connect; also 1000+
//	2s      waits for two seconds
//	stop    freezes the rung (SIGSTOP)
//	cont    resumes it
//	term    sends it SIGTERM
func Record(ctx context.Context, subject Subject, scenes []Scene) (*Recording, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := New(subject)
	w.story.kept = limits{bytes: 64 << 20, events: 1 << 20, segments: 1}
	w.enter()
	defer w.leave()
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	defer w.end()
	r := &Recording{About: w.About(), Scenes: scenes}
	r.About.Steps = nil // there is nothing to try
	for _, scene := range scenes {
		if scene.Note != "" {
			w.story.tell(event{Kind: "note", Text: scene.Note})
		}
		for step := range strings.FieldsSeq(scene.Steps) {
			if err := w.step(ctx, step); err != nil {
				return nil, fmt.Errorf("step %s: %w", step, err)
			}
		}
		w.settle(ctx)
		if scene.Key || r.Key == 0 {
			r.Key = w.story.end()
		}
	}
	var at place
	for lines := [][]byte{nil}; len(lines) > 0; {
		lines, at, _ = w.story.after(at)
		for _, line := range lines {
			r.Events = append(r.Events, line)
		}
	}
	return r, nil
}

// JSON returns a recording with one event per line, so that a diff is readable.
func (r *Recording) JSON() []byte {
	text, _ := json.Marshal(struct {
		About  About   `json:"about"`
		Scenes []Scene `json:"scenes"`
		Key    int     `json:"key"`
	}{r.About, r.Scenes, r.Key})
	b := bytes.NewBuffer(bytes.TrimSuffix(text, []byte("}")))
	b.WriteString(`,"events":[` + "\n")
	for i, e := range r.Events {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.Write(e)
	}
	b.WriteString("\n]}\n")
	return b.Bytes()
}

// end kills the server and closes every connection.
func (w *Watch) end() {
	w.server.mu.Lock()
	p := w.server.process
	w.server.mu.Unlock()
	p.Kill()
	w.crowd.leave()
	for _, c := range w.clients {
		c.conn.Close()
	}
}

// end returns the number of the last event.
func (s *story) end() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next - 1
}

// step performs one step of a script.
func (w *Watch) step(ctx context.Context, step string) error {
	if pause, err := time.ParseDuration(step); err == nil {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	switch {
	case step == "stop", step == "cont", step == "term":
		return w.do(ctx, step, "", "")
	case step == "100+", step == "1000+":
		return w.do(ctx, "idle-"+strings.TrimSuffix(step, "+"), "", "")
	case len(step) == 2 && step[1] == '+':
		if err := w.do(ctx, "add", "", ""); err != nil {
			return err
		}
		if w.find(step[:1]) == nil {
			return errors.New("clients are named A, B, ... in the order they connect")
		}
		return nil
	case len(step) < 2 || w.find(step[:1]) == nil:
		return errors.New("not understood")
	}
	return w.stepClient(ctx, w.find(step[:1]), step[1], step[2:])
}

// stepClient performs one step of one client.
func (w *Watch) stepClient(ctx context.Context, c *client, what byte, text string) (err error) {
	answered := func(v clientView) bool { return v.Left == 0 && v.Got >= v.Sent }
	over := func(v clientView) bool { return v.Over != "" }
	switch what {
	case '>', ':':
		if err = c.do("send", text); err == nil && what == ':' {
			err = w.await(ctx, c, answered)
		}
	case '=':
		var raw string
		if raw, err = strconv.Unquote(`"` + text + `"`); err == nil {
			err = c.do("raw", raw)
		}
	case '<':
		err = w.await(ctx, c, answered)
	case '-':
		if err = c.do("end", ""); err == nil {
			err = w.await(ctx, c, over)
		}
	case '!':
		err = c.do(text, "")
	default:
		err = fmt.Errorf("%s is not understood", strconv.QuoteRune(rune(what)))
	}
	return err
}

// await waits until a client's recorded state satisfies ok.
func (w *Watch) await(ctx context.Context, c *client, ok func(clientView) bool) error {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	for {
		w.story.mu.Lock()
		v, changed := w.story.state.Clients[c.view.ID], w.story.changed
		w.story.mu.Unlock()
		if v != nil && ok(*v) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("client %s waited in vain: %w", c.view.ID, ctx.Err())
		}
	}
}

// settle waits for two samples: the second surely began after the last step.
func (w *Watch) settle(ctx context.Context) {
	for range 2 {
		_, _, changed := w.story.after(place{next: w.story.end() + 1})
		before := w.sampled()
		for w.sampled() == before {
			p, _ := w.server.live()
			if p == nil {
				w.awaitEnded(ctx)
				return
			}
			select {
			case <-changed:
			case <-p.Done():
			case <-ctx.Done():
				return
			}
			_, _, changed = w.story.after(place{next: w.story.end() + 1})
		}
	}
}

// awaitEnded waits until the end of the server, which has exited, is recorded.
func (w *Watch) awaitEnded(ctx context.Context) {
	for {
		w.story.mu.Lock()
		told, changed := w.story.state.Server.Is == ended, w.story.changed
		w.story.mu.Unlock()
		if told {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// sampled returns the time of the last sample.
func (w *Watch) sampled() float64 {
	w.story.mu.Lock()
	defer w.story.mu.Unlock()
	return w.story.state.SampleAt
}
