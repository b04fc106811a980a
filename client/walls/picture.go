package main

import (
	"fmt"
	"math"
	"strings"
)

// wide is the number of columns of a picture in the terminal: with the words beside
// it, a line fits in cli.Width.
const wide = 38

// bar draws value as a bar in which full is as wide as can be, to an eighth of
// a column.
func bar(value, full float64) string {
	eighths := 0
	if full > 0 {
		eighths = int(math.Round(value / full * wide * 8))
	}
	eighths = min(max(eighths, 0), wide*8)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}

// sparks draws values as a row of blocks, one for each.
func sparks(values []float64, full float64) string {
	var s strings.Builder
	for _, v := range values {
		level := 0
		if full > 0 {
			level = min(max(int(v/full*7+0.5), 0), 7)
		}
		s.WriteRune([]rune("▁▂▃▄▅▆▇█")[level])
	}
	return s.String()
}

// A span is a part of a line of a Gantt chart, from and to in the same unit as
// the whole.
type span struct {
	from, to float64
	mark     rune
}

// gantt draws spans on a line that is as wide as whole.
func gantt(whole float64, spans ...span) string {
	line := []rune(strings.Repeat(" ", wide))
	for _, s := range spans {
		first, last := int(s.from/whole*wide), int(math.Ceil(s.to/whole*wide))
		for i := max(first, 0); i < min(last, wide); i++ {
			line[i] = s.mark
		}
	}
	return strings.TrimRight(string(line), " ")
}

// si writes a number with three digits and k or M.
func si(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}

// doublings draws one block for each doubling of v, so that a value that grows
// by a thousand times can be shown beside one that does not grow.
func doublings(v float64) string {
	return strings.Repeat("█", max(1, int(math.Round(math.Log2(max(v, 1))))))
}
