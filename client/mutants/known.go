package main

import (
	_ "embed"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// A register lists the mutants that need no judge, see known.txt.
type register struct {
	entries []*entry
}

// An entry is one line of it.
type entry struct {
	line     int
	pattern  string // of the file, see path.Match: several rungs share files
	change   string
	reason   string
	harmless bool
	used     bool // a mutant matches it
	wanted   bool // there is a file that matches it
}

//go:embed known.txt
var knownText string

// A title begins a part of the file.
const harmlessTitle, knownTitle = "[harmless]", "[known]"

var lineNumber = regexp.MustCompile(`^([^ :]+\.go):\d+ `)

// readRegister reads a list. It refuses what it does not understand.
func readRegister(text string) (*register, error) {
	r, title := &register{}, ""
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case line == harmlessTitle || line == knownTitle:
			title = line
		case title == "":
			return nil, fmt.Errorf("known.txt:%d: a line before %s or %s", number, harmlessTitle, knownTitle)
		default:
			line = lineNumber.ReplaceAllString(line, "$1 ") // as copied from a list of survivors
			mutant, reason, _ := cutLast(line, "  # ")
			file, change, _ := strings.Cut(mutant, " ")
			if reason == "" || change == "" {
				return nil, fmt.Errorf("known.txt:%d: want a mutant, two spaces, # and a reason", number)
			}
			r.entries = append(r.entries, &entry{line: number, pattern: file, change: strings.TrimSpace(change), reason: reason, harmless: title == harmlessTitle})
		}
	}
	return r, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// find returns the entry of a mutant, or nil.
func (r *register) find(m *mutant) *entry {
	var found *entry
	for _, e := range r.entries {
		match, _ := path.Match(e.pattern, m.file) // a bad pattern matches nothing, and is stale
		if !match {
			continue
		}
		e.wanted = true
		if e.change == m.change() {
			e.used, found = true, e
		}
	}
	return found
}

// stale lists the entries about the files seen that match no mutant.
func (r *register) stale(everything bool) (lines []string) {
	for _, e := range r.entries {
		if !e.used && (e.wanted || everything) {
			lines = append(lines, fmt.Sprintf("client/mutants/known.txt:%d: this mutant no longer exists: %s %s", e.line, e.pattern, e.change))
		}
	}
	return lines
}
