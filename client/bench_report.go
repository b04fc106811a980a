package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example/tcpladder/client/internal/load"
	"example/tcpladder/shared/cli"
)

// busy is the share of a CPU from which on it counts as used up: what is left is
// lost to the scheduler and the clock.
const busy = 0.95

// A summary is what is reported of one server: medians over its rounds, and the
// latencies of all rounds together. Times are in microseconds.
type summary struct {
	Server        string    `json:"server"`
	Messages      uint64    `json:"messages"` // verified, in all rounds
	PerSecond     float64   `json:"messages_per_second"`
	MBPerSecond   float64   `json:"mb_per_second"` // payload, in one direction
	P50           float64   `json:"p50_us"`
	P90           float64   `json:"p90_us"`
	P99           float64   `json:"p99_us"`
	P999          float64   `json:"p99_9_us"`
	ServerCPU     float64   `json:"server_cpu_us_per_message,omitempty"`
	ServerLoad    float64   `json:"server_cpus_used,omitempty"`
	LoadLoad      float64   `json:"load_cpus_used"`
	Silent        int       `json:"connections_without_echo,omitempty"`
	EmptyBytes    int64     `json:"server_bytes_empty,omitempty"`
	IdleBytes     float64   `json:"server_bytes_per_idle_client,omitempty"`
	LoadWasLimit  bool      `json:"load_was_the_limit"`
	Rounds        []float64 `json:"rounds_messages_per_second"`
	Ratio         float64   `json:"ratio,omitempty"`     // messages/s of the first server over this one's
	CPURatio      float64   `json:"cpu_ratio,omitempty"` // CPU per message, likewise
	RatioOfRounds []float64 `json:"ratio_of_rounds,omitempty"`
}

// summarize takes the medians: one round in which the machine did something else
// does not count. The latencies of all rounds do, or the rare ones would be lost.
func (f *benchFlags) summarize(s *subject) summary {
	latency := hdrhistogram.New(1, int64(time.Minute), 3)
	sum := summary{Server: s.name}
	for _, r := range s.rounds {
		latency.Merge(r.Latency)
		sum.Messages += r.Messages
		sum.Silent = max(sum.Silent, r.Silent)
		sum.Rounds = append(sum.Rounds, r.PerSecond())
	}
	sum.PerSecond = load.Median(sum.Rounds)
	// The header of a frame is no payload.
	sum.MBPerSecond = sum.PerSecond * float64(f.size) / 1e6
	quantile := func(q float64) float64 { return float64(latency.ValueAtQuantile(q)) / 1e3 }
	sum.P50, sum.P90, sum.P99, sum.P999 = quantile(50), quantile(90), quantile(99), quantile(99.9)
	sum.ServerCPU = s.median(func(r round) float64 { return r.ServerCPU.Seconds() * 1e6 / float64(r.Messages) })
	sum.ServerLoad = s.median(func(r round) float64 { return r.ServerCPU.Seconds() / r.Elapsed.Seconds() })
	sum.LoadLoad = s.median(func(r round) float64 { return r.LoadCPU.Seconds() / r.Elapsed.Seconds() })
	sum.EmptyBytes = int64(s.median(func(r round) float64 { return float64(r.empty) }))
	if f.idle > 0 {
		sum.IdleBytes = s.median(func(r round) float64 { return float64(r.crowded-r.empty) / float64(f.idle) })
	}
	sum.LoadWasLimit = sum.limitedByLoad(min(f.workers, f.conns), s.cpus)
	return sum
}

// limitedByLoad reports whether the workers had no CPU left while the server,
// who can use so many, had.
func (sum *summary) limitedByLoad(workers, cpus int) bool {
	return sum.LoadLoad > busy*float64(workers) && sum.ServerLoad < busy*float64(cpus)
}

// median returns the median over the rounds of what f takes from each.
func (s *subject) median(f func(round) float64) float64 {
	var values []float64
	for _, r := range s.rounds {
		values = append(values, f(r))
	}
	return load.Median(values)
}

