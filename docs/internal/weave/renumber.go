package weave

import (
	"fmt"
	"strconv"
	"strings"
)

// renumber lets the hunks of a chapter follow their content: when a diff has got
// a piece more, the sentences about the later ones stay beside what they are
// about. It changes the numbers in the comments. What fits nothing is a problem.
func renumber(root string, lines []string, all []block) (problems []string) {
	groups := map[string][]int{}
	for i, b := range all {
		if b.args[0] == "hunk" && len(b.args) == 5 {
			file := strings.Join(b.args[:4], " ")
			groups[file] = append(groups[file], i)
		}
	}
	for file, group := range groups {
		pieces, err := hunkPieces(root, all[group[0]].args)
		if err != nil {
			continue // Find says it
		}
		for _, i := range group {
			if n := nearest(all, group, i, lines, pieces); n > 0 {
				all[i].args[4] = strconv.Itoa(n)
				lines[all[i].comment] = "<!-- " + strings.Join(all[i].args, " ") + " -->"
			} else {
				problems = append(problems, fmt.Sprintf("line %d: %s %s is gone: take it out, with what is said about it", all[i].comment+1, file, all[i].args[4]))
			}
		}
	}
	return problems
}

// nearest returns the number of the piece that block i shows: the one it names,
// if it was empty or is in order; else the one that is most like its content and
// is not more like that of another block.
func nearest(all []block, group []int, i int, lines []string, pieces []Piece) int {
	named, _ := strconv.Atoi(all[i].args[4])
	content := all[i].content(lines)
	if content == "" {
		if named <= len(pieces) {
			return named
		}
		return 0
	}
	best, most := 0, 0
	for n, p := range pieces {
		score := 2 * alike(content, p.Text)
		if n+1 == named {
			score++ // in doubt it stays
		}
		for _, other := range group {
			if other != i && 2*alike(all[other].content(lines), p.Text) > score {
				score = 0
			}
		}
		if score > most {
			best, most = n+1, score
		}
	}
	return best
}

// alike returns the number of changed lines that two pieces share.
func alike(a, b string) int {
	count := map[string]int{}
	for _, l := range lines(b) {
		count[l]++
	}
	n := 0
	for _, l := range lines(a) {
		header := strings.HasPrefix(l, "--- ") || strings.HasPrefix(l, "+++ ")
		if count[l] > 0 && len(l) > 2 && l[0] != ' ' && !header {
			count[l]--
			n++
		}
	}
	return n
}
