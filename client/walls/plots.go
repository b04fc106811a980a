package main

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// plotTurns draws a Gantt chart: a line for each client, grey while it waits.
func plotTurns(t *table) picture {
	p := newPlot("milliseconds", "")
	var all boxes
	var at []float64
	var who []string
	y := 0.0
	for _, server := range t.distinct("server") {
		for _, client := range threeNames {
			connected, first, left := served(t, server, client)
			all = append(all, box{connected, first, y - 0.38, y + 0.38, faint, "waiting"},
				box{first, left, y - 0.38, y + 0.38, tints[server], "served"})
			at, who = append(at, y), append(who, server+" client "+client)
			y--
		}
		y -= 0.6
	}
	p.Add(all)
	p.X.Min, p.X.Tick.Marker = 0, steps{}
	nameAxis(&p.Y, at, who)
	return picture{[]*plot.Plot{p}, 5 * vg.Inch}
}

// plotBurning draws a bar for each server, with its calls in words.
func plotBurning(t *table) picture {
	p := newPlot("CPU used while nobody says anything, in percent of one CPU", "")
	var all boxes
	var at []float64
	var who, calls []string
	var ends plotter.XYs
	for i := range t.rows {
		y, cpu, server := -float64(i), t.number(i, "cpu_percent"), t.text(i, "server")
		all = append(all, box{0, cpu, y - 0.35, y + 0.35, tints[server], ""})
		at, who = append(at, y), append(who, labels[server])
		ends = append(ends, plotter.XY{X: cpu, Y: y})
		calls = append(calls, fmt.Sprintf("%.2f %%, %s", cpu, callsWords(t, i)))
	}
	p.Add(all)
	beside(p, ends, calls)
	p.X.Min, p.X.Max = 0, 130 // room for the words
	var percent plot.ConstantTicks
	for v := 0.0; v <= 100; v += 25 {
		percent = append(percent, plot.Tick{Value: v, Label: fmt.Sprint(v)})
	}
	p.X.Tick.Marker = percent
	nameAxis(&p.Y, at, who)
	return picture{[]*plot.Plot{p}, 3 * vg.Inch}
}

// plotIdle draws latency and CPU against the number of clients. Both axes are
// logarithmic: what grows with n is a slope, what does not is level. The active
// client is counted, as a logarithm has no place for none.
func plotIdle(t *table) picture {
	panels := []struct{ column, label string }{{"p50_us", "median latency of an echo, µs"}, {"cpu_us_per_echo", "server CPU per echo, µs"}}
	var plots []*plot.Plot
	for i, c := range panels {
		p := newPlot("", c.label)
		grid(p)
		for _, server := range t.distinct("server") {
			line(p, server, curve(t.where("server", server), "idle", c.column, 1), true)
		}
		if three := t.where("server", "03"); ends(t, "03") {
			last := curve(three, "idle", c.column, 1)[len(three.rows)-1:]
			beside(p, last, []string{"FD_SETSIZE: no more fit"})
		}
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = decades{}, decades{}
		p.Y.Min = math.Pow(10, math.Floor(math.Log10(p.Y.Min)))
		p.Legend.Top, p.Legend.Left = true, true
		if i > 0 {
			p.X.Label.Text = "clients: one active, the others idle"
			p.Legend = plot.NewLegend()
		}
		plots = append(plots, p)
	}
	return picture{plots, 6.5 * vg.Inch}
}

// curve returns two columns as points, the first of them shifted.
func curve(t *table, x, y string, shift float64) (points plotter.XYs) {
	for i := range t.rows {
		points = append(points, plotter.XY{X: t.number(i, x) + shift, Y: t.number(i, y)})
	}
	return points
}

// plotBoundaries draws a box for each call.
func plotBoundaries(t *table) picture {
	p := newPlot("bytes of each call, or of each frame (the widths are not to scale)", "")
	var all boxes
	var at []float64
	var who []string
	y := 0.0
	for _, server := range t.distinct("server") {
		for _, party := range parties {
			part := t.where("server", server).where("who", party)
			x := 0.0
			for i := range part.rows {
				// The width grows with the logarithm, so that both 11 and 200,000 can be read.
				width := math.Log2(1 + part.number(i, "bytes"))
				tint := tints[server]
				if party != "server reads" {
					tint = pale(tint)
				}
				all = append(all, box{x, x + width - 0.25, y - 0.36, y + 0.36, tint, part.text(i, "bytes")})
				x += width
			}
			at, who = append(at, y), append(who, fmt.Sprintf("%s %s: %d", server, party, len(part.rows)))
			y--
		}
		y -= 0.5
	}
	p.Add(all)
	nameAxis(&p.X, nil, nil)
	nameAxis(&p.Y, at, who)
	return picture{[]*plot.Plot{p}, 3.2 * vg.Inch}
}

// plotUnread draws memory, CPU and latency over time, and shades the time in which
// the client sends. A sample stands for a tenth of a second, even if the machine
// was late, so that the servers can be compared.
func plotUnread(t *table) picture {
	end := 0.0
	for _, server := range t.distinct("server") {
		end = max(end, float64(len(t.where("server", server).rows))*tick.Seconds())
	}
	var plots []*plot.Plot
	for i, c := range unreadPanels {
		p := newPlot("", c.what+", "+c.unit)
		grid(p)
		p.Add(band{end / 4, end * 3 / 4})
		for _, server := range t.distinct("server") {
			var points plotter.XYs
			for n, v := range c.values(t, server) {
				points = append(points, plotter.XY{X: float64(n+1) * tick.Seconds(), Y: v})
			}
			line(p, server, points, false)
		}
		p.X.Min, p.X.Max, p.X.Tick.Marker = 0, end, steps{}
		if c.log {
			p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
			p.Y.Min, p.Y.Max = 10, max(p.Y.Max, 1000)
		} else {
			// Not less than 10: what is next to nothing must not look like much.
			p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, max(p.Y.Max*1.1, 10), steps{}
		}
		if i == len(unreadPanels)-1 {
			p.X.Label.Text = "seconds; where it is grey, one client sends and never reads"
		}
		if i == 0 {
			p.Y.Max *= 1.2 // room for the legend
		} else {
			p.Legend = plot.NewLegend()
		}
		plots = append(plots, p)
	}
	return picture{plots, 6.5 * vg.Inch}
}

// plotThroughput draws bars for each load on a scale of its own.
func plotThroughput(t *table) picture {
	var plots []*plot.Plot
	for _, cell := range cells {
		p := newPlot("", cellWords(cell))
		var all boxes
		var at []float64
		var who, rates []string
		var ends plotter.XYs
		for i, server := range t.distinct("server") {
			y, v := -float64(i), speed(t, server, cell)
			all = append(all, box{0, v, y - 0.36, y + 0.36, tints[server], ""})
			ends = append(ends, plotter.XY{X: v, Y: y})
			at, who, rates = append(at, y), append(who, labels[server]), append(rates, si(v)+"/s")
		}
		p.Add(all)
		beside(p, ends, rates)
		p.X.Min, p.X.Max = 0, p.X.Max*1.1
		nameAxis(&p.X, nil, nil)
		nameAxis(&p.Y, at, who)
		plots = append(plots, p)
	}
	return picture{plots, 6 * vg.Inch}
}
