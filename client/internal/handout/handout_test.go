package handout

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

// workTree returns the files of the course as they are, committed or not.
func workTree(t *testing.T) (files []File) {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Skipf("this is no clone: %v", err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		path := filepath.Join(root, name)
		info, err := os.Stat(path)
		if err != nil {
			continue // git still lists a file that was deleted and not yet committed
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, File{name, info.Mode().Perm(), text})
	}
	return files
}

func strip(t *testing.T) *Copy {
	t.Helper()
	c, err := Strip(workTree(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (copy *Copy) named(name string) *File {
	i := slices.IndexFunc(copy.Files, func(f File) bool { return f.Path == name })
	if i < 0 {
		return nil
	}
	return &copy.Files[i]
}

// What is for teachers by its name leaves.
func TestNames(t *testing.T) {
	suspicious := regexp.MustCompile(`(?i)solution|solved|attempt|answer|teach|handout|grade|\.patch$`)
	for _, f := range strip(t).Files {
		if suspicious.MatchString(f.Path) {
			t.Errorf("%s stays: put it into %s, or give it another name", f.Path, listFile)
		}
	}
}

// What stays does not speak of what leaves, unless it says where that is.
func TestMentions(t *testing.T) {
	c := strip(t)
	gone := regexp.MustCompile(`exercises/solutions|solutionstest|\bclient (handout|compare|grade)\b`)
	for _, f := range c.Files {
		for line := range strings.Lines(string(f.Text)) {
			if gone.MatchString(line) && !strings.Contains(line, "public repository") {
				t.Errorf("%s says to students: %s", f.Path, strings.TrimSpace(line))
			}
		}
		if path.Ext(f.Path) == ".md" {
			if again, err := unmark(f.Path, string(f.Text)); err != nil || again != string(f.Text) {
				t.Errorf("%s still has marks: %v", f.Path, err)
			}
			checkLinks(t, c, f)
		}
	}
	if readme := string(c.named("README.md").Text); !strings.Contains(readme, "public repository") || strings.Contains(readme, "<!-- student") {
		t.Error("the README does not say that the public repository has the solutions")
	}
	if c.named("docs/quiz.md") == nil || c.Marked == 0 {
		t.Error("nothing is marked, or all of the quiz")
	}
}

var target = regexp.MustCompile(`\]\(([^)\s#:]+)[^)\s:]*\)`)

// checkLinks fails if a link of a text leads to what has left. That it leads to
// something at all is for the tests of docs to see.
func checkLinks(t *testing.T, c *Copy, f File) {
	t.Helper()
	for _, link := range target.FindAllStringSubmatch(string(f.Text), -1) {
		to := path.Join(path.Dir(f.Path), link[1])
		left := slices.ContainsFunc(c.Left, func(name string) bool { return name == to || strings.HasPrefix(name, to+"/") })
		stays := slices.ContainsFunc(c.Files, func(s File) bool { return s.Path == to || strings.HasPrefix(s.Path, to+"/") })
		if left && !stays {
			t.Errorf("%s: the link to %s leads to what leaves: mark it", f.Path, link[1])
		}
	}
}

// Nothing that stays has a line of a solution which its start and the rungs do not
// have.
func TestNoSolution(t *testing.T) {
	c := strip(t)
	public := map[string]string{}
	var code, texts strings.Builder // what the solutions are built on; what may quote them
	for _, f := range c.Files {
		switch ext := path.Ext(f.Path); {
		case ext == ".go" && (f.Path[0] == '0' || strings.HasPrefix(f.Path, "shared/")):
			code.Write(f.Text)
		case ext == ".go" || ext == ".md":
			texts.Write(f.Text)
		}
		for line := range strings.Lines(string(f.Text)) {
			public[strings.TrimSpace(line)] = f.Path
		}
	}
	for name, lines := range solutionLines(t, c, code.String()) {
		if len(lines) == 0 {
			t.Errorf("%s: its solution has no line of its own", name)
		}
		for _, line := range lines {
			file := public[line]
			if file == "" && strings.Contains(texts.String(), line) {
				file = c.with(line)
			}
			if file != "" {
				t.Errorf("%s has a line of the solution of %s: %s", file, name, line)
			}
		}
	}
}

// with returns the name of a file that contains text.
func (copy *Copy) with(text string) string {
	return copy.Files[slices.IndexFunc(copy.Files, func(f File) bool { return strings.Contains(string(f.Text), text) })].Path
}

// idioms are lines that anybody writes.
var idioms = []string{"return strings.Map(func(r rune) rune {"}

// solutionLines returns the lines of each solution that are long enough to be
// recognised and are neither in its start nor in code.
func solutionLines(t *testing.T, c *Copy, code string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, f := range workTree(t) {
		rest, ok := strings.CutPrefix(f.Path, exercises+"/solutions/")
		name, _, inFolder := strings.Cut(rest, "/")
		if !ok || !inFolder || path.Ext(f.Path) != ".go" {
			continue
		}
		var start strings.Builder
		for _, s := range c.Files {
			if strings.HasPrefix(s.Path, exercises+"/"+name+"/") && path.Ext(s.Path) == ".go" {
				start.Write(s.Text)
			}
		}
		if start.Len() == 0 {
			continue // no exercise, but attempts or tests
		}
		for line := range strings.Lines(string(f.Text)) {
			line = strings.TrimSpace(line)
			if len(line) >= 28 && !slices.Contains(idioms, line) && !strings.Contains(start.String(), line) && !strings.Contains(code, line) {
				all[name] = append(all[name], line)
			}
		}
	}
	return all
}

// The list names what is there, and why it leaves.
func TestList(t *testing.T) {
	course := func(list string) []File {
		return []File{{listFile, 0o644, []byte(list)}, {"a/b.go", 0o644, []byte("package b\n")}, {"a.md", 0o644, []byte("# a\n")},
			{"c.md", 0o644, []byte("<!-- teacher -->\nnotes\n<!-- /teacher -->\n")}, {"empty", 0o644, nil}}
	}
	c, err := Strip(course("# comment\n\na/ its folder\nclient/internal/handout/ itself\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 2 || c.named("a.md") == nil || c.named("empty") == nil || len(c.Left) != 3 {
		t.Errorf("stays: %v, leaves: %v", c.Files, c.Left)
	}
	for list, want := range map[string]string{
		"a/":        "a/: say why it leaves",
		"b.go gone": "b.go: there is no such file",
		"a whole":   "a: there is no such file", // it is a folder
	} {
		if _, err := Strip(course(list)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", list, err, want)
		}
	}
	if _, err := Strip(nil); err == nil || !strings.Contains(err.Error(), "not the course") {
		t.Errorf("no list: %v", err)
	}
}
