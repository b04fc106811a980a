package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFunction    = 50 // lines, from func to the closing brace
	medianFunction = 15 // lines; half of a rung's functions are no longer
)

// systems are those that the ladder runs on.
var systems = []string{"linux", "darwin", "freebsd", "openbsd", "netbsd", "dragonfly"}

// parseFile parses a file of the project with its comments.
func parseFile(t *testing.T, file string) (*token.FileSet, *ast.File) {
	t.Helper()
	positions := token.NewFileSet()
	tree, err := parser.ParseFile(positions, file, read(t, file), parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return positions, tree
}

func TestFunctionLengths(t *testing.T) {
	perRung := make(map[string][]int)
	for _, file := range projectFiles(t) {
		if !isCode(file) {
			continue
		}
		positions, tree := parseFile(t, file)
		for _, decl := range tree.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			length := positions.Position(function.End()).Line - positions.Position(function.Pos()).Line + 1
			folder, _, _ := strings.Cut(file, "/")
			perRung[folder] = append(perRung[folder], length)
			if length > maxFunction {
				t.Errorf("%v: %s has %d lines, over %d: give a part of it a name of its own",
					positions.Position(function.Pos()), function.Name.Name, length, maxFunction)
			}
		}
	}
	for _, rung := range rungs {
		lengths := perRung[rung]
		slices.Sort(lengths)
		if len(lengths) == 0 {
			t.Errorf("%s has no functions", rung)
			continue
		}
		median := lengths[len(lengths)/2]
		t.Logf("%s: %d functions, median %d lines, longest %d", rung, len(lengths), median, lengths[len(lengths)-1])
		if median > medianFunction {
			t.Errorf("%s: the median function has %d lines, over %d", rung, median, medianFunction)
		}
	}
}

// theFunctions are what every rung has, from the rung with this index on. The
// course is one server five times: a reader looks for a function where it was.
var theFunctions = []struct {
	file, name string
	from       int
}{
	{"server.go", "serve", 0},
	{"server.go", "visit", 1},
	{"server.go", "accept", 0},
	{"server.go", "pauseAccept", 0},
	{"server.go", "welcome", 0},
	{"server.go", "drop", 0},
	{"conn.go", "read", 0},
	{"conn.go", "write", 0},
}

// theGone are functions that a rung has and the next one does not need.
var theGone = []string{"wait", "turnAway"} // select's

// functions returns the names of the functions of a file, from top to bottom.
func functions(t *testing.T, file string) (names []string) {
	t.Helper()
	_, tree := parseFile(t, file)
	for _, decl := range tree.Decls {
		if function, ok := decl.(*ast.FuncDecl); ok {
			names = append(names, function.Name.Name)
		}
	}
	return names
}

// Functions stay in their file and in their order, and keep their names, so that
// a step shows what changes in them and nothing else.
func TestFunctionsStay(t *testing.T) {
	projectFiles(t)
	for i, rung := range rungs {
		for _, want := range theFunctions {
			if i >= want.from && !slices.Contains(functions(t, path.Join(rung, want.file)), want.name) {
				t.Errorf("%s/%s has no function %s", rung, want.file, want.name)
			}
		}
		if i == 0 {
			continue
		}
		for _, file := range []string{"server.go", "conn.go"} {
			old, new := functions(t, path.Join(rungs[i-1], file)), functions(t, path.Join(rung, file))
			var kept []string
			for _, name := range old {
				switch {
				case slices.Contains(new, name):
					kept = append(kept, name)
				case !slices.Contains(theGone, name):
					t.Errorf("%s/%s has no %s: a function keeps its name and its file", rung, file, name)
				}
			}
			same := slices.DeleteFunc(new, func(name string) bool { return !slices.Contains(old, name) })
			if !slices.Equal(kept, same) {
				t.Errorf("%s/%s has the functions %v, the rung before %v: keep their order", rung, file, same, kept)
			}
		}
	}
}

// maxColumns is the longest line of a rung that fits beside another one, and in
// a diff, on a screen. A tab counts as 4.
const maxColumns = 100

