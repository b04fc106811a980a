// Package docs is the course text. Its tests keep the text and the ladder
// true: these hold what the steps of the ladder promise to whoever reads them.
package docs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example/tcpladder/docs/internal/weave"
	"example/tcpladder/shared/echotest"
)

// root is the top of the project, seen from where the tests run.
const root = ".."

var rungs = echotest.Folders()

// theStill are the files that must be the same, byte for byte, in several
// rungs. A reader who has seen one has seen all; a diff never shows them.
var theStill = []struct {
	path string // a file, or a folder with all its files
	in   []string
}{
	{"main.go", rungs},
	{"conn.go", rungs[1:4]},
	{"eventloop", rungs[3:]},
}

// theSteps are the lines that may change from one rung to the next, as the
// printed diff has them, so that a step stays one idea. What arrives whole, in a
// folder or a file of its own, is counted apart. Whoever changes a rung leaves
// 5 % of each free for the next mend.
var theSteps = []struct {
	from, to string
	changed  int // lines added and removed
	apart    []apart
}{
	{rungs[0], rungs[1], 115, nil},
	{rungs[1], rungs[2], 75, nil},
	{rungs[2], rungs[3], 125, []apart{{"eventloop/", 480}}},
	{rungs[3], rungs[4], 165, []apart{{"frame/", 150}, {"ending.go", 160}}},
}

// An apart is a folder or a file that a step adds.
type apart struct {
	path  string
	lines int // at most
}

// maxRung is the longest rung, in lines, that is still read in a sitting.
// eventloop is read on its own.
const maxRung = 600

// topLevel is everything that may stand beside the rungs.
var topLevel = append([]string{
	// teacher
	".ci",
	// /teacher
	".devcontainer", ".editorconfig", ".gitattributes", ".github", ".gitignore",
	"LICENSE", "README.md", "client", "docs", "go.work", "shared",
}, rungs...)

// projectFiles lists the project's files, relative to the root with slashes:
// those that git knows or would add, else all that are there.
func projectFiles(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, "go.work")); err != nil {
		t.Skipf("there is no source tree here: %v", err)
	}
	git := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = root
	var files []string
	if out, err := git.Output(); err == nil && len(out) > 0 {
		files = strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	} else {
		files = walk(t)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	// git still lists a file that was deleted and not yet committed.
	return slices.DeleteFunc(files, func(file string) bool {
		_, err := os.Lstat(filepath.Join(root, file))
		return err != nil
	})
}

