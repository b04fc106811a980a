package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"os"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The plots bring their own light background, so that they can be read on a
// dark page as well.
var (
	paper = color.RGBA{0xfb, 0xfb, 0xf8, 0xff}
	ink   = color.RGBA{0x24, 0x29, 0x2f, 0xff}
	faint = color.RGBA{0xdd, 0xdd, 0xd8, 0xff}
	shade = color.RGBA{0xee, 0xee, 0xe9, 0xff}
	grey  = color.RGBA{0xb8, 0xb8, 0xb2, 0xff}
	soft  = color.RGBA{0x5f, 0x65, 0x6b, 0xff} // letters that stand back
)

// tints tells the servers apart, in all plots; also for those who do not see
// red and green (the palette is that of Okabe and Ito).
var tints = map[string]color.RGBA{
	"01":  {0x8a, 0x8a, 0x86, 0xff},
	"02":  {0xd5, 0x5e, 0x00, 0xff},
	"03":  {0xe6, 0x9f, 0x00, 0xff},
	"04":  {0x00, 0x72, 0xb2, 0xff},
	"05":  {0x00, 0x9e, 0x73, 0xff},
	"net": {0x9a, 0x55, 0x8c, 0xff},
}

// pale returns a colour that stands behind the full one.
func pale(c color.RGBA) color.RGBA {
	mix := func(a, b uint8) uint8 { return uint8((3*int(a) + int(b)) / 4) }
	return color.RGBA{mix(c.R, paper.R), mix(c.G, paper.G), mix(c.B, paper.B), 0xff}
}

// deep returns a colour in which thin letters can be read on paper.
func deep(c color.RGBA) color.RGBA {
	mix := func(a, b uint8) uint8 { return uint8((2*int(a) + int(b)) / 3) }
	return color.RGBA{mix(c.R, ink.R), mix(c.G, ink.G), mix(c.B, ink.B), 0xff}
}

// labels names the servers where there is room.
var labels = map[string]string{
	"01": "01 blocking", "02": "02 nonblocking", "03": "03 select", "04": "04 kqueue/epoll", "05": "05 framing", "net": "package net",
}

// A picture is one or more plots, one below the other, with a title above and
// the machine below them. What a plot has on its y axis stands above it.
type picture struct {
	plots  []*plot.Plot
	height vg.Length // of all
}

const pictureWidth = 8 * vg.Inch

const (
	bold = 3 // font.WeightBold of golang.org/x/image
	// middle aligns the letters themselves; text.YCenter aligns the line, with the
	// room below it, and sets them too low.
	middle = -0.4
	// tickMiddle is the same where gonum adds that room by itself.
	tickMiddle = -0.58
)

func letters(size float64) text.Style {
	return text.Style{
		Color: ink, Handler: plot.DefaultTextHandler,
		Font: font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, vg.Points(size)),
	}
}

// newPlot returns a plot in the style of all.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = paper
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Tick.Color = grey, grey
		axis.Label.TextStyle.Font, axis.Label.TextStyle.Color = letters(10).Font, ink
		axis.Tick.Label.Font, axis.Tick.Label.Color = letters(9).Font, ink
	}
	p.Y.Tick.Label.YAlign = tickMiddle
	p.Legend.TextStyle.Font, p.Legend.TextStyle.Color = letters(9).Font, ink
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(2)
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// grid draws the lines behind the data.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = faint, faint
	p.Add(g)
}

// line adds the curve of a server; with dots where it was measured.
func line(p *plot.Plot, server string, points plotter.XYs, dots bool) {
	l, s, err := plotter.NewLinePoints(points)
	if err != nil {
		return // no points
	}
	l.Color, l.Width = tints[server], vg.Points(2)
	s.Color, s.Shape, s.Radius = tints[server], draw.CircleGlyph{}, vg.Points(2.5)
	p.Add(l)
	if dots {
		p.Add(s)
	}
	p.Legend.Add(labels[server], l)
}

// save writes the picture as SVG.
func (pic picture) save(path, title, machine string) error {
	const top, bottom, side, head = 40, 26, 14, 16
	svg := vgsvg.New(pictureWidth, pic.height)
	c := draw.New(svg)
	c.FillPolygon(paper, []vg.Point{{X: 0, Y: 0}, {X: c.Max.X, Y: 0}, c.Max, {X: 0, Y: c.Max.Y}})
	c.FillText(letters(13), vg.Point{X: side, Y: c.Max.Y - 22}, title)
	small := letters(7.5)
	small.Color = soft
	c.FillText(small, vg.Point{X: side, Y: 9}, machine)
	// gonum keeps room for a label at the arithmetic middle of the y axis. On a
	// logarithmic one that is near the end, and leaves a hole: so it gets none.
	var rows [][]*plot.Plot
	var heads []string
	for _, p := range pic.plots {
		heads, p.Y.Label.Text = append(heads, p.Y.Label.Text), ""
		rows = append(rows, []*plot.Plot{p})
	}
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadY: 12}
	if heads[0] != "" {
		tiles.PadTop, tiles.PadY = head, tiles.PadY+head
	}
	inner := draw.Crop(c, side, -side, bottom, -top)
	for i, canvas := range plot.Align(rows, tiles, inner) {
		rows[i][0].Draw(canvas[0])
		c.FillText(letters(10), vg.Point{X: side, Y: rows[i][0].DataCanvas(canvas[0]).Max.Y + 8}, heads[i])
	}
	return writeSVG(svg, path)
}

