package main

import (
	"errors"
	"fmt"
	"image/color"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
)

// glanceName is the file of the picture of all walls.
const glanceName = "walls"

// glance draws four walls on one page. It needs the data of all four: with -only
// there may be fewer, and then there is no such picture.
func (o *options) glance() error {
	var machines []string
	var tables []*table
	for _, w := range []wall{turns, burning, idle, boundaries} {
		t, err := readTable(o.data(w), w.columns)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		tables = append(tables, t)
		if !slices.Contains(machines, t.machine) {
			machines = append(machines, t.machine)
		}
	}
	s := newSheet(675, 392)
	left, right, upper, lower := vg.Length(24), vg.Length(358), vg.Length(24), vg.Length(212)
	s.line(faint, 1, 337, upper-4, 337, lower+148)
	s.line(faint, 1, left, lower-17, right+293, lower-17)
	glanceTurns(s.at(left, upper), tables[0])
	glanceBurning(s.at(right, upper), tables[1])
	glanceIdle(s.at(left, lower), tables[2])
	glanceBoundaries(s.at(right, lower), tables[3])
	s.write(words{size: 7, color: soft}, left, 379, strings.Join(machines, "; "))
	return s.save(filepath.Join(o.out, "img", glanceName+".svg"))
}

// A panel is this wide; on its left there is a column of names.
const panelWidth, nameWidth = 293, 84

// heading says what one sees, and below it what was measured.
func (s sheet) heading(seen, measured string) {
	s.write(words{size: 13, bold: true}, 0, 4, seen)
	s.write(words{size: 9.5, color: soft}, 0, 21, measured)
}

// glanceTurns draws who is served, on the first rung and on the last.
func glanceTurns(s sheet, t *table) {
	s.heading("01 serves one client at a time", "three clients that pause between their messages")
	const height, pitch, base = 14, 16.5, 151
	step := (steps{}).Ticks(0, longest(t))[1].Value
	whole := math.Ceil(longest(t)/step) * step
	scale := func(ms float64) vg.Length { return nameWidth + vg.Length(ms/whole)*(panelWidth-8-nameWidth) }
	for i, server := range []string{"01", "05"} {
		top := vg.Length(36 + 58*i)
		s.write(words{size: 10}, 0, top+height+pitch/2-5, labels[server])
		start, _, _ := served(t, server, "1")
		for j, client := range threeNames {
			connected, first, left := served(t, server, client)
			y := top + vg.Length(j)*pitch
			s.bar(faint, scale(connected-start), y, scale(first-start), y+height, words{size: 8.5}, "waits")
			s.bar(tints[server], scale(first-start), y, scale(left-start), y+height, words{size: 8.5, color: color.White}, "is served")
		}
	}
	for _, tick := range (steps{}).Ticks(0, whole) {
		s.line(grey, 0.75, scale(tick.Value), base-5, scale(tick.Value), base-8)
		s.write(words{size: 8.5, color: soft, align: center}, scale(tick.Value), base+2, fmt.Sprintf("%.3g s", tick.Value/1e3))
	}
	s.line(grey, 0.75, nameWidth, base-8, scale(whole), base-8)
}

// glanceBurning draws a bar for each rung; its track is a whole CPU.
func glanceBurning(s sheet, t *table) {
	s.heading("02 burns a CPU while nobody speaks", fmt.Sprintf("CPU used while %d clients are silent; a full bar is one CPU", silentClients))
	const height, pitch, end = 16, 24.5, panelWidth - 34
	for i, server := range rungs {
		one := t.where("server", server)
		cpu := one.number(0, "cpu_percent")
		y := 38 + vg.Length(i)*pitch
		s.write(words{size: 10}, 0, y+height/2, labels[server])
		s.bar(shade, nameWidth, y, end, y+height, words{}, "")
		full := nameWidth + vg.Length(min(cpu, 100)/100)*(end-nameWidth)
		s.bar(tints[server], nameWidth, y, max(full, nameWidth+1.5), y+height, words{size: 9, color: color.White}, callsWords(one, 0))
		s.write(words{size: 11, bold: cpu >= 1, align: flushRight}, panelWidth, y+height/2, fmt.Sprintf("%.0f %%", cpu))
	}
}

