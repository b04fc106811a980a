// Package watch shows a server to someone who is playing with it: its calls, the
// kernel's queues and its clients, on one page in the browser. All it shows comes from
// the server, the kernel or the clients' own sockets.
package watch

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// beat is how often the kernel is sampled while a page is open, and at most how often a
// client is updated on it.
const beat = 50 * time.Millisecond

// A Subject is a server to watch.
type Subject struct {
	Name    string            // 03-select
	Argv    []string          // what to run; {addr}, {host} and {port} in it stand for a free address
	Sources map[string]string // its files, by the names its calls carry
	Framed  bool              // it speaks frames
	Unknown bool              // not a rung: it has no -v=json
}

// A Watch is a server, its clients and its story.
type Watch struct {
	subject Subject
	story   *story
	server  *server
	crowd   *crowd

	mu       sync.Mutex
	clients  []*client // drawn
	watchers int
	woken    chan struct{} // a page has opened
}

// New prepares a watch.
func New(subject Subject) *Watch {
	s := newStory()
	return &Watch{subject: subject, story: s, server: &server{argv: subject.Argv, stranger: subject.Unknown, story: s}, crowd: newCrowd(s), woken: make(chan struct{}, 1)}
}

// Start starts the server, and samples the kernel's queues until ctx ends.
func (w *Watch) Start(ctx context.Context) error {
	if err := w.server.start(ctx); err != nil {
		return err
	}
	go w.watch(ctx)
	return nil
}

// do carries out what the page asks for.
func (w *Watch) do(ctx context.Context, action, id, text string) error {
	switch action {
	case "start":
		err := w.server.start(ctx)
		if err == nil {
			w.crowd.leave() // it was connected to the previous one
		}
		return err
	case "term":
		return w.server.signal(unix.SIGTERM)
	case "stop":
		return w.server.signal(unix.SIGSTOP)
	case "cont":
		return w.server.signal(unix.SIGCONT)
	case "add":
		return w.add()
	case "remove":
		return w.remove(id)
	case "idle-100", "idle-1000":
		_, addr := w.server.live()
		if addr == "" {
			return errEnded
		}
		n := 100
		if action == "idle-1000" {
			n = 1000
		}
		return w.crowd.add(addr, n)
	case "idle-leave":
		w.crowd.leave()
		return nil
	}
	c := w.find(id)
	if c == nil {
		return fmt.Errorf("no client %q", id)
	}
	return c.do(action, text)
}

var errEnded = errors.New("the server has ended: start it again")

func (w *Watch) find(id string) *client {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.clients, func(c *client) bool { return c.view.ID == id })
	if i < 0 {
		return nil
	}
	return w.clients[i]
}

// add connects a drawn client, named by the first free letter.
func (w *Watch) add() error {
	_, addr := w.server.live()
	if addr == "" {
		return errEnded
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.clients) == Drawn {
		return fmt.Errorf("there is room for only %d clients", Drawn)
	}
	const names = "ABCDEFGHIJKL"
	i := strings.IndexFunc(names, func(r rune) bool {
		return !slices.ContainsFunc(w.clients, func(c *client) bool { return c.view.ID == string(r) })
	})
	c, err := connect(w.story, addr, names[i:i+1], w.server.run(), w.subject.Framed)
	if err == nil {
		w.clients = append(w.clients, c)
	}
	return err
}

// remove takes a client off the page.
func (w *Watch) remove(id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.clients, func(c *client) bool { return c.view.ID == id })
	if i < 0 {
		return fmt.Errorf("no client %q", id)
	}
	w.clients[i].remove()
	w.clients = slices.Delete(w.clients, i, i+1)
	return nil
}

// enter counts an open page: sampling goes on while there is one.
func (w *Watch) enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchers++
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

func (w *Watch) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watchers--
}

func (w *Watch) watched() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.watchers > 0
}

// share is how much of one CPU sampling may take. (Listing 20,000 connections takes
// 50 ms.)
const share = 0.3

// watch samples every beat while a page is open, or less often if a sample takes long.
func (w *Watch) watch(ctx context.Context) {
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	var m meter
	var next time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		w.refresh()
		if !w.watched() {
			select {
			case <-ctx.Done():
				return
			case <-w.woken:
			}
		}
		if start := time.Now(); !start.Before(next) {
			w.sample(&m)
			next = start.Add(time.Duration(float64(time.Since(start)) / share))
		}
	}
}

// refresh records what clients have put off.
func (w *Watch) refresh() {
	w.mu.Lock()
	clients := slices.Clone(w.clients)
	w.mu.Unlock()
	for _, c := range clients {
		c.refresh()
	}
	w.crowd.refresh()
}

// sample asks the kernel once and records the answers.
func (w *Watch) sample(m *meter) {
	p, addr := w.server.live()
	if p == nil {
		return
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return
	}
	pipes, ports := w.pipes()
	values := map[string]any{}
	rows, err := table(at)
	if values["queuesError"] = why(err); err == nil {
		if !ownersListed {
			w.story.markQueued(rows, int(at.Port()))
		}
		if w.subject.Unknown {
			w.story.seen(glanceAt(p.Pid, rows, int(at.Port())))
		}
		v := look(rows, int(at.Port()), pipes, ports, w.crowd.ports())
		values["queue"], values["idle"], values["other"] = v.queue, v.idle, v.other
	}
	values["pipes"] = pipes
	calls, err := asleep(p.Pid)
	values["asleep"], values["asleepError"] = calls, why(err)
	m.read(p, w.story, values)
	w.story.sample(values)
}

// why returns the text of an error, or "".
func why(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// pipes asks the drawn clients' sockets for their queues.
func (w *Watch) pipes() (pipes map[string]*pipe, ports map[int]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pipes, ports = map[string]*pipe{}, map[int]string{}
	for _, c := range w.clients {
		id, port, q := c.queues()
		pipes[id], ports[port] = q, id
	}
	return pipes, ports
}
