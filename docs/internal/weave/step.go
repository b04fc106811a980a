package weave

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Diff is the command that prints a step when two rungs are added to it. It is
// the one that readers type, that the chapters show and that the budgets count.
const Diff = "diff -ruN -x 'go.*' -x '*_test.go'"

// CanDiff reports whether the diff of this machine prints what the chapters
// show. Others than GNU diff may cut the same step into other hunks.
func CanDiff() bool {
	_, err := exec.LookPath("diff")
	return err == nil && runtime.GOOS == "linux"
}

// longHunk is the number of lines from which a hunk is shown in parts, one for
// each declaration at the top level.
const longHunk = 24

// A File is what one step does to one file.
type File struct {
	Path   string // in the rung
	New    bool   // the rung before does not have it
	Pieces []Piece
}

// Changed counts the lines that are added and removed.
func (f File) Changed() (n int) {
	for _, p := range f.Pieces {
		for line := range strings.Lines(p.Text) {
			header := strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ")
			if !header && (line[0] == '+' || line[0] == '-') {
				n++
			}
		}
	}
	return n
}

// Step returns what [Diff] prints for two rungs below root, file by file, and
// cut into pieces: a hunk is one piece, a long hunk several. The headers are
// without times. Only Go files are looked at, so a program that was built there
// does no harm. With from "" every file is new, and has no pieces.
func Step(root, from, to string) ([]File, error) {
	if from == "" {
		return newFiles(root, to)
	}
	for _, rung := range []string{from, to} {
		if _, err := os.Stat(filepath.Join(root, rung)); err != nil {
			return nil, err
		}
	}
	// The shell takes the quotes away, as it does for a reader.
	cmd := exec.Command("sh", "-c", Diff+` "$0" "$1"`, from, to)
	cmd.Dir = root
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: they differ
		return nil, fmt.Errorf("%s %s %s: %w", Diff, from, to, err)
	}
	var files []File
	for _, text := range strings.Split("\n"+string(out), "\ndiff -ruN ")[1:] {
		f, ok := parse(text, from, to)
		if !ok {
			continue
		}
		_, err := os.Stat(filepath.Join(root, from, f.Path))
		f.New = errors.Is(err, fs.ErrNotExist)
		files = append(files, f)
	}
	return files, nil
}

// newFiles lists the code of the first rung.
func newFiles(root, rung string) (files []File, err error) {
	dir := filepath.Join(root, rung)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
			name, _ := filepath.Rel(dir, path)
			files = append(files, File{Path: filepath.ToSlash(name), New: true})
		}
		return err
	})
	return files, err
}

// parse reads what diff prints about one file, from behind the words "diff
// -ruN" on. It reports whether that is a Go file.
func parse(text, from, to string) (f File, ok bool) {
	var hunks [][]string
	for _, line := range lines(text) {
		switch {
		case strings.HasPrefix(line, "+++ ") && hunks == nil:
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "+++ "+to+"/"), "\t")
			f.Path = name
		case strings.HasPrefix(line, "@@ "):
			hunks = append(hunks, []string{line})
		case hunks != nil && strings.ContainsAny(line[:1], " +-"):
			last := &hunks[len(hunks)-1]
			*last = append(*last, line)
		}
	}
	head := "--- " + from + "/" + f.Path + "\n+++ " + to + "/" + f.Path + "\n"
	for _, h := range hunks {
		for i, part := range parts(h[1:]) {
			if i == 0 {
				part = head + h[0] + "\n" + part
				head = ""
			}
			f.Pieces = append(f.Pieces, Piece{Text: part})
		}
	}
	return f, filepath.Ext(f.Path) == ".go"
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

// lines splits a text. The last line ends with a newline in every file of ours.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
