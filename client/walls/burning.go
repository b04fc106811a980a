package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Burning: what a server does while nobody says anything.
var burning = wall{
	name:  "burning",
	title: "Burning: CPU and system calls while 50 clients say nothing",
	// counted_by is perf, or proc where only the calls of read(2) are known, or none.
	columns: []string{"server", "cpu_percent", "syscalls_per_s", "counted_by"},
	measure: measureBurning,
	show:    showBurning,
	plot:    plotBurning,
}

// silentClients are few, because each of them is a call in each turn of 02.
const silentClients = 50

func measureBurning(l *lab, t *table) error {
	for _, name := range append(rungs, "net") {
		l.say("burning: %s", name)
		if err := burn(l, t, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// burn measures the CPU first and the calls afterwards: to count costs time, too.
func burn(l *lab, t *table, name string) error {
	s, err := l.start(name, nil)
	if err != nil {
		return err
	}
	defer s.Stop()
	for range silentClients {
		c, err := net.Dial("tcp", s.Addr)
		if err != nil {
			return err
		}
		defer c.Close()
	}
	time.Sleep(200 * time.Millisecond) // until all are let in
	before, start := s.CPU(), time.Now()
	time.Sleep(pick(l, 3*time.Second, 500*time.Millisecond))
	cpu := float64(s.CPU()-before) / float64(time.Since(start))
	calls, by := syscalls(s.Pid, pick(l, time.Second, 300*time.Millisecond))
	t.add(name, 100*cpu, calls, by)
	return s.Died()
}

// syscalls counts the system calls of a process per second, and tells how. To
// count with strace(1) would slow the process down by more than ten times.
func syscalls(pid int, d time.Duration) (perSecond float64, by string) {
	if n, ok := perfCount(pid, d); ok {
		return n, "perf"
	}
	before, start := procReads(pid), time.Now()
	time.Sleep(d)
	if after := procReads(pid); before >= 0 && after >= before {
		return float64(after-before) / time.Since(start).Seconds(), "proc"
	}
	return 0, "none"
}

// counted finds perf's line: the number, or that the event never came.
var counted = regexp.MustCompile(`(?m)^\s*([\d,.]+|<not counted>)\s+raw_syscalls:sys_enter`)

// perfCount asks perf(1), which needs to be there and to be allowed.
func perfCount(pid int, d time.Duration) (float64, bool) {
	var out bytes.Buffer
	cmd := exec.Command("perf", "stat", "-e", "raw_syscalls:sys_enter", "-p", strconv.Itoa(pid), "--", "sleep", fmt.Sprint(d.Seconds()))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stderr = &out
	if cmd.Run() != nil {
		return 0, false
	}
	m := counted.FindStringSubmatch(out.String())
	if m == nil {
		return 0, false
	}
	n, _ := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64) // <not counted>: none
	return n / d.Seconds(), true
}

// procReads returns the calls of read(2) that Linux has counted for a process;
// -1 if there is no such count.
func procReads(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "syscr: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return -1
}

// showBurning draws a bar for each server; a full one is a whole CPU.
func showBurning(w io.Writer, t *table) {
	for i := range t.rows {
		fmt.Fprintf(w, "%-3s %6.2f %% of a CPU  %12s  %s\n", t.text(i, "server"), t.number(i, "cpu_percent"), callsWords(t, i), bar(t.number(i, "cpu_percent"), 100))
	}
}

// callsWords says how many system calls there were, as far as it is known.
func callsWords(t *table, i int) string {
	switch n := si(t.number(i, "syscalls_per_s")); t.text(i, "counted_by") {
	case "perf":
		return n + " calls/s"
	case "proc":
		return n + " reads/s"
	}
	return "calls unknown"
}