// walk lists all files but git's own and those of other people's modules.
func walk(t *testing.T) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		if file == "vendor" || entry != nil && entry.Name() == ".git" {
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err == nil && !entry.IsDir() {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// filesIn keeps the files of one folder, and makes them relative to it.
func filesIn(files []string, folder string) (inside []string) {
	for _, file := range files {
		if rest, ok := strings.CutPrefix(file, folder+"/"); ok {
			inside = append(inside, rest)
		}
	}
	return inside
}

// read returns a file of the project.
func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// lines counts the lines of a file of the project.
func lines(t *testing.T, file string) int {
	t.Helper()
	return bytes.Count(read(t, file), []byte("\n"))
}

// isTest reports whether a file is part of the tests.
func isTest(file string) bool { return strings.HasSuffix(file, "_test.go") }

// isCode reports whether a file is Go that is not part of the tests.
func isCode(file string) bool { return strings.HasSuffix(file, ".go") && !isTest(file) }

func TestTopLevel(t *testing.T) {
	var found []string
	for _, file := range projectFiles(t) {
		name, _, _ := strings.Cut(file, "/")
		found = append(found, name)
	}
	found = slices.Compact(found)
	for _, name := range topLevel {
		if !slices.Contains(found, name) {
			t.Errorf("%s is missing from the top level", name)
		}
	}
	for _, name := range found {
		// The go command writes go.work.sum when, and only when, it needs one.
		if !slices.Contains(topLevel, name) && name != "go.work.sum" {
			t.Errorf("%s does not belong on the top level: find it a place in shared/, client/ or docs/", name)
		}
	}
}

func TestRungFiles(t *testing.T) {
	files := projectFiles(t)
	for i, rung := range rungs {
		mayHave := []string{"conn.go", "echo_test.go", "go.mod", "go.sum", "main.go", "server.go"}
		if i == 4 {
			mayHave = append(mayHave, "ending.go")
		}
		for _, file := range mayHave {
			if !slices.Contains(filesIn(files, rung), file) {
				t.Errorf("%s/%s is missing", rung, file)
			}
		}
		for _, file := range filesIn(files, rung) {
			folder := path.Dir(file)
			ofFolder := strings.HasSuffix(file, ".go") && (i >= 3 && folder == "eventloop" || i >= 4 && folder == "frame")
			if !ofFolder && !slices.Contains(mayHave, file) {
				t.Errorf("%s/%s would show up in the step's diff: move it to shared/, client/ or docs/, or remove it", rung, file)
			}
		}
	}
}

func TestStillFiles(t *testing.T) {
	files := projectFiles(t)
	for _, still := range theStill {
		first, others := still.in[0], still.in[1:]
		for _, other := range others {
			names := []string{still.path}
			if !strings.HasSuffix(still.path, ".go") {
				names = slices.Concat(underneath(files, first, still.path), underneath(files, other, still.path))
				slices.Sort(names)
			}
			for _, name := range slices.Compact(names) {
				compareFiles(t, path.Join(first, name), path.Join(other, name))
			}
		}
	}
}

// underneath lists the files of a rung's folder, relative to the rung.
func underneath(files []string, rung, folder string) (names []string) {
	for _, file := range filesIn(files, path.Join(rung, folder)) {
		names = append(names, path.Join(folder, file))
	}
	return names
}

// compareFiles fails unless both files are there and equal.
func compareFiles(t *testing.T, a, b string) {
	t.Helper()
	textA, errA := os.ReadFile(filepath.Join(root, a))
	textB, errB := os.ReadFile(filepath.Join(root, b))
	if errA != nil || errB != nil || !bytes.Equal(textA, textB) {
		t.Errorf("%s and %s must be the same: mend the earlier rung, then cp %s %s", a, b, a, b)
	}
}

// The promises of a rung are one line of its echo_test.go.
func TestEchoTestsDifferInOneLine(t *testing.T) {
	projectFiles(t)
	split := func(rung string) []string {
		return strings.Split(string(read(t, rung+"/echo_test.go")), "\n")
	}
	first := split(rungs[0])
	for _, rung := range rungs[1:] {
		other := split(rung)
		if len(other) != len(first) {
			t.Errorf("%s/echo_test.go has %d lines, %s/echo_test.go %d: they may differ in the line with echotest.Promises alone",
				rung, len(other), rungs[0], len(first))
			continue
		}
		for i := range first {
			isPromise := strings.Contains(first[i], "echotest.Promises{") && strings.Contains(other[i], "echotest.Promises{")
			if (first[i] != other[i]) != isPromise {
				t.Errorf("%s/echo_test.go:%d: %q against %q: the line with echotest.Promises, and no other, says what is new in a rung",
					rung, i+1, other[i], first[i])
			}
		}
	}
}

func TestStepBudgets(t *testing.T) {
	files := projectFiles(t)
	needDiff(t)
	for _, step := range theSteps {
		changed := changedLines(t, step.from, step.to, step.apart)
		t.Logf("%s to %s: %d changed lines of %d", step.from, step.to, changed, step.changed)
		if changed > step.changed {
			t.Errorf("%s to %s changes %d lines, over its budget of %d: move what both can share into the earlier rung, or leave it out",
				step.from, step.to, changed, step.changed)
		}
		for _, apart := range step.apart {
			added := codeLines(t, files, path.Join(step.to, apart.path))
			t.Logf("%s/%s: %d lines of %d", step.to, apart.path, added, apart.lines)
			if added > apart.lines {
				t.Errorf("%s/%s has %d lines, over its budget of %d", step.to, apart.path, added, apart.lines)
			}
		}
	}
}

// changedLines counts what the printed diff of a step shows, without what is
// counted apart.
func changedLines(t *testing.T, from, to string, without []apart) (changed int) {
	t.Helper()
	files, err := weave.Step(root, from, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		apart := slices.ContainsFunc(without, func(a apart) bool { return strings.HasPrefix(file.Path, a.path) })
		if !apart {
			changed += file.Changed()
		}
	}
	return changed
}

// The README's table has the budgets that are measured.
func TestBudgetsAreNamed(t *testing.T) {
	projectFiles(t)
	readme := string(read(t, "README.md"))
	for _, step := range theSteps {
		row := fmt.Sprintf("| %s to %s | %d |", step.from[:2], step.to[:2], step.changed)
		var whole []string
		for _, apart := range step.apart {
			whole = append(whole, fmt.Sprintf("`%s` %d", apart.path, apart.lines))
		}
		if len(whole) > 0 {
			row += " " + strings.Join(whole, ", ")
		}
		if !strings.Contains(readme, row+" |\n") {
			t.Errorf("README.md has no row %q", row+" |")
		}
	}
}

// codeLines counts the lines of Go in a folder, without the tests, or in a file.
func codeLines(t *testing.T, files []string, in string) (sum int) {
	t.Helper()
	for _, file := range files {
		if isCode(file) && (file == in || strings.HasPrefix(file, in+"/")) {
			sum += lines(t, file)
		}
	}
	return sum
}

func TestRungSize(t *testing.T) {
	files := projectFiles(t)
	for _, rung := range rungs {
		size := codeLines(t, files, rung) - codeLines(t, files, rung+"/eventloop")
		t.Logf("%s: %d lines of %d", rung, size, maxRung)
		if size > maxRung {
			t.Errorf("%s has %d lines without eventloop/, over its budget of %d: it must be read in a sitting", rung, size, maxRung)
		}
	}
}