// glanceIdle draws latency against clients, both logarithmic, as plotIdle does.
func glanceIdle(s sheet, t *table) {
	s.heading("02 and 03 pay for every idle client", "how long one client's echo takes, by the number of clients")
	us := t.numbers("p50_us")
	a := axes{left: 42, right: panelWidth - 40, top: 38, bottom: 137}
	a.low.x, a.high.x = 1, slices.Max(t.numbers("idle"))+1
	a.low.y = math.Pow(10, math.Floor(math.Log10(slices.Min(us))))
	a.high.y = math.Pow(10, math.Ceil(math.Log10(slices.Max(us))))
	s.decades(a)
	s.write(words{size: 8.5, color: soft}, a.right+1, a.bottom+9, "clients")
	var level vg.Length // where 04 ends, and 05 beside it
	for _, server := range t.distinct("server") {
		var path []vg.Point
		for _, p := range curve(t.where("server", server), "idle", "p50_us", 1) {
			path = append(path, vg.Point{X: a.x(p.X), Y: a.y(p.Y)})
		}
		last := path[len(path)-1]
		s.path(tints[server], 2.25, path)
		s.dot(tints[server], 3.5, last)
		name := words{size: 11, bold: true, color: deep(tints[server])}
		switch {
		case server == "03" && ends(t, server):
			s.write(words{size: 9}, last.X+23, last.Y+1, "ends at FD_SETSIZE")
		case server == "04":
			level = last.Y
		case server == "05":
			last = vg.Point{X: last.X + 17, Y: level}
		}
		s.write(name, last.X+7, last.Y+1, server)
	}
}

// decades draws a logarithmic grid with its numbers.
func (s sheet) decades(a axes) {
	number := words{size: 8.5, color: soft, align: flushRight}
	for v := a.low.y; v <= a.high.y*1.001; v *= 10 {
		s.line(faint, 0.75, a.left, a.y(v), a.right, a.y(v))
		s.write(number, a.left-5, a.y(v), duration(v))
	}
	number.align = center
	for v := a.low.x; v <= a.high.x; v *= 10 {
		s.line(faint, 0.75, a.x(v), a.top, a.x(v), a.bottom)
		s.write(number, a.x(v), a.bottom+9, plain(v))
	}
}

// ends reports whether the curve of a server stops before that of others.
func ends(t *table, server string) bool {
	return slices.Max(t.where("server", server).numbers("idle")) < slices.Max(t.numbers("idle"))
}

// duration writes a power of ten of microseconds.
func duration(us float64) string {
	if us < 1e3 {
		return plain(us) + " µs"
	}
	return plain(us/1e3) + " ms"
}

// glanceBoundaries draws the same bytes three times, cut where they were sent,
// where 04 read them, and where frames came back from 05.
func glanceBoundaries(s sheet, t *table) {
	s.heading("04 sees bytes, 05 sees messages", "the same bytes, cut where a call or a frame ends (not to scale)")
	part := func(server, who string) []float64 {
		return t.where("server", server).where("who", who).numbers("bytes")
	}
	sent := part("04", parties[0])
	rows := []struct {
		tint  color.RGBA
		cuts  []float64
		words string
	}{
		{soft, sent, "%d messages are sent, short ones and a long one"},
		{tints["04"], part("04", parties[1]), "04 kqueue/epoll reads %d pieces, cut anywhere"},
		{tints["05"], part("05", parties[2]), "05 framing gives back %d messages"},
	}
	place := warp(sent, panelWidth)
	for i, row := range rows {
		y, from := vg.Length(41+41*i), 0.0
		s.write(words{size: 10}, 0, y, fmt.Sprintf(row.words, len(row.cuts)))
		for _, n := range row.cuts {
			s.bar(row.tint, place(from), y+8.5, place(from+n)-1.5, y+25.5, words{}, "")
			from += n
		}
	}
}

// warp returns where a byte of the messages stands on a line of some width. Each
// message is as wide as the fourth root of its size, so that both 11 and 600,000
// bytes can be seen; inside a message the scale is even.
func warp(messages []float64, width float64) func(byte float64) vg.Length {
	total := 0.0
	for _, n := range messages {
		total += math.Sqrt(math.Sqrt(n))
	}
	return func(byte float64) vg.Length {
		x := 0.0
		for _, n := range messages {
			inside := min(byte, n)
			x += math.Sqrt(math.Sqrt(n)) * inside / n
			byte -= inside
		}
		return vg.Length(x / total * width)
	}
}
