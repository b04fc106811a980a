package weave

// What a line can be in a comparison. A lone brace that stands among lines the
// other file does not have would be matched with any brace there, and tear a
// function that is new into pieces. GNU diff keeps such lines out of the
// comparison; the same rules here give the same diff.
const (
	helpful  byte = iota
	unknown       // the other file does not have it
	frequent      // the other file has many of it
)

// setAside returns what each line of x is. What is frequent in the end is only
// what stands well inside a stretch of unknown lines.
func setAside(x, y *side) []byte {
	count := map[string]int{}
	for _, l := range y.lines {
		count[l]++
	}
	many := 5 << (log4(len(x.lines) / 64))
	kinds := make([]byte, len(x.lines))
	for i, l := range x.lines {
		switch n := count[l]; {
		case n == 0:
			kinds[i] = unknown
		case n > many:
			kinds[i] = frequent
		}
	}
	for i := 0; i < len(kinds); {
		switch kinds[i] {
		case unknown:
			i += prune(stretch(kinds[i:]))
		default:
			kinds[i] = helpful
			i++
		}
	}
	return kinds
}

// log4 returns how often n can be divided by 4 before nothing is left.
func log4(n int) int {
	times := 0
	for n /= 4; n > 0; n /= 4 {
		times++
	}
	return times
}

// stretch returns the beginning of kinds up to the last unknown line before a
// helpful one. Frequent lines behind it are helpful after all.
func stretch(kinds []byte) []byte {
	end := 0
	for end < len(kinds) && kinds[end] != helpful {
		end++
	}
	for kinds[end-1] == frequent {
		end--
		kinds[end] = helpful
	}
	return kinds[:end]
}

// prune makes frequent lines of a stretch helpful again: all, if they are more
// than a quarter of it; those in a row that is long for the stretch; and those
// near its ends. It returns the length of the stretch.
func prune(kinds []byte) int {
	n := 0
	for _, k := range kinds {
		if k == frequent {
			n++
		}
	}
	long := 1<<log4(len(kinds)/4) + 1
	if n*4 > len(kinds) {
		long = 1
	}
	for i := 0; i < len(kinds); i++ {
		row := i
		for i < len(kinds) && kinds[i] == frequent {
			i++
		}
		if i-row >= long {
			clear(kinds[row:i])
		}
	}
	if long > 1 {
		last := len(kinds) - 1
		pruneEnd(len(kinds), func(i int) *byte { return &kinds[i] })
		pruneEnd(len(kinds), func(i int) *byte { return &kinds[last-i] })
	}
	return len(kinds)
}

// pruneEnd goes from an end of a stretch to where it is clearly unknown: three
// such lines in a row, or one that is eight lines in.
func pruneEnd(n int, at func(i int) *byte) {
	row := 0
	for i := 0; i < n && row < 3; i++ {
		switch k := at(i); {
		case *k != unknown:
			*k = helpful
			row = 0
		case i >= 8:
			return
		default:
			row++
		}
	}
}
