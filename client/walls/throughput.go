package main

import (
	"fmt"
	"io"
	"time"

	"example/tcpladder/client/internal/load"
)

// Throughput: the same framed messages go to all, to 01 to 04 they are bytes.
var throughput = wall{
	name:    "throughput",
	title:   "Throughput: messages per second, 64 bytes each",
	columns: []string{"server", "connections", "depth", "round", "messages_per_s", "cpu_us_per_message", "silent"},
	measure: measureThroughput,
	show:    showThroughput,
	plot:    plotThroughput,
}

// cells are the connections and the depth of the load.
var cells = [][2]int{{1, 1}, {64, 1}, {64, 16}}

// measureThroughput goes through all servers in each round, so that a slow minute
// of the machine hits all of them.
func measureThroughput(l *lab, t *table) error {
	for round := range pick(l, 3, 1) {
		for _, cell := range cells {
			for _, name := range append(rungs, "net") {
				l.say("throughput: %s, %d connections, depth %d, round %d", name, cell[0], cell[1], round+1)
				if err := drive(l, t, name, cell, round+1); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

// drive starts a fresh server: nothing is left over from the round before.
func drive(l *lab, t *table, name string, cell [2]int, round int) error {
	s, err := l.start(name, nil)
	if err != nil {
		return err
	}
	defer s.Stop()
	r, err := l.load(s, cell[0], cell[1], pick(l, time.Second, 200*time.Millisecond))
	if err != nil {
		return err
	}
	t.add(name, cell[0], cell[1], round, r.PerSecond(), r.ServerCPU.Seconds()*1e6/float64(r.Messages), r.Silent)
	return nil
}

// speed returns the median of the rounds.
func speed(t *table, server string, cell [2]int) float64 {
	part := t.where("server", server).where("connections", fmt.Sprint(cell[0])).where("depth", fmt.Sprint(cell[1]))
	return load.Median(part.numbers("messages_per_s"))
}

// showThroughput draws bars for each load on a scale of its own.
func showThroughput(w io.Writer, t *table) {
	for _, cell := range cells {
		full := 0.0
		for _, server := range t.distinct("server") {
			full = max(full, speed(t, server, cell))
		}
		fmt.Fprintf(w, "%s\n", cellWords(cell))
		for _, server := range t.distinct("server") {
			v := speed(t, server, cell)
			fmt.Fprintf(w, "%-3s %6s/s  %s\n", server, si(v), bar(v, full))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "01 serves one of the 64 connections; the others wait until it leaves.")
}

// cellWords says what the load is.
func cellWords(cell [2]int) string {
	if cell[0] == 1 {
		return "1 connection, 1 message under way"
	}
	return fmt.Sprintf("%d connections, %d under way on each", cell[0], cell[1])
}
