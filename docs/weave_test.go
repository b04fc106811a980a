package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"example/tcpladder/docs/internal/weave"
	"example/tcpladder/shared/cli"
)

const mend = "mend it with: go run ./docs/weave"

// needDiff skips a test where no diff prints what the chapters show.
func needDiff(t *testing.T) {
	t.Helper()
	if !weave.CanDiff() {
		t.Skip("there is no diff on this machine that prints what the chapters show")
	}
}

// chapters returns the texts of this folder by their file names, and the top
// folder.
func chapters(t *testing.T) (texts map[string]string, root string) {
	t.Helper()
	root, err := weave.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	texts = map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return texts, root
}

// What a chapter shows of the source is what the source is.
func TestListingsAndDiffs(t *testing.T) {
	needDiff(t)
	texts, root := chapters(t)
	for name, text := range texts {
		woven, problems := weave.Weave(root, text)
		for _, p := range problems {
			t.Errorf("docs/%s: %s", name, p)
		}
		if woven != text {
			t.Errorf("docs/%s: stale from line %d on; %s, and read what is said about it", name, firstDifference(woven, text), mend)
		}
	}
}

// firstDifference returns the number of the first line that differs.
func firstDifference(a, b string) int {
	n := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			n++
		}
	}
	return n
}

// Each step is shown whole: every piece of its diff, once, and what is new as
// source.
func TestStepsAreShownWhole(t *testing.T) {
	needDiff(t)
	texts, root := chapters(t)
	rungs, _ := filepath.Glob(filepath.Join(root, "0[1-9]-*"))
	if len(rungs) != 5 {
		t.Fatalf("%d rungs, not 5", len(rungs))
	}
	for _, rung := range rungs {
		name := filepath.Base(rung) + ".md"
		text, ok := texts[name]
		if !ok {
			t.Errorf("docs/%s is not there", name)
			continue
		}
		missing, err := weave.MissingIn(root, name, text)
		if err != nil {
			t.Error(err)
		}
		for _, m := range missing {
			t.Errorf("docs/%s: %s", name, m)
		}
	}
}

// A chapter of a rung can be read in one sitting.
func TestLengths(t *testing.T) {
	texts, _ := chapters(t)
	fences := regexp.MustCompile("(?ms)^```.*?^```$|^<!--.*?-->$|^!\\[[^]]*\\]\\([^)]*\\)$")
	for name, text := range texts {
		if words := len(strings.Fields(fences.ReplaceAllString(text, ""))); name[0] == '0' && words > 2000 {
			t.Errorf("docs/%s has %d words beside its listings and pictures, more than 2000", name, words)
		}
	}
}

// What a chapter shows of a program's output is what the program prints.
func TestOutputs(t *testing.T) {
	texts, root := chapters(t)
	if testing.Short() {
		t.Skip("it builds and runs the rungs")
	}
	for name, text := range texts {
		for _, l := range weave.Lives(text) {
			first, _, _ := strings.Cut(l.Shown, "\n")
			t.Run(name+"/"+first, func(t *testing.T) {
				t.Parallel()
				tryOutput(t, root, l, name)
			})
		}
	}
}

// tryOutput tries a few times: on a busy machine a client's bytes may come later
// than in the text.
func tryOutput(t *testing.T, root string, l weave.Live, name string) {
	if program := l.Needs(); program != "" {
		t.Skipf("there is no %s on this machine", program)
	}
	if l.Narrates() && runtime.GOOS != "linux" {
		t.Skip("the text shows the system calls of Linux")
	}
	var said string
	var err error
	for range 5 {
		said, err = l.Run(root)
		if err == nil && weave.Same(said, l.Shown) {
			return
		}
	}
	if err != nil {
		t.Fatalf("docs/%s, line %d: %v", name, l.Line, err)
	}
	t.Errorf("docs/%s, line %d: the output has changed; %s -run\nshown:\n%s\nprinted:\n%s", name, l.Line, mend, l.Shown, said)
}

// What weave says of itself fits on a screen.
func TestWeaveHelp(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command here")
	}
	_, root := chapters(t)
	command := exec.Command("go", "run", "./docs/weave", "-h")
	command.Dir = root
	said, err := command.Output()
	if err != nil || !strings.HasPrefix(string(said), "usage: go run ./docs/weave") {
		t.Errorf("%v\n%s", err, said)
	}
	for line := range strings.Lines(string(said)) {
		if n := cli.Columns(strings.TrimRight(line, "\n")); n > cli.Width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

var (
	shellBlock  = regexp.MustCompile("(?ms)^```(?:sh|console)\n(.*?)^```")
	goRun       = regexp.MustCompile(`go run (\./\S+)`)
	diffOf      = regexp.MustCompile(regexp.QuoteMeta(weave.Diff) + ` (\S+) (\S+)`)
	changeDir   = regexp.MustCompile(`(?m)^(?:\$ )?cd (\S+)`)
	placeholder = regexp.MustCompile(`[<>{}$*]|^\.\.$`)
)

// A step is printed by one command, whoever names it: what it leaves out, the
// budgets leave out too.
func TestOneDiffCommand(t *testing.T) {
	for _, file := range projectFiles(t) {
		if path.Ext(file) != ".md" {
			continue
		}
		text := string(read(t, file))
		for _, at := range regexp.MustCompile(`diff -ruN`).FindAllStringIndex(text, -1) {
			if !strings.HasPrefix(text[at[0]:], weave.Diff) {
				t.Errorf("%s:%d: say %s", file, 1+strings.Count(text[:at[0]], "\n"), weave.Diff)
			}
		}
	}
}

// What a step adds as a folder or a file of its own is not among its changed
// lines. The chapter says how long it is.
func TestSizesAreNamed(t *testing.T) {
	files := projectFiles(t)
	texts, _ := chapters(t)
	for _, step := range theSteps {
		for _, apart := range step.apart {
			size := fmt.Sprintf("%d lines", codeLines(t, files, path.Join(step.to, apart.path)))
			named := regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(strings.TrimSuffix(apart.path, "/")) + `.*\b` + size)
			if !named.MatchString(texts[step.to+".md"]) {
				t.Errorf("docs/%s.md names %s nowhere with its size, %s", step.to, apart.path, size)
			}
		}
	}
}

// What a command in the text names is there.
func TestCommandsNameWhatExists(t *testing.T) {
	texts, root := chapters(t)
	for name, text := range texts {
		for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
			var named []string
			for _, pattern := range []*regexp.Regexp{goRun, diffOf, changeDir} {
				for _, match := range pattern.FindAllStringSubmatch(block[1], -1) {
					named = append(named, match[1:]...)
				}
			}
			for _, folder := range named {
				if _, err := os.Stat(filepath.Join(root, folder)); err != nil && !placeholder.MatchString(folder) {
					t.Errorf("docs/%s: a command names %s, which is not there", name, folder)
				}
			}
		}
	}
}
