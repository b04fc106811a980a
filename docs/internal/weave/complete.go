package weave

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Missing says what the chapter of rung to lacks, or has twice, of the step that
// leads there. A changed file is shown in its hunks, a new one as source: in one
// piece, or declaration by declaration. The first rung is a step from nothing:
// from is "".
func Missing(root, from, to, chapter string) ([]string, error) {
	files, err := Step(root, from, to)
	if err != nil {
		return nil, err
	}
	shown := map[string]int{}
	for _, b := range blocks(strings.Split(chapter, "\n")) {
		shown[strings.Join(b.args, " ")]++
	}
	var all []string
	expect := func(comment string) {
		switch n := shown[comment]; {
		case n == 0:
			all = append(all, "not shown: write <!-- "+comment+" --> where it is explained")
		case n > 1:
			all = append(all, fmt.Sprintf("shown %d times: <!-- %s -->", n, comment))
		}
	}
	for _, f := range files {
		whole := "listing " + to + "/" + f.Path
		switch {
		case f.New && shown[whole] == 1: // in one piece
		case f.New:
			text, err := listing(root, []string{to + "/" + f.Path})
			if err != nil {
				return nil, err
			}
			pieces, err := Declarations(text)
			if err != nil {
				return nil, err
			}
			for _, p := range pieces {
				expect(whole + " " + called(p, whole, shown))
			}
		default:
			for i := range f.Pieces {
				expect(fmt.Sprintf("hunk %s %s %s %d", from, to, f.Path, i+1))
			}
		}
	}
	return all, nil
}

// called returns the name by which the chapter asks for a declaration; a group
// of variables has several.
func called(p Piece, whole string, shown map[string]int) string {
	for _, name := range p.Names {
		if shown[whole+" "+name] > 0 {
			return name
		}
	}
	return p.Names[0]
}

// MissingIn is Missing for a chapter by its file name, 03-select.md; other texts
// owe nothing.
func MissingIn(root, name, chapter string) ([]string, error) {
	to := strings.TrimSuffix(name, ".md")
	rungs, err := filepath.Glob(filepath.Join(root, "0[1-9]-*"))
	if err != nil {
		return nil, err
	}
	from := ""
	for _, rung := range rungs {
		if filepath.Base(rung) == to {
			return Missing(root, from, to, chapter)
		}
		from = filepath.Base(rung)
	}
	return nil, nil
}

// Root returns the top folder: the one with go.work, here or above.
func Root() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, e := os.Stat(filepath.Join(dir, "go.work")); e == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.work here or above")
		}
	}
	return "", err
}
