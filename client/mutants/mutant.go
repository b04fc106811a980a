package main

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A mutant is one file of a module with one defect in it.
type mutant struct {
	module   string
	file     string // relative to the root, with slashes
	base     string // the file's name
	line     int
	function string // or the name of the declaration
	kind     string
	old, new string // the changed lines, without comments
	number   int    // 1, or more for one that looks like another of the same function
	text     []byte // the file's
	edit     edit
}

// An edit replaces the bytes of a file from one offset to another.
type edit struct {
	from, to int
	text     string
}

// place is where the mutant is.
func (m *mutant) place() string { return fmt.Sprintf("%s:%d", m.file, m.line) }

// name says what the mutant is, whatever line it has moved to.
func (m *mutant) name() string { return m.file + " " + m.change() }

// String is what a person reads.
func (m *mutant) String() string { return m.place() + " " + m.change() }

func (m *mutant) change() string {
	s := strings.TrimRight(fmt.Sprintf("%s %s: - %s | + %s", m.function, m.kind, m.old, m.new), " ")
	if m.number > 1 {
		s += fmt.Sprintf(" (%d)", m.number)
	}
	return s
}

// A source is a package that can be mutated.
type source struct {
	root, folder, path string
	files              []*sourceFile
	positions          *token.FileSet
	importer           types.Importer
}

type sourceFile struct {
	name   string // without folder
	text   []byte
	tree   *ast.File
	tokens string // see tokens
}

// readSource parses the package in a folder, as far as it is for this system.
func readSource(root, folder string) (*source, error) {
	all, err := list(filepath.Join(root, folder), "-export", "-deps")
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range all {
		exports[p.ImportPath] = p.Export
	}
	self := all[len(all)-1] // go list -deps prints it after what it needs
	s := &source{root: root, folder: folder, path: self.ImportPath, positions: token.NewFileSet()}
	s.importer = importer.ForCompiler(s.positions, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	for _, name := range self.GoFiles {
		text, err := os.ReadFile(filepath.Join(self.Dir, name))
		if err != nil {
			return nil, err
		}
		tree, err := parser.ParseFile(s.positions, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, &sourceFile{name, text, tree, tokens(text)})
	}
	return s, nil
}

// mutants makes every mutant that compiles, each once.
func (s *source) mutants(module string) (all []*mutant) {
	seen := map[string]bool{}
	for _, f := range s.files {
		seen[f.name+f.tokens] = true
	}
	looks := map[string]int{}
	for _, f := range s.files {
		for _, c := range candidates(f.tree, f.text, s.positions) {
			repaired, ok := s.repair(f, c)
			if !ok {
				continue
			}
			text := apply(f.text, repaired)
			if key := f.name + tokens(text); seen[key] {
				continue
			} else {
				seen[key] = true
			}
			m := &mutant{module: module, file: path.Join(filepath.ToSlash(s.folder), f.name), base: f.name, function: c.function, kind: c.kind, text: text, edit: c.edit}
			m.line = 1 + strings.Count(string(f.text[:c.edit.from]), "\n")
			m.old, m.new = f.lines(c.edit)
			looks[m.name()]++
			m.number = looks[m.name()]
			all = append(all, m)
		}
	}
	return all
}

// lines returns the lines that an edit changes, as they were and as they are:
// on one line, without comments, and of a long one the beginning.
func (f *sourceFile) lines(e edit) (old, new string) {
	from := strings.LastIndexByte(string(f.text[:e.from]), '\n') + 1
	rest, _, _ := strings.Cut(string(f.text[e.to:]), "\n")
	to := e.to + len(rest)
	old = oneLine(string(f.text[from:to]))
	new = oneLine(string(f.text[from:e.from]) + e.text + string(f.text[e.to:to]))
	return old, new
}

// oneLine joins lines that are one statement, and cuts the rest.
func oneLine(text string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(uncomment(line)); line != "" {
			kept = append(kept, line)
		}
	}
	if len(kept) > 3 {
		kept = []string{kept[0], "…", kept[len(kept)-1]}
	}
	return strings.Join(kept, " ")
}

// uncomment removes what follows // outside a string.
func uncomment(line string) string {
	var s scanner.Scanner
	set := token.NewFileSet()
	s.Init(set.AddFile("", -1, len(line)), []byte(line), func(token.Position, string) {}, scanner.ScanComments)
	for {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.COMMENT:
			return line[:set.Position(pos).Offset]
		case token.EOF:
			return line
		}
	}
}

// tokens is a text without its layout and comments: what compiles to the same.
func tokens(text []byte) string {
	var s scanner.Scanner
	set := token.NewFileSet()
	s.Init(set.AddFile("", -1, len(text)), text, nil, 0)
	var b strings.Builder
	for {
		_, tok, literal := s.Scan()
		if tok == token.EOF {
			return b.String()
		}
		if tok == token.SEMICOLON {
			literal = ";"
		}
		b.WriteString(tok.String() + " " + literal + "\n")
	}
}

// apply makes edits that do not overlap.
func apply(text []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return b.from - a.from })
	for _, e := range edits {
		text = slices.Concat(text[:e.from], []byte(e.text), text[e.to:])
	}
	return text
}

var (
	unusedVariable = regexp.MustCompile(`^declared and not used: (\w+)$`)
	unusedImport   = regexp.MustCompile(`^"([^"]+)" imported and not used$`)
)

// repair returns the edits that make a mutant compile. A variable or an import
// that is used no more gets a use that does nothing.
func (s *source) repair(f *sourceFile, c candidate) (edits []edit, ok bool) {
	edits = []edit{c.edit}
	for range 4 {
		complaints := s.complaints(f, apply(f.text, slices.Clone(edits)))
		if len(complaints) == 0 {
			return edits, true
		}
		for _, complaint := range complaints {
			if m := unusedVariable.FindStringSubmatch(complaint); m != nil && c.statement {
				edits[0].text = "_ = " + m[1] + "; " + edits[0].text
			} else if m := unusedImport.FindStringSubmatch(complaint); m != nil {
				spec := f.imported(m[1])
				at := s.positions.Position(spec.Path.Pos()).Offset
				edits = append(edits, edit{at, at, "_ "})
			} else {
				return nil, false
			}
		}
	}
	return nil, false
}

// imported finds the import of a path, which is there.
func (f *sourceFile) imported(path string) *ast.ImportSpec {
	i := slices.IndexFunc(f.tree.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == `"`+path+`"` })
	return f.tree.Imports[i]
}

// complaints are the compiler's about the package with another text in file f.
func (s *source) complaints(f *sourceFile, text []byte) (all []string) {
	tree, err := parser.ParseFile(s.positions, f.name, text, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	trees := []*ast.File{tree}
	for _, other := range s.files {
		if other != f {
			trees = append(trees, other.tree)
		}
	}
	config := types.Config{Importer: s.importer, Error: func(err error) { all = append(all, err.(types.Error).Msg) }}
	config.Check(s.path, s.positions, trees, nil) // its error is the first of those
	return all
}