// report prints the result.
func (f *benchFlags) report(subjects []*subject) error {
	var all []summary
	for i, s := range subjects {
		sum := f.summarize(s)
		if i > 0 {
			sum.compare(all[0])
		}
		all = append(all, sum)
	}
	if f.json {
		return f.writeJSON(os.Stdout, all)
	}
	fmt.Println(cli.Wrap(f.describe(), 2))
	f.writeTable(os.Stdout, all)
	for _, sum := range all {
		for _, remark := range f.remarks(sum, all[0]) {
			fmt.Println(cli.Wrap(remark, 2))
		}
	}
	return nil
}

// compare sets what the first server is against this one.
func (sum *summary) compare(first summary) {
	sum.Ratio = first.PerSecond / sum.PerSecond
	if first.ServerCPU > 0 && sum.ServerCPU > 0 {
		sum.CPURatio = first.ServerCPU / sum.ServerCPU
	}
	for i := range sum.Rounds {
		sum.RatioOfRounds = append(sum.RatioOfRounds, first.Rounds[i]/sum.Rounds[i])
	}
}

// writeJSON writes what the table shows, with the machine and the load beside it.
func (f *benchFlags) writeJSON(w io.Writer, all []summary) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{
		"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU(), "go": runtime.Version(),
		"framed": !f.raw, "connections": f.conns, "depth": f.depth, "size": f.size, "idle": f.idle,
		"seconds": f.duration.Seconds(), "rounds": f.rounds, "workers": f.workers,
		"server_cpu": f.serverCPU, "load_cpu": f.loadCPU, "servers": all,
	})
}

// describe says in one line what was measured.
func (f *benchFlags) describe() string {
	what := []string{"frames"}
	if f.raw {
		what[0] = "raw messages"
	}
	what[0] += fmt.Sprintf(" of %d B", f.size)
	what = append(what, fmt.Sprintf("%d connections, depth %d", f.conns, f.depth))
	if f.idle > 0 {
		what = append(what, fmt.Sprintf("%d idle clients", f.idle))
	}
	what = append(what, fmt.Sprintf("%d × %v", f.rounds, f.duration))
	if f.serverCPU >= 0 {
		what = append(what, fmt.Sprintf("servers on CPU %d", f.serverCPU))
	}
	if f.loadCPU >= 0 {
		what = append(what, fmt.Sprintf("load on CPU %d", f.loadCPU))
	}
	return strings.Join(what, ", ")
}

// writeTable writes a line for each server.
func (f *benchFlags) writeTable(w io.Writer, all []summary) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tmessages/s\tMB/s\tp50 µs\tp90\tp99\tp99.9\tCPU µs/message\t")
	for _, s := range all {
		cpu := "unknown"
		if s.ServerCPU > 0 {
			cpu = fmt.Sprintf("%.2f", s.ServerCPU)
		}
		fmt.Fprintf(table, "%s\t%.0f\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%s\t\n", s.Server, s.PerSecond, s.MBPerSecond, s.P50, s.P90, s.P99, s.P999, cpu)
	}
	table.Flush()
}

// remarks says what the table cannot.
func (f *benchFlags) remarks(s, first summary) (list []string) {
	remark := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if s.Ratio > 0 {
		cpu := ""
		if s.CPURatio > 0 {
			cpu = fmt.Sprintf(", %.2f times the CPU per message", s.CPURatio)
		}
		remark("%s / %s: %.2f times the messages/s (ratio of the medians; by round %.2f to %.2f)%s", first.Server, s.Server,
			s.Ratio, slices.Min(s.RatioOfRounds), slices.Max(s.RatioOfRounds), cpu)
	}
	if s.IdleBytes != 0 {
		remark("%s: %.1f MiB resident when empty, and %.0f bytes more for each idle client", s.Server, float64(s.EmptyBytes)/(1<<20), s.IdleBytes)
	}
	if s.Silent > 0 {
		remark("%s: %d of %d connections never got an echo", s.Server, s.Silent, f.conns)
	}
	if s.LoadWasLimit {
		server := "what the server used is not known"
		if s.ServerLoad > 0 {
			server = fmt.Sprintf("the server %.0f %%", 100*s.ServerLoad)
		}
		remark("%s: the load generator was the limit: it used %.0f %% of a CPU, %s; the server may be faster than this", s.Server, 100*s.LoadLoad, server)
	}
	return list
}
