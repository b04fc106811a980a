package main

import (
	"html"
	"strings"
)

// A block of up to maxWhole lines, or a part of a longer one, stays on one page.
const maxWhole = 45

// minPart is the least that is worth standing alone at the end of a page.
const minPart = 4

// codeBlock renders a block of code in one part or several. Between two parts the
// page may end.
func codeBlock(language string, lines []string) string {
	var s strings.Builder
	s.WriteString(`<div class="block">` + "\n")
	for _, part := range parts(language, lines) {
		s.WriteString(`<pre class="whole">`)
		for _, line := range part {
			s.WriteString(codeLine(language, line))
		}
		s.WriteString("</pre>\n")
	}
	s.WriteString("</div>\n")
	return s.String()
}

// codeLine renders one line. If it is too long, it goes on below, further in.
func codeLine(language, line string) string {
	class := "line"
	if language == "diff" && line != "" {
		switch {
		case strings.HasPrefix(line, "@@"), strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			class = "line place"
		case line[0] == '+':
			class = "line added"
		case line[0] == '-':
			class = "line removed"
		}
	}
	line = strings.ReplaceAll(line, "\t", "    ")
	if strings.TrimSpace(line) == "" {
		line = "\u00a0" // an empty line has its height
	}
	return `<span class="` + class + `">` + html.EscapeString(line) + "</span>"
}

// parts cuts a block of code that is too long for a page: between declarations or
// hunks, and if a part is still too long, at empty lines, and in the end anywhere.
func parts(language string, lines []string) [][]string {
	if len(lines) <= maxWhole {
		return [][]string{lines}
	}
	begins := beginsDeclaration
	switch language {
	case "diff":
		begins = beginsHunk
	case "console":
		begins = beginsCommand
	case "go":
	default:
		begins = afterEmpty
	}
	var all [][]string
	for _, part := range cut(lines, begins) {
		if len(part) <= maxWhole {
			all = append(all, part)
			continue
		}
		for _, smaller := range cut(part, afterEmpty) {
			for len(smaller) > maxWhole {
				all, smaller = append(all, smaller[:maxWhole]), smaller[maxWhole:]
			}
			all = append(all, smaller)
		}
	}
	return all
}

// cut cuts lines before each line that begins something, and puts a part that is
// very short with the next one.
func cut(lines []string, begins func(lines []string, i int) bool) (all [][]string) {
	start := 0
	for i := range lines {
		if i-start >= minPart && begins(lines, i) {
			all = append(all, lines[start:i])
			start = i
		}
	}
	return append(all, lines[start:])
}

func afterEmpty(lines []string, i int) bool {
	return strings.TrimSpace(lines[i-1]) == "" && strings.TrimSpace(lines[i]) != ""
}

// beginsDeclaration reports whether line i is the first of a declaration at the top
// level, or of the comment above it.
func beginsDeclaration(lines []string, i int) bool {
	return afterEmpty(lines, i) && !strings.HasPrefix(lines[i], "\t") && !strings.HasPrefix(lines[i], " ")
}

func beginsHunk(lines []string, i int) bool {
	return strings.HasPrefix(lines[i], "--- ") ||
		strings.HasPrefix(lines[i], "@@") && !strings.HasPrefix(lines[i-1], "+++ ")
}

func beginsCommand(lines []string, i int) bool { return strings.HasPrefix(lines[i], "$ ") }
