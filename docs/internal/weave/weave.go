// Package weave keeps the listings, diffs and command outputs in the chapters
// equal to the source. A comment in the Markdown asks for something, and the
// fenced block below it is replaced:
//
//	<!-- listing 03-select/server.go server.wait -->
//	    a declaration by its name, "package" for the beginning of a file,
//	    or without a name the whole file
//	<!-- hunk 02-nonblocking 03-select server.go 3 -->
//	    a piece of the diff of two rungs
//	<!-- run -->
//	    the output of the commands in the block, run in the top folder
//	<!-- run 04-kqueue -->
//	    the same, while this rung is running
//	<!-- session 03-select A+ A:hello A- -->
//	    what a rung prints with -v about these clients
//
// The source has no marks: a piece of it is found by what it is.
package weave

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A block is a comment that asks for something, and what stands below it.
type block struct {
	args       []string // the words of the comment
	comment    int      // its line
	start, end int      // the lines between the fences
}

// content returns what stands between the fences.
func (b block) content(lines []string) string {
	if b.start < 0 || b.start == b.end {
		return ""
	}
	return strings.Join(lines[b.start:b.end], "\n") + "\n"
}

var kinds = map[string]string{"listing": "go", "hunk": "diff", "run": "console", "session": "console"}

// blocks finds the blocks of a chapter.
func blocks(lines []string) []block {
	var all []block
	fenced := false
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "```") {
			fenced = !fenced
		}
		words := strings.Fields(lines[i])
		if fenced || len(words) < 3 || words[0] != "<!--" || words[len(words)-1] != "-->" || kinds[words[1]] == "" {
			continue
		}
		b := block{args: words[1 : len(words)-1], comment: i, start: -1}
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "```") {
			b.start = i + 2
			b.end = b.start
			for b.end < len(lines) && lines[b.end] != "```" {
				b.end++
			}
			i = b.end
		}
		all = append(all, b)
	}
	return all
}

// Weave returns the chapter with its listings and hunks made again. The problems
// are those that it cannot mend.
func Weave(root, text string) (woven string, problems []string) {
	lines := strings.Split(text, "\n")
	all := blocks(lines)
	problems = renumber(root, lines, all)
	for _, b := range slices.Backward(all) {
		piece, err := Find(root, b.args)
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("line %d: %v", b.comment+1, err))
		case piece != "":
			lines = replace(lines, b, piece)
		}
	}
	return strings.Join(lines, "\n"), problems
}

// replace puts content into the block, and makes the fences if there are none.
func replace(lines []string, b block, content string) []string {
	inner := strings.Split(strings.TrimSuffix(content, "\n"), "\n")
	if b.start < 0 {
		inner = append([]string{"```" + kinds[b.args[0]]}, append(inner, "```")...)
		b.start, b.end = b.comment+1, b.comment+1
	}
	return slices.Concat(lines[:b.start], inner, lines[b.end:])
}

// Find returns what a listing or a hunk shows, and "" for other blocks.
func Find(root string, args []string) (string, error) {
	switch {
	case args[0] == "listing" && (len(args) == 2 || len(args) == 3):
		return listing(root, args[1:])
	case args[0] == "hunk" && len(args) == 5:
		pieces, err := hunkPieces(root, args)
		if err != nil {
			return "", err
		}
		n, _ := strconv.Atoi(args[4])
		if n < 1 || n > len(pieces) {
			return "", fmt.Errorf("%s: the diff has %d pieces", strings.Join(args, " "), len(pieces))
		}
		return pieces[n-1].Text, nil
	case args[0] == "listing" || args[0] == "hunk":
		return "", fmt.Errorf("%s: not understood", strings.Join(args, " "))
	}
	return "", nil
}

func listing(root string, args []string) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, args[0]))
	if err != nil || len(args) == 1 {
		return string(source), err
	}
	pieces, err := Declarations(string(source))
	if err != nil {
		return "", err
	}
	for _, p := range pieces {
		if slices.Contains(p.Names, args[1]) {
			return p.Text, nil
		}
	}
	return "", fmt.Errorf("listing: %s has no declaration %s", args[0], args[1])
}

func hunkPieces(root string, args []string) ([]Piece, error) {
	files, err := Step(root, args[1], args[2])
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Path == args[3] {
			return f.Pieces, nil
		}
	}
	return nil, fmt.Errorf("%s: no difference", strings.Join(args[:4], " "))
}
