package cli

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Width is how many columns a command may use for what it prints about itself, whether
// to a terminal or to a pipe: a classroom reads it on the wall, in large type.
const Width = 80

// Wrap breaks each line of text that is longer than Width. The rest continues on the
// next lines, indented by hang columns. It breaks between words only, and keeps in one
// piece what a reader may want to copy or compare: a quoted string, and a system call
// as strace prints it.
func Wrap(text string, hang int) string { return WrapAt(Width, text, hang) }

// WrapAt is Wrap for another width.
func WrapAt(width int, text string, hang int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = wrapLine(width, line, hang)
	}
	return strings.Join(lines, "\n")
}

// word matches a word and the spaces before it.
var word = regexp.MustCompile(`\s*(?:"(?:[^"\\]|\\.)*"|\w+\((?:[^()]|\([^()]*\))*\) += (?:-?\d+ E\w+ \([^()]*\))?|\S)+`)

func wrapLine(width int, line string, hang int) string {
	if Columns(line) <= width {
		return line
	}
	var b strings.Builder
	at := 0
	for _, w := range word.FindAllString(line, -1) {
		if at > hang && at+Columns(w) > width && strings.TrimLeft(w, " ") != w {
			b.WriteString("\n" + strings.Repeat(" ", hang))
			w, at = strings.TrimLeft(w, " "), hang
		}
		b.WriteString(w)
		at += Columns(w)
	}
	return b.String()
}

// colour matches what changes the colour of a terminal's text, and takes no room.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Columns returns how much room text takes on a line: one column for each rune.
func Columns(text string) int {
	return utf8.RuneCountInString(colour.ReplaceAllString(text, ""))
}

// List writes a table of two columns; a long text in the second is wrapped under itself.
func List(w io.Writer, rows [][2]string) {
	first := 0
	for _, row := range rows {
		first = max(first, Columns(row[0]))
	}
	for _, row := range rows {
		fmt.Fprintln(w, Wrap(fmt.Sprintf("  %-*s  %s", first, row[0], row[1]), first+4))
	}
}

// Complain writes the name of a command and its error to standard error. Only the
// first line of the error is wrapped: any others quote a program, or a command to type.
func Complain(name string, err error) {
	hang := len(name) + 2
	first, others, more := strings.Cut(strings.TrimRight(err.Error(), "\n"), "\n")
	text := Wrap(name+": "+first, hang)
	if more {
		indent := "\n" + strings.Repeat(" ", hang)
		text += indent + strings.ReplaceAll(others, "\n", indent)
	}
	fmt.Fprintln(os.Stderr, text)
}
