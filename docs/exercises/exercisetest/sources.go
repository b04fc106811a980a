package exercisetest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"example/tcpladder/shared/echotest"
)

// importsNet reports whether the program is built with package net, by itself or by
// what it imports. It is skipped without the sources or the go command.
func importsNet(p *echotest.Target) (bool, error) {
	list, err := goList(p, "-deps")
	return slices.Contains(strings.Fields(list), "net"), err
}

// goList runs go list for the program.
func goList(p *echotest.Target, args ...string) (string, error) {
	from, found := p.Sources()
	if _, err := exec.LookPath("go"); err != nil || !found {
		return "", echotest.Skipf("the sources are not at hand")
	}
	if from.Overlay != "" {
		args = append(args, "-overlay", from.Overlay)
	}
	cmd := exec.Command("go", append(append([]string{"list"}, args...), from.Package)...)
	cmd.Dir = from.Dir
	out, err := cmd.Output()
	if err != nil {
		return "", echotest.Skipf("go list: %v", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// goStatements says where the program starts goroutines, as far as its sources are
// at hand: file.go:12. What is wrong with them has to be seen elsewhere.
func goStatements(p *echotest.Target) string {
	from, _ := p.Sources()
	dir, err := goList(p, "-f", "{{.Dir}}")
	if err != nil {
		return ""
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	var places []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, overlaid(from, file), nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for n := range ast.Preorder(tree) {
			if s, ok := n.(*ast.GoStmt); ok {
				places = append(places, fmt.Sprintf("%s:%d", filepath.Base(file), set.Position(s.Pos()).Line))
			}
		}
	}
	return strings.Join(places, ", ")
}

// overlaid returns the file that is built in the place of file.
func overlaid(from echotest.Sources, file string) string {
	var overlay struct{ Replace map[string]string }
	list := from.Overlay
	if !filepath.IsAbs(list) {
		list = filepath.Join(from.Dir, list)
	}
	text, err := os.ReadFile(list)
	if from.Overlay == "" || err != nil || json.Unmarshal(text, &overlay) != nil {
		return file
	}
	top, err := filepath.Abs(from.Dir)
	if err != nil {
		return file
	}
	name, _ := filepath.Rel(top, file) // both are absolute
	other := overlay.Replace[filepath.ToSlash(name)]
	if other == "" {
		return file
	}
	if filepath.IsAbs(other) {
		return other
	}
	return filepath.Join(from.Dir, other)
}
