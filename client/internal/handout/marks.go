package handout

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// A mark is where marked text begins, where it ends, or both.
type mark struct {
	from, to int // in the text
	kind     kind
	instead  string // of a mark that is for students: what they read
}

type kind int

const (
	opens kind = iota
	closes
	student
	misspelt
)

// unmark returns the text of a file as students get it. Files that are neither
// Markdown nor Go have no marks.
func unmark(file, text string) (string, error) {
	var marks []mark
	switch path.Ext(file) {
	case ".md":
		marks = inMarkdown(text)
	case ".go", ".mod":
		marks = inGo(text)
	}
	var b strings.Builder
	at, open := 0, -1 // behind what is done; where marked text began
	for _, m := range marks {
		line := 1 + strings.Count(text[:m.from], "\n")
		switch {
		case m.kind == misspelt:
			return "", fmt.Errorf("%s:%d: not a mark: %q", file, line, text[m.from:m.to])
		case m.kind == opens && open >= 0:
			return "", fmt.Errorf("%s:%d: a mark inside marked text", file, line)
		case m.kind == closes && open < 0:
			return "", fmt.Errorf("%s:%d: marked text ends that did not begin", file, line)
		case m.kind == opens:
			open = m.from
		case m.kind == closes:
			from, to := cut(text, open, m.to)
			b.WriteString(text[at:max(at, from)])
			at, open = to, -1
		case open < 0: // for students
			b.WriteString(text[at:m.from] + m.instead)
			at = m.to
		}
	}
	if open >= 0 {
		return "", fmt.Errorf("%s:%d: marked text that does not end", file, 1+strings.Count(text[:open], "\n"))
	}
	b.WriteString(text[at:])
	if len(marks) > 0 && strings.HasSuffix(b.String(), "\n\n") { // marked text was the last
		return strings.TrimRight(b.String(), "\n") + "\n", nil
	}
	return b.String(), nil
}

// cut widens what is cut out of a text, so that no blank is left where it was: to
// whole lines with one of two blank lines around them, or to one of two spaces.
func cut(text string, from, to int) (int, int) {
	before, after := strings.TrimRight(text[:from], " \t"), strings.TrimLeft(text[to:], " \t")
	first := before == "" || strings.HasSuffix(before, "\n")
	last := after == "" || strings.HasPrefix(after, "\n")
	switch {
	case first && last:
		from, to = len(before), len(text)-len(after)
		if after != "" {
			to++
		}
		if (before == "" || strings.HasSuffix(before, "\n\n")) && strings.HasPrefix(text[to:], "\n") {
			to++
		}
	case last:
		from = len(before)
	case len(before) < from && len(after) < len(text)-to:
		from--
	}
	return from, to
}

var (
	comment     = regexp.MustCompile(`(?s)<!--(.*?)-->`)
	forStudents = regexp.MustCompile(`^ student\s+\S`)
	ours        = regexp.MustCompile(`(?i)^\s*(/?\s*teachers?|/?\s*students?)\b`)
	codeBlock   = regexp.MustCompile("(?ms)^ *(```|~~~).*?^ *(```|~~~) *$")
	codeSpan    = regexp.MustCompile("`[^`\n]+`")
)

// inMarkdown finds the marks of a Markdown text. What stands in code is shown to
// the reader, and marks nothing.
func inMarkdown(text string) (marks []mark) {
	plain := codeSpan.ReplaceAllStringFunc(codeBlock.ReplaceAllStringFunc(text, blank), blank)
	for _, at := range comment.FindAllStringSubmatchIndex(plain, -1) {
		m := mark{from: at[0], to: at[1], kind: misspelt}
		inside := text[at[2]:at[3]]
		switch {
		case inside == " teacher ":
			m.kind = opens
		case inside == " /teacher ":
			m.kind = closes
		case forStudents.MatchString(inside):
			m.kind, m.instead = student, strings.TrimSpace(strings.TrimPrefix(inside, " student"))
		case !ours.MatchString(inside):
			continue
		}
		marks = append(marks, m)
	}
	return marks
}

// blank returns spaces in the place of a text, and its newlines.
func blank(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if text[i] == '\n' {
			b.WriteByte('\n')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

var goMark = regexp.MustCompile(`(?im)^[ \t]*//[ \t]*/?[ \t]*teachers?[ \t]*$`)

// inGo finds the marks of a Go file or a go.mod: comments on lines of their own.
func inGo(text string) (marks []mark) {
	for _, at := range goMark.FindAllStringIndex(text, -1) {
		m := mark{from: at[0], to: at[1], kind: misspelt}
		switch strings.TrimSpace(text[at[0]:at[1]]) {
		case "// teacher":
			m.kind = opens
		case "// /teacher":
			m.kind = closes
		}
		marks = append(marks, m)
	}
	return marks
}
