package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The kinds of defects.
const (
	deleted  = "statement deleted"
	negated  = "condition negated"
	moved    = "comparison moved"
	constant = "constant changed"
	emptied  = "case emptied"
	dropped  = "error dropped"
)

// A candidate is a mutant that may not compile.
type candidate struct {
	kind, function string
	edit           edit
	statement      bool // the edit stands where a statement may
}

// A walker collects the candidates of a file.
type walker struct {
	text      []byte
	positions *token.FileSet
	function  string
	results   []*ast.FieldList // of the functions around us
	parents   []ast.Node
	all       []candidate
}

// candidates makes the mutants of a file, from top to bottom.
func candidates(tree *ast.File, text []byte, positions *token.FileSet) []candidate {
	w := &walker{text: text, positions: positions}
	for _, decl := range tree.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			w.function = functionName(d)
			w.walk(d)
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, spec := range d.Specs {
				w.function = specName(spec)
				w.walk(spec)
			}
		}
	}
	slices.SortStableFunc(w.all, func(a, b candidate) int { return a.edit.from - b.edit.from })
	return w.all
}

// functionName is Loop.Add for a method.
func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	receiver := d.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if name, ok := receiver.(*ast.Ident); ok {
		return name.Name + "." + d.Name.Name
	}
	return d.Name.Name
}

func specName(spec ast.Spec) string {
	if value, ok := spec.(*ast.ValueSpec); ok {
		return value.Names[0].Name
	}
	return spec.(*ast.TypeSpec).Name.Name
}

func (w *walker) walk(node ast.Node) {
	ast.Inspect(node, func(n ast.Node) bool {
		if n == nil {
			last := len(w.parents) - 1
			if isFunction(w.parents[last]) {
				w.results = w.results[:len(w.results)-1]
			}
			w.parents = w.parents[:last]
			return true
		}
		w.visit(n)
		w.parents = append(w.parents, n)
		switch f := n.(type) {
		case *ast.FuncDecl:
			w.results = append(w.results, f.Type.Results)
		case *ast.FuncLit:
			w.results = append(w.results, f.Type.Results)
		}
		return true
	})
}

func isFunction(n ast.Node) bool {
	switch n.(type) {
	case *ast.FuncDecl, *ast.FuncLit:
		return true
	}
	return false
}

func (w *walker) visit(n ast.Node) {
	switch n := n.(type) {
	case *ast.BlockStmt:
		w.statements(n.List)
	case *ast.CaseClause:
		w.clause(n.Colon, n.Body)
		if w.isCondition(n) {
			for _, e := range n.List {
				w.condition(e)
			}
		}
	case *ast.CommClause:
		w.clause(n.Colon, n.Body)
	case *ast.IfStmt:
		w.condition(n.Cond)
		w.neverAnError(n)
	case *ast.ForStmt:
		if n.Cond != nil {
			w.condition(n.Cond)
		}
		if n.Post != nil {
			w.add(deleted, n.Post, "", false)
		}
	case *ast.BinaryExpr:
		w.binary(n)
	case *ast.BasicLit, *ast.UnaryExpr, *ast.Ident, *ast.SelectorExpr:
		w.value(n.(ast.Expr))
	}
}

// parent is what holds the node visited; up counts from 1.
func (w *walker) parent(up int) ast.Node {
	if up > len(w.parents) {
		return nil
	}
	return w.parents[len(w.parents)-up]
}

func (w *walker) offset(pos token.Pos) int { return w.positions.Position(pos).Offset }

func (w *walker) source(n ast.Node) string {
	return string(w.text[w.offset(n.Pos()):w.offset(n.End())])
}

// add replaces a node's text. Lines keep their numbers: what is gone leaves them
// empty.
func (w *walker) add(kind string, n ast.Node, text string, statement bool) {
	w.addRange(kind, n.Pos(), n.End(), text, statement)
}

func (w *walker) addRange(kind string, from, to token.Pos, text string, statement bool) {
	e := edit{w.offset(from), w.offset(to), text}
	lost := strings.Count(string(w.text[e.from:e.to]), "\n") - strings.Count(text, "\n")
	e.text += strings.Repeat("\n", max(0, lost))
	w.all = append(w.all, candidate{kind, w.function, e, statement})
}

// clause empties a case.
func (w *walker) clause(colon token.Pos, body []ast.Stmt) {
	if len(body) > 0 {
		w.addRange(emptied, body[0].Pos(), body[len(body)-1].End(), "", true)
	}
	w.statements(body)
}

// statements deletes one statement after the other. The parts of a switch are
// deleted by themselves.
func (w *walker) statements(list []ast.Stmt) {
	for _, s := range list {
		if labeled, ok := s.(*ast.LabeledStmt); ok {
			s = labeled.Stmt
		}
		switch s := s.(type) {
		case *ast.IfStmt:
			if !isErrorCheck(s) { // for that, see neverAnError
				w.add(deleted, s, "", true)
			}
		case *ast.ReturnStmt:
			w.add(deleted, s, "", true)
			w.dropError(s)
		case *ast.AssignStmt, *ast.BranchStmt, *ast.DeferStmt, *ast.ExprStmt, *ast.ForStmt, *ast.GoStmt,
			*ast.IncDecStmt, *ast.RangeStmt, *ast.SendStmt:
			w.add(deleted, s, "", true)
		}
	}
}

