package weave

import (
	"fmt"
	"strings"
)

// around is the number of unchanged lines around a change, as in diff -u.
const around = 3

// A hunk is one stretch of a unified diff. Each of its lines begins with a
// space, a minus or a plus.
type hunk struct {
	oldStart, newStart int // counted from 1; the line before, if there is none
	lines              []string
}

// header returns the hunk's @@ line as diff -u writes it.
func (h hunk) header() string {
	olds, news := 0, 0
	for _, l := range h.lines {
		if l[0] != '+' {
			olds++
		}
		if l[0] != '-' {
			news++
		}
	}
	return "@@ -" + span(h.oldStart, olds) + " +" + span(h.newStart, news) + " @@"
}

func span(start, n int) string {
	if n == 1 {
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, n)
}

// diff returns the hunks that make the lines b out of the lines a. It is a diff
// of our own so that the text does not depend on the diff of the machine; a
// test compares the two.
func diff(a, b []string) []hunk {
	x, y := compare(a, b)
	return hunks(merge(x, y))
}

// An edit is one line of the full diff.
type edit struct {
	op   byte // ' ', '-' or '+'
	text string
}

func merge(x, y *side) []edit {
	var edits []edit
	for i, j := 0, 0; i < len(x.lines) || j < len(y.lines); {
		switch {
		case i < len(x.lines) && x.changed[i]:
			edits = append(edits, edit{'-', x.lines[i]})
			i++
		case j < len(y.lines) && y.changed[j]:
			edits = append(edits, edit{'+', y.lines[j]})
			j++
		default:
			edits = append(edits, edit{' ', x.lines[i]})
			i++
			j++
		}
	}
	return edits
}

// hunks cuts the full diff where more than twice the around is unchanged.
func hunks(edits []edit) []hunk {
	var all []hunk
	oldLine, newLine := 1, 1
	for i := 0; i < len(edits); {
		if far(edits, i) {
			oldLine++
			newLine++
			i++
			continue
		}
		h := hunk{oldStart: oldLine, newStart: newLine}
		for ; i < len(edits) && !far(edits, i); i++ {
			h.lines = append(h.lines, string(edits[i].op)+edits[i].text)
			if edits[i].op != '+' {
				oldLine++
			}
			if edits[i].op != '-' {
				newLine++
			}
		}
		if oldLine == h.oldStart {
			h.oldStart--
		}
		if newLine == h.newStart {
			h.newStart--
		}
		all = append(all, h)
	}
	return all
}

// far reports whether line i has no change within the around.
func far(edits []edit, i int) bool {
	for _, e := range edits[max(0, i-around):min(len(edits), i+around+1)] {
		if e.op != ' ' {
			return false
		}
	}
	return true
}

// A side is one of the two files.
type side struct {
	lines   []string
	changed []bool // not in the other file
}

// compare finds a shortest edit: E. Myers, An O(ND) Difference Algorithm and
// Its Variations, 1986. Then it moves the changes to where a reader looks for
// them.
func compare(a, b []string) (x, y *side) {
	x = &side{a, make([]bool, len(a))}
	y = &side{b, make([]bool, len(b))}
	p, q := candidates(x, y), candidates(y, x)
	shortest(x, y, p, q)
	x.settle(y)
	y.settle(x)
	return x, y
}

// candidates marks lines of x as changed that are no help in the comparison, and
// returns the numbers of the others.
func candidates(x, y *side) []int {
	aside := setAside(x, y)
	var rest []int
	for i := range x.lines {
		x.changed[i] = aside[i] != helpful
		if aside[i] == helpful {
			rest = append(rest, i)
		}
	}
	return rest
}

// shortest marks the changes between the lines p of x and the lines q of y.
func shortest(x, y *side, p, q []int) {
	for len(p) > 0 && len(q) > 0 && x.lines[p[0]] == y.lines[q[0]] {
		p, q = p[1:], q[1:]
	}
	for len(p) > 0 && len(q) > 0 && x.lines[p[len(p)-1]] == y.lines[q[len(q)-1]] {
		p, q = p[:len(p)-1], q[:len(q)-1]
	}
	if len(p) == 0 || len(q) == 0 {
		for _, i := range p {
			x.changed[i] = true
		}
		for _, j := range q {
			y.changed[j] = true
		}
		return
	}
	i, j := middle(len(p), len(q), func(i, j int) bool { return x.lines[p[i]] == y.lines[q[j]] })
	shortest(x, y, p[:i], q[:j])
	shortest(x, y, p[i:], q[j:])
}