func TestLineLengths(t *testing.T) {
	for _, file := range projectFiles(t) {
		folder, _, _ := strings.Cut(file, "/")
		if !slices.Contains(rungs, folder) || !isCode(file) {
			continue
		}
		number := 0
		for line := range strings.Lines(string(read(t, file))) {
			number++
			columns := utf8.RuneCountInString(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    "))
			if columns > maxColumns {
				t.Errorf("%s:%d: %d columns, over %d", file, number, columns, maxColumns)
			}
		}
	}
}

// phaseName finds the name or the number of a rung in prose, "phase 3", "as in
// 02", "03-select"; a dump of bytes, 00 00 00 05, is none.
var phaseName = regexp.MustCompile(`(?i)\b(phase|rung|step|stage|chapter|lesson|server)s?\s+#?\d|` +
	`\b[a-z]{2,}\s+0[1-5]\b|\b0[1-5]-[a-z]{2,}`)

// A rung that speaks of its number differs from its neighbour in every such
// comment.
func TestCommentsNameNoPhase(t *testing.T) {
	for _, file := range projectFiles(t) {
		folder, _, _ := strings.Cut(file, "/")
		if !slices.Contains(rungs, folder) || !strings.HasSuffix(file, ".go") {
			continue
		}
		positions, tree := parseFile(t, file)
		for _, group := range tree.Comments {
			for _, comment := range group.List {
				if name := phaseName.FindString(comment.Text); name != "" {
					t.Errorf("%v: the comment says %q: name the idea, not the number", positions.Position(comment.Pos()), name)
				}
			}
		}
	}
}

// What differs between kernels is in files of their own, behind build tags.
func TestLoopAsksNoGOOS(t *testing.T) {
	for _, file := range projectFiles(t) {
		if path.Base(path.Dir(file)) != "eventloop" || !slices.Contains(rungs, path.Dir(path.Dir(file))) {
			continue
		}
		positions, tree := parseFile(t, file)
		ast.Inspect(tree, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok && selector.Sel.Name == "GOOS" {
				t.Errorf("%v: runtime.GOOS: put the difference into the poller files", positions.Position(node.Pos()))
			}
			return true
		})
	}
}

func TestPollerBuildTags(t *testing.T) {
	projectFiles(t)
	for file, tag := range map[string]string{
		"poller_kqueue.go": "//go:build darwin || dragonfly || freebsd || netbsd || openbsd",
		"poller_epoll.go":  "//go:build linux",
	} {
		for _, rung := range rungs[3:] {
			file := path.Join(rung, "eventloop", file)
			if line, _, _ := strings.Cut(string(read(t, file)), "\n"); line != tag {
				t.Errorf("%s:1: %q, want %q: the first line says where a mechanism is", file, line, tag)
			}
		}
	}
}

// A dependency is one package and what it imports.
type dependency struct {
	path     string
	standard bool
	imports  []string
}

// dependencies lists everything that the given packages are built from.
func dependencies(t *testing.T, system string, packages ...string) (all []dependency) {
	t.Helper()
	const format = `{{.ImportPath}} {{.Standard}} {{join .Imports " "}}`
	list := exec.Command("go", append([]string{"list", "-deps", "-f", format}, packages...)...)
	list.Dir = root
	list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0", "GOWORK=")
	var complaint strings.Builder
	list.Stderr = &complaint
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v for %s: %v\n%s", list, system, err, &complaint)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		all = append(all, dependency{words[0], words[1] == "true", words[2:]})
	}
	return all
}

// What a rung does with a socket it does itself: package net is not there to
// do it, nor is any library but the bare system calls.
func TestDependencies(t *testing.T) {
	projectFiles(t)
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to ask for dependencies")
	}
	packages := []string{"./shared/socket", "./shared/narrate", "./shared/cli"}
	for _, rung := range rungs {
		packages = append(packages, "./"+rung)
	}
	for _, system := range systems {
		for _, p := range dependencies(t, system, packages...) {
			ours := strings.HasPrefix(p.path, "example/tcpladder/")
			if !ours && !p.standard && p.path != "golang.org/x/sys/unix" {
				t.Errorf("on %s the rungs depend on %s: the standard library and golang.org/x/sys/unix must do", system, p.path)
			}
			if slices.Contains(p.imports, "net") {
				t.Errorf("on %s the rungs depend on package net, which %s imports: use shared/socket and net/netip", system, p.path)
			}
		}
	}
}

// Every module builds by itself and with one version of everything.
func TestModules(t *testing.T) {
	var sys string // the line that requires golang.org/x/sys
	requireSys := regexp.MustCompile(`golang\.org/x/sys v\S+`)
	requireOurs := regexp.MustCompile(`(?m)^\s*(?:require )?(example/tcpladder/\S+) v0\.0\.0`)
	for _, file := range projectFiles(t) {
		if path.Base(file) != "go.mod" {
			continue
		}
		text := string(read(t, file))
		if !strings.Contains(text, "\ngo 1.26.0\n") || strings.Contains(text, "\ntoolchain ") {
			t.Errorf("%s: want the line \"go 1.26.0\" and no toolchain line, as in go.work", file)
		}
		if found := requireSys.FindString(text); found != "" {
			if sys == "" {
				sys = found
			}
			if found != sys {
				t.Errorf("%s requires %s, another module %s: use one version everywhere", file, found, sys)
			}
		}
		for _, ours := range requireOurs.FindAllStringSubmatch(text, -1) {
			up, _ := filepath.Rel(path.Dir(file), strings.TrimPrefix(ours[1], "example/tcpladder/"))
			replace := "replace " + ours[1] + " => " + filepath.ToSlash(up)
			if !strings.Contains(text, replace+"\n") {
				t.Errorf("%s: add %q, so that the module also builds with GOWORK=off", file, replace)
			}
		}
	}
}
