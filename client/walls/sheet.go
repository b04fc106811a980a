package main

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A sheet is paper to draw on by hand, where a plot has too little freedom.
// Lengths are in points, from the upper left corner; y grows downwards.
type sheet struct {
	svg  *vgsvg.Canvas
	c    draw.Canvas
	x, y vg.Length // the corner on the canvas, whose own y grows upwards
}

// newSheet returns paper with round corners, transparent outside of them.
func newSheet(width, height vg.Length) sheet {
	svg := vgsvg.New(width, height)
	s := sheet{svg, draw.New(svg), 0, height}
	const r = 9
	var p vg.Path
	p.Move(vg.Point{X: 0, Y: r})
	for i, c := range []vg.Point{{X: r, Y: r}, {X: width - r, Y: r}, {X: width - r, Y: height - r}, {X: r, Y: height - r}} {
		p.Arc(c, r, math.Pi+float64(i)*math.Pi/2, math.Pi/2)
	}
	p.Close()
	s.c.SetColor(paper)
	s.c.Fill(p)
	return s
}

// at returns the part of the sheet whose corner is there.
func (s sheet) at(x, y vg.Length) sheet {
	s.x, s.y = s.x+x, s.y-y
	return s
}

// point returns a place on the canvas.
func (s sheet) point(x, y vg.Length) vg.Point { return vg.Point{X: s.x + x, Y: s.y - y} }

// words is how words look: ink and flush left if nothing else is said.
type words struct {
	size  float64
	bold  bool
	color color.Color
	align text.XAlignment
}

const center, flushRight = text.XCenter, text.XRight

// style returns what gonum calls it.
func (w words) style() text.Style {
	style := letters(w.size)
	if w.bold {
		style.Font.Weight = bold
	}
	if w.color != nil {
		style.Color = w.color
	}
	style.XAlign, style.YAlign = w.align, middle
	return style
}

// write writes words; y is the middle of the letters.
func (s sheet) write(w words, x, y vg.Length, what string) {
	s.c.FillText(w.style(), s.point(x, y), what)
}

// line draws a straight line.
func (s sheet) line(tint color.Color, width, x0, y0, x1, y1 vg.Length) {
	s.path(tint, width, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y1}})
}

// path draws a line through all points.
func (s sheet) path(tint color.Color, width vg.Length, through []vg.Point) {
	var on []vg.Point
	for _, p := range through {
		on = append(on, s.point(p.X, p.Y))
	}
	s.c.StrokeLines(draw.LineStyle{Color: tint, Width: width}, on)
}

// dot draws a filled circle.
func (s sheet) dot(tint color.Color, radius vg.Length, at vg.Point) {
	s.c.DrawGlyph(draw.GlyphStyle{Color: tint, Radius: radius, Shape: draw.CircleGlyph{}}, s.point(at.X, at.Y))
}

// bar draws a rectangle, with words in it if there is room for them.
func (s sheet) bar(tint color.Color, x0, y0, x1, y1 vg.Length, w words, what string) {
	if x1 <= x0 {
		return
	}
	s.c.FillPolygon(tint, []vg.Point{s.point(x0, y0), s.point(x1, y0), s.point(x1, y1), s.point(x0, y1)})
	w.align = center
	if what != "" && w.style().Width(what)+8 < x1-x0 {
		s.write(w, (x0+x1)/2, (y0+y1)/2, what)
	}
}

// save writes the sheet as SVG.
func (s sheet) save(path string) error { return writeSVG(s.svg, path) }

// axes maps values to a rectangle of a sheet, both ways logarithmic.
type axes struct {
	left, right, top, bottom vg.Length
	low, high                struct{ x, y float64 }
}

// x returns the place of a value on the sheet.
func (a axes) x(v float64) vg.Length {
	return a.left + vg.Length(math.Log(v/a.low.x)/math.Log(a.high.x/a.low.x))*(a.right-a.left)
}

// y returns the place of a value on the sheet.
func (a axes) y(v float64) vg.Length {
	return a.bottom - vg.Length(math.Log(v/a.low.y)/math.Log(a.high.y/a.low.y))*(a.bottom-a.top)
}
