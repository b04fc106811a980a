package grade

import (
	"errors"
	"example/tcpladder/client/internal/report"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits of what is taken from a submission: far more than any solution has.
const (
	mostFiles = 100
	mostBytes = 1 << 20 // of one file
	mostTotal = 4 << 20
	mostDepth = 4 // folders below the exercise's
)

// A source is what was taken from a submission: the files by their path inside the
// exercise's folder.
type source struct {
	files map[string][]byte
	left  []string // what was not taken, and why
}

// errMissing says that a submission has no such exercise.
var errMissing = errors.New("missing")

// A refusal is a reason to grade nothing of a submission.
type refusal string

func (r refusal) Error() string { return string(r) }

// collect takes the files of an exercise from the folder dir: a clone of the course,
// a folder that holds the exercise's, or, where single is true, the exercise's own.
// Nothing outside dir is opened, and no symbolic link followed.
func collect(dir, exercise string, single bool) (*source, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	folder, err := locate(root, exercise, single)
	if err != nil {
		return nil, err
	}
	s := &source{files: map[string][]byte{}}
	if err := s.walk(root, folder); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(s.names(), isGo) {
		return nil, errMissing
	}
	return s, s.vet()
}

// locate finds the exercise's folder in a submission.
func locate(root *os.Root, exercise string, single bool) (string, error) {
	for _, folder := range []string{"docs/exercises/" + exercise, exercise} {
		switch found, err := plainFolder(root, folder); {
		case err != nil:
			return "", err
		case found:
			return folder, nil
		}
	}
	if single {
		entries, err := fs.ReadDir(root.FS(), ".")
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isGo(e.Name()) }) {
			return ".", nil
		}
	}
	return "", errMissing
}

// plainFolder reports whether folder is there, and no part of it a symbolic link.
func plainFolder(root *os.Root, folder string) (bool, error) {
	so := ""
	for part := range strings.SplitSeq(folder, "/") {
		so = path.Join(so, part)
		info, err := root.Lstat(so)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return false, refusal(so + " is a symbolic link")
		}
		if !info.IsDir() {
			return false, nil
		}
	}
	return true, nil
}

// walk takes the files below folder.
func (s *source) walk(root *os.Root, folder string) error {
	total := 0
	return fs.WalkDir(root.FS(), folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file := strings.TrimPrefix(strings.TrimPrefix(name, folder), "/")
		if d.IsDir() {
			return s.enter(file)
		}
		if why := notTaken(file, d); why != "" {
			s.leave(file, why)
			return nil
		}
		text, err := readPlain(root, name)
		if err != nil {
			return err
		}
		if total += len(text); len(s.files) == mostFiles || len(text) > mostBytes || total > mostTotal {
			return refusal(fmt.Sprintf("more than %d files, %d KiB in one or %d KiB in all", mostFiles, mostBytes>>10, mostTotal>>10))
		}
		s.files[file] = text
		return nil
	})
}

// enter decides about a folder.
func (s *source) enter(folder string) error {
	switch base := path.Base(folder); {
	case folder == "":
		return nil
	case !plainName.MatchString(base):
		s.leave(folder+"/", "its name")
		return fs.SkipDir
	case strings.Count(folder, "/") >= mostDepth:
		return refusal("folders in folders in folders")
	}
	return nil
}

func (s *source) leave(file, why string) {
	if len(s.left) < mostFiles {
		s.left = append(s.left, fmt.Sprintf("%s (%s)", report.Printable(file), why))
	}
}

// plainName is what the name of a file may be: nothing that a terminal, a table or
// the go command could take for something else.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func isGo(name string) bool { return strings.HasSuffix(name, ".go") }

// notTaken returns why a file is left out, and nothing if it is taken.
func notTaken(file string, d fs.DirEntry) string {
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		return "a symbolic link"
	case !d.Type().IsRegular():
		return "not a regular file"
	case !plainName.MatchString(path.Base(file)):
		return "its name"
	case strings.HasSuffix(file, "_test.go"):
		return "a test"
	case !isGo(file) && !slices.Contains([]string{".txt", ".md"}, path.Ext(file)):
		return "neither Go nor text"
	}
	return ""
}

// readPlain reads a regular file, and not more of it than is allowed and one byte.
func readPlain(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, refusal(report.Printable(name) + " changed while it was read")
	}
	return io.ReadAll(io.LimitReader(f, mostBytes+1))
}

func (s *source) names() (names []string) {
	for name := range s.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// vet refuses what the go command would let pass and a solution has no need of.
func (s *source) vet() error {
	for _, name := range s.names() {
		if !isGo(name) {
			continue
		}
		// What does not parse does not compile: the compiler says so better.
		f, _ := parser.ParseFile(token.NewFileSet(), name, s.files[name], parser.ImportsOnly)
		if f == nil {
			continue
		}
		for _, spec := range f.Imports {
			if imported, _ := strconv.Unquote(spec.Path.Value); forbidden(imported) {
				return refusal(fmt.Sprintf("%s imports %q", name, imported))
			}
		}
		if d := directive.Find(s.files[name]); d != nil {
			return refusal(fmt.Sprintf("%s has %s", name, d))
		}
	}
	return nil
}

// directive finds those that reach into other packages, or for the linker.
var directive = regexp.MustCompile(`(?m)^//(go:linkname|go:cgo_\w+|#cgo|export)\b`)

// forbidden reports whether no solution may import this package: C needs a compiler
// that runs what it is told to, a relative path leads anywhere, and the checks, the
// client and the solutions are not the learner's.
func forbidden(imported string) bool {
	const project = "example/tcpladder/"
	own, ours := strings.CutPrefix(imported, project)
	return imported == "C" || strings.HasPrefix(imported, ".") || filepath.IsAbs(imported) ||
		ours && (strings.HasPrefix(own, "client") || strings.HasPrefix(own, "shared/echotest") || strings.HasPrefix(own, "shared/proc") ||
			strings.HasPrefix(own, "docs/exercises/exercisetest") || strings.HasPrefix(own, "docs/exercises/solutions"))
}
