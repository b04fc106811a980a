package weave

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// longHunk is the number of lines from which a hunk is shown in parts, one for
// each declaration at the top level.
const longHunk = 24

// A File is what one step does to one file.
type File struct {
	Path   string // in the rung
	New    bool   // the rung before does not have it
	Pieces []Piece
}

// Step returns what diff -ruN prints for two rungs below root, file by file, and
// cut into pieces: each hunk is one, a long hunk several. The headers are
// without times. Only a rung's own kinds of file are looked at, so a program
// that was built there does no harm. With from "" everything is new.
func Step(root, from, to string) ([]File, error) {
	a := map[string]string{}
	var err error
	if from != "" {
		if a, err = rung(filepath.Join(root, from)); err != nil {
			return nil, err
		}
	}
	b, err := rung(filepath.Join(root, to))
	if err != nil {
		return nil, err
	}
	var files []File
	for _, path := range paths(a, b) {
		if a[path] == b[path] {
			continue
		}
		_, old := a[path]
		f := File{Path: path, New: !old}
		head := "--- " + from + "/" + path + "\n+++ " + to + "/" + path + "\n"
		for _, h := range diff(lines(a[path]), lines(b[path])) {
			for i, part := range parts(h.lines) {
				if i == 0 {
					part = head + h.header() + "\n" + part
					head = ""
				}
				f.Pieces = append(f.Pieces, Piece{Text: part})
			}
		}
		files = append(files, f)
	}
	return files, nil
}

// rung reads the source files of a rung.
func rung(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".go", ".mod", ".sum"}, filepath.Ext(path)) {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	return files, err
}

func paths(a, b map[string]string) []string {
	var all []string
	for path := range a {
		all = append(all, path)
	}
	for path := range b {
		if _, both := a[path]; !both {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}

// parts cuts a long hunk before each line that begins a declaration. A part in
// which nothing changes goes with the one after it, or before it at the end.
func parts(lines []string) []string {
	if len(lines) < longHunk {
		return []string{strings.Join(lines, "\n") + "\n"}
	}
	var all []string
	var part strings.Builder
	changed := false
	for i, l := range lines {
		begins := i > 0 && len(lines[i-1]) == 1 && len(l) > 1 && !strings.ContainsAny(l[1:2], "\t })")
		if begins && changed {
			all = append(all, part.String())
			part.Reset()
			changed = false
		}
		part.WriteString(l + "\n")
		changed = changed || l[0] != ' '
	}
	if changed {
		return append(all, part.String())
	}
	all[len(all)-1] += part.String()
	return all
}
