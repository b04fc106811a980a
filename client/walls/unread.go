package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"example/tcpladder/client/framing"
	"example/tcpladder/client/internal/load"
)

// The client that does not read: it sends as fast as it can and never takes an
// echo back, while another client plays ping-pong.
var unread = wall{
	name:  "client-that-does-not-read",
	title: "The client that does not read: memory, CPU and another client's latency",
	// ms counts from the start; the client begins at a quarter of the time and leaves at
	// three quarters. sent_mib is what it could get rid of. Latencies are of the tenth of a
	// second that ends there.
	columns: []string{"server", "ms", "rss_mib", "cpu_percent", "p50_us", "max_us", "sent_mib"},
	measure: measureUnread,
	show:    showUnread,
	plot:    plotUnread,
}

// tick is the time between two samples.
const tick = 100 * time.Millisecond

func measureUnread(l *lab, t *table) error {
	for _, name := range []string{"04", "05", "net"} {
		l.say("the client that does not read: %s", name)
		if err := watchFlood(l, t, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// watchFlood takes a sample at each tick.
func watchFlood(l *lab, t *table, name string) error {
	s, err := l.start(name, nil)
	if err != nil {
		return err
	}
	defer s.Stop()
	p, err := newPinger(l, s.Addr)
	if err != nil {
		return err
	}
	defer p.conn.Close()
	var f flooder
	defer f.leave()
	start, cpu, last := time.Now(), s.CPU(), time.Now()
	ticks := pick(l, 60, 20)
	for i := range ticks {
		switch i {
		case ticks / 4:
			if err := f.begin(s.Addr); err != nil {
				return err
			}
		case ticks * 3 / 4:
			f.leave()
		}
		time.Sleep(tick) // never less: a share of a short time says nothing
		now, used := time.Now(), s.CPU()
		p50, worst, err := p.take()
		if err != nil {
			return s.Explain(err)
		}
		t.add(name, now.Sub(start).Milliseconds(), float64(s.RSS())/(1<<20),
			100*float64(used-cpu)/float64(now.Sub(last)), p50, worst, float64(f.total())/(1<<20))
		cpu, last = used, now
	}
	return s.Died()
}

// A pinger is the other client: an echo every few milliseconds.
type pinger struct {
	conn *framing.Conn
	mu   sync.Mutex
	us   []float64 // latencies since the last take
	err  error
}

// newPinger connects, and begins. It ends when its connection is closed.
func newPinger(l *lab, addr string) (*pinger, error) {
	conn, err := framing.Dial(l.ctx, addr)
	if err != nil {
		return nil, err
	}
	p := &pinger{conn: conn}
	go p.run()
	return p, nil
}

// run pauses between the echoes, so that the ping-pong itself hardly costs CPU.
func (p *pinger) run() {
	for {
		start := time.Now()
		p.conn.SetDeadline(start.Add(10 * time.Second))
		err := p.conn.Send(bytes.Repeat([]byte("x"), 64))
		if err == nil {
			_, err = p.conn.Recv()
		}
		p.mu.Lock()
		if err != nil {
			p.err = err
			p.mu.Unlock()
			return
		}
		p.us = append(p.us, time.Since(start).Seconds()*1e6)
		p.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
	}
}

// take returns the median and the longest latency since the last take; an echo
// that did not come in that time counts as long as the time.
func (p *pinger) take() (p50, worst float64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	us := p.us
	p.us = nil
	if len(us) == 0 {
		us = []float64{tick.Seconds() * 1e6}
	}
	return load.Median(us), slices.Max(us), p.err
}

// A flooder is the client that does not read.
type flooder struct {
	conn net.Conn
	mu   sync.Mutex
	sent int64
}

// begin connects, and sends frames of 1 KiB, many in one call, until leave.
func (f *flooder) begin(addr string) (err error) {
	if f.conn, err = net.Dial("tcp", addr); err != nil {
		return err
	}
	frame := append(binary.BigEndian.AppendUint32(nil, 1024), make([]byte, 1024)...)
	frames := bytes.Repeat(frame, 64)
	go func(conn net.Conn) {
		for {
			n, err := conn.Write(frames)
			f.mu.Lock()
			f.sent += int64(n)
			f.mu.Unlock()
			if err != nil {
				return
			}
		}
	}(f.conn)
	return nil
}

// leave closes with echoes unread, which resets the connection.
func (f *flooder) leave() {
	if f.conn != nil {
		f.conn.Close()
	}
}

// total returns the bytes that were sent so far.
func (f *flooder) total() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

// An unreadPanel is one of the things to look at.
type unreadPanel struct {
	column, what, unit string
	calm, log          bool
}

// Memory is shown as it is: a peak would count. The rest has the noise of the machine in it.
var unreadPanels = []unreadPanel{
	{"rss_mib", "memory", "MiB", false, false},
	{"cpu_percent", "CPU, median of half a second", "%", true, false},
	{"p50_us", "the other client's latency, median of half a second", "µs", true, true},
}

// values returns what a panel shows of a server.
func (c unreadPanel) values(t *table, server string) []float64 {
	values := t.where("server", server).numbers(c.column)
	if c.calm {
		return running(values, 5)
	}
	return values
}

// running returns for each value the median of the n around it (at the ends, of the
// n nearest to the end), so that a few bad moments of a machine with other work do
// not hide what lasts.
func running(values []float64, n int) (calm []float64) {
	n = min(n, len(values))
	for i := range values {
		from := min(max(i-n/2, 0), len(values)-n)
		calm = append(calm, load.Median(values[from:from+n]))
	}
	return calm
}

// showUnread draws a row of blocks for each server: memory, CPU, latency.
func showUnread(w io.Writer, t *table) {
	fmt.Fprintln(w, "Each block is a tenth of a second; the client sends during the middle half.")
	for _, c := range unreadPanels {
		full := 0.0
		for _, server := range t.distinct("server") {
			full = max(full, slices.Max(c.values(t, server)))
		}
		// A picture of 60 samples leaves room for two figures; with -quick it is shorter
		// than what stands above it.
		ticks := len(t.where("server", t.text(0, "server")).rows)
		row := func(what, most, end string) { fmt.Fprintf(w, "%-*s%8s%8s\n", max(4+ticks, 56), what, most, end) }
		fmt.Fprintln(w)
		row(c.what+", "+c.unit, "at most", "at end")
		for _, server := range t.distinct("server") {
			values := c.values(t, server)
			picture := fmt.Sprintf("%-3s %s", server, sparks(values, full))
			row(picture, si(slices.Max(values)), si(values[len(values)-1]))
		}
	}
	fmt.Fprintln(w)
	for _, server := range t.distinct("server") {
		fmt.Fprintf(w, "%-3s took %.1f MiB from it, the kernel's buffers at both ends included\n", server, slices.Max(t.where("server", server).numbers("sent_mib")))
	}
}
