package watch

import (
	"math"
	"time"

	"example/tcpladder/shared/proc"
)

// A meter measures what a process uses.
type meter struct {
	process *proc.Process
	cpu     []usage
	calls   []tally
	samples int
}

// A usage is how much CPU a process had used at some moment.
type usage struct {
	at  time.Time
	cpu time.Duration
}

// window is the time over which CPU and calls are measured, at least.
const window = time.Second

// recent drops all but one of the items older than a window.
func recent[T any](list []T, at func(T) time.Time) []T {
	for len(list) > 2 && at(list[len(list)-1]).Sub(at(list[1])) >= window {
		list = list[1:]
	}
	return append([]T(nil), list...)
}

// read adds what the process uses, to every fifth sample. Figures are rounded, so that
// an idle process does not seem to change.
func (m *meter) read(p *proc.Process, s *story, values map[string]any) {
	if m.process != p {
		*m = meter{process: p}
	}
	cpu, err := p.CPU()
	m.cpu = recent(append(m.cpu, usage{time.Now(), cpu}), func(u usage) time.Time { return u.at })
	m.tally(s.counts())
	const each = 5
	if m.samples++; m.samples%each != 1 {
		return
	}
	if from, to := m.cpu[0], m.cpu[len(m.cpu)-1]; err == nil && to.at.Sub(from.at) > window/2 {
		values["cpu"] = math.Round(100 * (to.cpu - from.cpu).Seconds() / to.at.Sub(from.at).Seconds())
	}
	if len(m.calls) > 1 {
		from, to := m.calls[0], m.calls[len(m.calls)-1]
		values["rate"] = rounded(float64(to.calls-from.calls) / to.at.Sub(from.at).Seconds())
		values["over"] = to.gaps > from.gaps
	}
	if resident, _, err := p.Memory(); err == nil {
		values["memory"] = resident >> 17 << 17
	}
	files, err := opened(p.Pid)
	values["files"], values["filesError"] = files, why(err)
}

// tally counts up to the last call, not up to now: a server that only polls reports
// its calls once a second, all at once. But a last call long ago means no calls now.
func (m *meter) tally(t tally) {
	if time.Since(t.at) > window*3/2 {
		t.at = time.Now()
	}
	if n := len(m.calls); n == 0 || t.at.After(m.calls[n-1].at) {
		m.calls = recent(append(m.calls, t), func(t tally) time.Time { return t.at })
	}
}

// rounded keeps two significant digits.
func rounded(x float64) int {
	step := math.Pow(10, math.Max(0, math.Floor(math.Log10(math.Max(1, x)))-1))
	return int(math.Round(x/step) * step)
}