// dropError returns no error where there may be one. A call that does something
// besides is still made.
func (w *walker) dropError(s *ast.ReturnStmt) {
	fields := w.results[len(w.results)-1]
	if fields == nil || len(s.Results) == 0 || len(s.Results) != fields.NumFields() {
		return
	}
	kind, ok := fields.List[len(fields.List)-1].Type.(*ast.Ident)
	result := s.Results[len(s.Results)-1]
	if !ok || kind.Name != "error" || w.source(result) == "nil" {
		return
	}
	w.addRange(dropped, result.Pos(), result.End(), "nil", false)
	last := &w.all[len(w.all)-1]
	last.statement = len(s.Results) == 1
	if !last.statement {
		return
	}
	last.edit.from = w.offset(s.Pos())
	last.edit.text = "return nil" + last.edit.text[len("nil"):]
	if call, ok := result.(*ast.CallExpr); ok && !makesError.MatchString(w.source(call.Fun)) {
		last.edit.text = "_ = " + w.source(call) + "; return nil"
	}
}

// makesError are functions that do nothing else.
var makesError = regexp.MustCompile(`^(errors|fmt|os)\.(New|Errorf|Join|NewSyscallError)$`)

var errorName = regexp.MustCompile(`(?i)err$`)

// isErrorCheck reports whether s is an if err != nil, perhaps with more behind it.
func isErrorCheck(s *ast.IfStmt) bool {
	cond := s.Cond
	for {
		both, ok := cond.(*ast.BinaryExpr)
		if !ok || both.Op != token.LAND {
			break
		}
		cond = both.X
	}
	compare, ok := cond.(*ast.BinaryExpr)
	if !ok || compare.Op != token.NEQ {
		return false
	}
	null, ok := compare.Y.(*ast.Ident)
	if !ok || null.Name != "nil" {
		return false
	}
	switch x := compare.X.(type) {
	case *ast.Ident:
		return errorName.MatchString(x.Name)
	case *ast.SelectorExpr:
		return errorName.MatchString(x.Sel.Name)
	}
	return false
}

// neverAnError makes an if err != nil that is never true.
func (w *walker) neverAnError(s *ast.IfStmt) {
	if isErrorCheck(s) {
		w.add(dropped, s.Cond, "false && "+w.source(s.Cond), false)
	}
}

// isCondition reports whether the expressions of a case are conditions.
func (w *walker) isCondition(*ast.CaseClause) bool {
	s, ok := w.parent(2).(*ast.SwitchStmt) // its block is between
	return ok && s.Tag == nil
}

// condition negates a whole condition.
func (w *walker) condition(e ast.Expr) {
	text := w.source(e)
	switch x := e.(type) {
	case *ast.BinaryExpr:
		if opposite := opposites[x.Op]; opposite != 0 {
			w.operator(negated, x, opposite)
			return
		}
	case *ast.UnaryExpr:
		if x.Op == token.NOT {
			w.add(negated, e, w.source(x.X), false)
			return
		}
	case *ast.ParenExpr, *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr:
		w.add(negated, e, "!"+text, false)
		return
	}
	w.add(negated, e, "!("+text+")", false)
}

var opposites = map[token.Token]token.Token{token.EQL: token.NEQ, token.NEQ: token.EQL}

var neighbours = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL,
}

func (w *walker) operator(kind string, e *ast.BinaryExpr, op token.Token) {
	w.addRange(kind, e.OpPos, e.OpPos+token.Pos(len(e.Op.String())), op.String(), false)
}

// binary moves a comparison, and negates the parts of a condition. What is the
// same as a whole condition negated is left out when equal mutants are.
func (w *walker) binary(e *ast.BinaryExpr) {
	if neighbour := neighbours[e.Op]; neighbour != 0 {
		w.operator(moved, e, neighbour)
	}
	if e.Op != token.LAND && e.Op != token.LOR {
		return
	}
	for _, part := range []ast.Expr{e.X, e.Y} {
		if both, ok := part.(*ast.BinaryExpr); !ok || neighbours[both.Op] != 0 && opposites[both.Op] == 0 {
			w.condition(part)
		}
	}
}

// value changes a constant.
func (w *walker) value(e ast.Expr) {
	parent, _ := w.parent(1).(*ast.BinaryExpr)
	switch x := e.(type) {
	case *ast.BasicLit:
		_, isSigned := w.parent(1).(*ast.UnaryExpr)
		isCount := parent != nil && parent.Op == token.SHL && parent.Y == e
		n, err := strconv.ParseInt(x.Value, 0, 64)
		if x.Kind == token.INT && err == nil && !isSigned && !isCount {
			w.add(constant, e, changed(n, parent != nil && (parent.Op == token.SHL || w.isDuration(parent))), false)
		}
	case *ast.UnaryExpr:
		if _, ok := x.X.(*ast.BasicLit); ok && x.Op == token.SUB {
			w.add(constant, e, "0", false)
		}
	case *ast.Ident:
		if other := map[string]string{"true": "false", "false": "true"}[x.Name]; other != "" {
			w.add(constant, e, other, false)
		}
	case *ast.SelectorExpr:
		isFactor := parent != nil && (parent.Op == token.MUL || parent.Op == token.QUO)
		if timeUnit.MatchString(w.source(x)) && !isFactor {
			w.add(constant, e, "(10 * "+w.source(x)+")", false)
		}
	}
}

var timeUnit = regexp.MustCompile(`^time\.(Nano|Micro|Milli)?([Ss]econd|Minute|Hour)$`)

// isDuration reports whether e is a number of seconds or the like.
func (w *walker) isDuration(e *ast.BinaryExpr) bool {
	return e.Op == token.MUL && timeUnit.MatchString(w.source(e.Y))
}

// changed is one more for a count or an index. A size or a time must change by
// more than that, for somebody to notice: ten times.
func changed(n int64, large bool) string {
	if n >= 10 || large && n > 0 {
		return strconv.FormatInt(10*n, 10)
	}
	return strconv.FormatInt(n+1, 10)
}
