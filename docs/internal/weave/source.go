package weave

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// A Piece is what is shown in one block of the text.
type Piece struct {
	Names []string // of a declaration: Loop.Run, conn, maxFrame; of a file's beginning: package
	Text  string   // with a newline at the end
}

// Declarations cuts a Go file into pieces that together are the whole file: the
// beginning with the imports, and then one for each declaration at the top
// level. A comment that belongs to none goes with the declaration after it.
func Declarations(source string) ([]Piece, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var all []Piece
	start := 0
	cut := func(end token.Pos, names ...string) {
		to := files.Position(end).Offset
		if i := strings.IndexByte(source[to:], '\n'); i >= 0 {
			to += i + 1 // a comment at the end of the line
		}
		all = append(all, Piece{names, strings.Trim(source[start:to], "\n") + "\n"})
		start = to
	}
	head := file.Name.End()
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			head = d.End()
		}
	}
	cut(head, "package")
	for _, d := range file.Decls {
		if d.End() > head {
			cut(d.End(), names(d)...)
		}
	}
	return all, nil
}

// names returns what a listing may call a declaration.
func names(d ast.Decl) []string {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			return []string{f.Name.Name}
		}
		t := f.Recv.List[0].Type
		if star, ok := t.(*ast.StarExpr); ok {
			t = star.X
		}
		return []string{t.(*ast.Ident).Name + "." + f.Name.Name}
	}
	var all []string
	for _, spec := range d.(*ast.GenDecl).Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			all = append(all, s.Name.Name)
		case *ast.ValueSpec:
			for _, n := range s.Names {
				all = append(all, n.Name)
			}
		}
	}
	return all
}