// middle returns a point in the middle of a shortest edit of n lines into m: the
// paths from both ends, grown by one change at a time, meet there. A path is
// known by how far it came on each diagonal i-j.
func middle(n, m int, same func(i, j int) bool) (int, int) {
	zero := m + 1 // the index of diagonal 0
	forward, backward := make([]int, n+m+3), make([]int, n+m+3)
	for k := range forward {
		forward[k], backward[k] = -1, n+1
	}
	odd := (n-m)%2 != 0
	for d := 0; ; d++ {
		for k := d; k >= -d; k -= 2 {
			if k < -m || k > n {
				continue
			}
			i := max(forward[zero+k-1]+1, forward[zero+k+1])
			if d == 0 {
				i = 0
			}
			for i < n && i-k < m && same(i, i-k) {
				i++
			}
			forward[zero+k] = i
			if back := k - (n - m); odd && -d < back && back < d && backward[zero+k] <= i {
				return i, i - k
			}
		}
		for back := d; back >= -d; back -= 2 {
			k := back + n - m
			if k < -m || k > n {
				continue
			}
			i := min(backward[zero+k-1], backward[zero+k+1]-1)
			if d == 0 {
				i = n
			}
			for i > 0 && i-k > 0 && same(i-1, i-k-1) {
				i--
			}
			backward[zero+k] = i
			if !odd && -d <= k && k <= d && i <= forward[zero+k] {
				return i, i - k
			}
		}
	}
}

// settle moves each run of changed lines in x, where equal lines leave a choice,
// as far down as it goes, or beside a change of y if there is one on the way.
func (x *side) settle(y *side) {
	gaps := y.gaps()
	kept := 0 // unchanged lines above
	for start := 0; start < len(x.lines); start++ {
		if !x.changed[start] {
			kept++
			continue
		}
		r := run{x, start, start, kept}
		r.grow()
		size, beside := -1, -1
		for size != r.end-r.start {
			size, beside = r.end-r.start, -1
			for r.up() {
			}
			if gaps[r.kept] {
				beside = r.end
			}
			for r.down() {
				if gaps[r.kept] {
					beside = r.end
				}
			}
		}
		for beside >= 0 && r.end > beside {
			r.up()
		}
		start, kept = r.end-1, r.kept
	}
}

// gaps tells, for each number of unchanged lines, whether a change comes next.
func (x *side) gaps() []bool {
	gaps := []bool{false}
	for _, changed := range x.changed {
		if changed {
			gaps[len(gaps)-1] = true
		} else {
			gaps = append(gaps, false)
		}
	}
	return gaps
}

// A run is a run of changed lines.
type run struct {
	*side
	start, end int
	kept       int // unchanged lines above
}

// grow takes in the changed lines that the run touches.
func (r *run) grow() {
	for r.start > 0 && r.changed[r.start-1] {
		r.start--
	}
	for r.end < len(r.lines) && r.changed[r.end] {
		r.end++
	}
}

// up moves the run by a line, which must be equal to its last one.
func (r *run) up() bool {
	if r.start == 0 || r.lines[r.start-1] != r.lines[r.end-1] {
		return false
	}
	r.start--
	r.end--
	r.changed[r.start], r.changed[r.end] = true, false
	r.kept--
	r.grow()
	return true
}

// down moves the run by a line, which must be equal to its first one.
func (r *run) down() bool {
	if r.end == len(r.lines) || r.lines[r.start] != r.lines[r.end] {
		return false
	}
	r.changed[r.start], r.changed[r.end] = false, true
	r.start++
	r.end++
	r.kept++
	r.grow()
	return true
}

// lines splits a file. The last line ends with a newline in every file of ours.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