// writeSVG writes what was drawn.
func writeSVG(svg *vgsvg.Canvas, path string) error {
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// Who has no Liberation Sans has one of its twins, of the same widths.
	s := strings.ReplaceAll(b.String(), "font-family:Liberation Sans;", "font-family:Liberation Sans,Arial,Helvetica,sans-serif;")
	return os.WriteFile(path, []byte(s), 0o666)
}

// A box is a rectangle in the coordinates of a plot, with words in it.
type box struct {
	x0, x1, y0, y1 float64
	color          color.Color
	words          string // left out if they do not fit
}

// boxes is a plotter.
type boxes []box

// Plot implements plot.Plotter.
func (b boxes) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, r := range b {
		x0, x1, y0, y1 := x(r.x0), x(r.x1), y(r.y0), y(r.y1)
		c.FillPolygon(r.color, []vg.Point{{X: x0, Y: y0}, {X: x1, Y: y0}, {X: x1, Y: y1}, {X: x0, Y: y1}})
		style := letters(8)
		style.XAlign, style.YAlign = text.XCenter, middle
		if r.color != faint {
			style.Color = color.White
		}
		if style.Width(r.words)+4 < x1-x0 {
			c.FillText(style, vg.Point{X: (x0 + x1) / 2, Y: (y0 + y1) / 2}, r.words)
		}
	}
}

// DataRange implements plot.DataRanger.
func (b boxes) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, ymin = b[0].x0, b[0].y0
	for _, r := range b {
		xmin, xmax = min(xmin, r.x0), max(xmax, r.x1)
		ymin, ymax = min(ymin, r.y0), max(ymax, r.y1)
	}
	return xmin, xmax, ymin, ymax
}

// A band is a plotter that shades a plot between two values of x.
type band struct{ x0, x1 float64 }

// Plot implements plot.Plotter.
func (b band) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	low, high := vg.Point{X: x(b.x0), Y: c.Min.Y}, vg.Point{X: x(b.x1), Y: c.Max.Y}
	c.FillPolygon(shade, []vg.Point{low, {X: high.X, Y: low.Y}, high, {X: low.X, Y: high.Y}})
}

// beside writes texts to the right of points of a plot.
func beside(p *plot.Plot, at plotter.XYs, list []string) {
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: at, Labels: list})
	if err != nil {
		return // as many texts as points: cannot be
	}
	for i := range l.TextStyle {
		l.TextStyle[i] = letters(9)
		l.TextStyle[i].YAlign = middle
	}
	l.Offset.X = vg.Points(5)
	p.Add(l)
}

// nameAxis puts words in the place of numbers at an axis.
func nameAxis(a *plot.Axis, at []float64, list []string) {
	var ticks plot.ConstantTicks
	for i, v := range at {
		// Room for a font that is wider than the one the plot was made with.
		ticks = append(ticks, plot.Tick{Value: v, Label: list[i] + "   "})
	}
	a.Tick.Marker = ticks
	a.Tick.Length = 0
}

// steps are the ticks of an even axis, of 1, 2 or 5 and zeros.
type steps struct{}

// Ticks implements plot.Ticker.
func (steps) Ticks(low, high float64) (ticks []plot.Tick) {
	step := math.Pow(10, math.Ceil(math.Log10(high-low)))
	for i := 0; ; i++ {
		finer := step / []float64{2, 2.5, 2}[i%3] // 10, 5, 2, 1
		if (high-low)/finer > 8 {
			break
		}
		step = finer
	}
	for v := math.Ceil(low/step) * step; v <= high*1.001; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.4g", v)})
	}
	return ticks
}

// decades are the ticks of a logarithmic axis, in plain numbers.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) (ticks []plot.Tick) {
	for v := 1e-3; v <= high*1.001; v *= 10 {
		for i := 1.0; i < 10; i++ {
			if at := v * i; at >= low*0.999 && at <= high*1.001 {
				ticks = append(ticks, plot.Tick{Value: at})
				if i == 1 {
					ticks[len(ticks)-1].Label = plain(at)
				}
			}
		}
	}
	return ticks
}

// plain writes a power of ten.
func plain(v float64) string {
	if v < 1 {
		return fmt.Sprintf("%.3g", v)
	}
	s := fmt.Sprintf("%.0f", v)
	if len(s) > 3 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
