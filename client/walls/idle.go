package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/load"
	"example/tcpladder/client/internal/target"
)

// O(n) against O(ready): one client plays ping-pong among many that are idle.
var idle = wall{
	name:    "idle-clients",
	title:   "O(n) against O(ready): one active client among idle ones",
	columns: []string{"server", "idle", "p50_us", "p99_us", "cpu_us_per_echo", "echoes"},
	measure: measureIdle,
	show:    showIdle,
	plot:    plotIdle,
}

// measureIdle leaves 01 out: it would wait for the first idle client forever.
func measureIdle(l *lab, t *table) error {
	for _, name := range []string{"02", "03", "04", "05"} {
		if err := crowd(l, t, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// levels are the numbers of idle clients, up to what the limit of descriptors
// allows, or an fd_set.
func levels(l *lab, name string) []int {
	most := min(target.Limit()-100, pick(l, 1<<20, 3000))
	// The client's ports end at about 28,000 on Linux, and at 16,000 on macOS.
	most = min(most, 27000)
	if name == "03" {
		most = min(most, unix.FD_SETSIZE-24) // room for the server's own, and for the active client
	}
	all := []int{0, 10, 100, 300, 1000, 3000, 10000}
	all = slices.DeleteFunc(all, func(n int) bool { return n >= most })
	return append(all, most)
}

// crowd adds idle clients, level by level, to the same server, and measures the
// active one at each level.
func crowd(l *lab, t *table, name string) error {
	s, err := l.start(name, nil)
	if err != nil {
		return err
	}
	defer s.Stop()
	cfg := load.Config{Addr: s.Addr, Framed: true, Size: 64}
	have := 0
	for _, n := range levels(l, name) {
		l.say("O(n) against O(ready): %s, %d idle clients", name, n)
		more, err := load.Hold(cfg, n-have)
		if err != nil {
			return s.Explain(err)
		}
		defer more.Close()
		have = n
		r, err := l.load(s, 1, 1, pick(l, time.Second, 200*time.Millisecond))
		if err != nil {
			return err
		}
		us := func(q float64) float64 { return float64(r.Latency.ValueAtQuantile(q)) / 1e3 }
		t.add(name, n, us(50), us(99), r.ServerCPU.Seconds()*1e6/float64(r.Messages), r.Messages)
	}
	return nil
}

// showIdle writes a line for each level, and a gap between the servers.
func showIdle(w io.Writer, t *table) {
	fmt.Fprintln(w, "The bars show the median latency: one █ more is twice as long.")
	fmt.Fprintln(w)
	fmt.Fprintln(w, "     idle  median latency  CPU per echo")
	for i := range t.rows {
		if i > 0 && t.text(i, "server") != t.text(i-1, "server") {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s %6.0f  %11.1f µs  %9.1f µs  %s\n", t.text(i, "server"), t.number(i, "idle"), t.number(i, "p50_us"),
			t.number(i, "cpu_us_per_echo"), doublings(t.number(i, "p50_us")))
	}
}
