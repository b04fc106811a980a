package weave

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var steps = [][2]string{
	{"01-blocking", "02-nonblocking"}, {"02-nonblocking", "03-select"}, {"03-select", "04-kqueue"}, {"04-kqueue", "05-framing"},
}

var withTime = regexp.MustCompile(`(?m)^((?:---|\+\+\+) \S+)\t.*$`)

// The pieces of a step, one after the other, are what diff -ruN prints.
func TestStepEqualsDiff(t *testing.T) {
	if _, err := exec.LookPath("diff"); err != nil {
		t.Skip("there is no diff on this machine")
	}
	for _, step := range steps {
		cmd := exec.Command("diff", "-ruN", step[0], step[1])
		cmd.Dir = root(t)
		said, _ := cmd.Output() // status 1: they differ
		var want strings.Builder
		for line := range strings.Lines(withTime.ReplaceAllString(string(said), "$1")) {
			if !strings.HasPrefix(line, "diff -ruN ") && !strings.HasPrefix(line, "Binary files ") {
				want.WriteString(line)
			}
		}
		files, err := Step(root(t), step[0], step[1])
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, f := range files {
			for _, p := range f.Pieces {
				got.WriteString(p.Text)
			}
		}
		if got.String() != want.String() {
			t.Errorf("%s to %s: the diff of the text is not that of diff -ruN", step[0], step[1])
		}
	}
}

// The hunks turn the old file into the new one, whatever diff thinks of them.
func TestDiffApplies(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(root(t), "0*", "*.go"))
	for _, a := range files {
		for _, b := range files {
			old, new := lines(content(t, a)), lines(content(t, b))
			if got := apply(old, diff(old, new)); strings.Join(got, "\n") != strings.Join(new, "\n") {
				t.Errorf("the diff of %s and %s does not lead from one to the other", a, b)
			}
		}
	}
}

func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func apply(old []string, hunks []hunk) (new []string) {
	at := 0
	for _, h := range hunks {
		for at < h.oldStart-1 {
			new = append(new, old[at])
			at++
		}
		for _, l := range h.lines {
			if l[0] != '-' {
				new = append(new, l[1:])
			}
			if l[0] != '+' {
				at++
			}
		}
	}
	return append(new, old[at:]...)
}

// Nothing of a file is lost between its declarations.
func TestDeclarationsAreTheFile(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(root(t), "0*", "*.go"))
	more, _ := filepath.Glob(filepath.Join(root(t), "0*", "*", "*.go"))
	for _, file := range append(files, more...) {
		pieces, err := Declarations(content(t, file))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, p := range pieces {
			got.WriteString(p.Text)
		}
		if squeeze(got.String()) != squeeze(content(t, file)) {
			t.Errorf("%s: its declarations are not the whole file", file)
		}
	}
}

func squeeze(s string) string { return strings.ReplaceAll(s, "\n", "") }

// ladder makes two small rungs and returns their top folder.
func ladder(t *testing.T, old, new string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"01-a": old, "02-b": new} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "server.go"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const body = "package main\n\nfunc one() {}\n\n// a\n// b\n// c\n// d\nfunc two() {}\n\n// e\n// f\n// g\n// h\nfunc three() {}\n"

// A line that changes in the source makes the text stale.
func TestStale(t *testing.T) {
	dir := ladder(t, body, strings.Replace(body, "two()", "two(n int)", 1))
	text := "<!-- listing 02-b/server.go two -->\n\n<!-- hunk 01-a 02-b server.go 1 -->\n"
	woven, problems := Weave(dir, text)
	if len(problems) > 0 || !strings.Contains(woven, "```go\n// a\n// b") || !strings.Contains(woven, "+func two(n int) {}\n") {
		t.Fatalf("%v\n%s", problems, woven)
	}
	if again, _ := Weave(dir, woven); again != woven {
		t.Error("what is fresh was changed")
	}
	file := filepath.Join(dir, "02-b", "server.go")
	os.WriteFile(file, []byte(strings.Replace(content(t, file), "// b\n", "// B\n", 1)), 0o644)
	if again, _ := Weave(dir, woven); again == woven || strings.Count(again, "// B") != 2 {
		t.Errorf("the change was not taken over:\n%s", again)
	}
}

// When a diff gets one more piece, the sentences stay with theirs, and the new
// one is missed.
func TestRenumber(t *testing.T) {
	dir := ladder(t, body, strings.Replace(body, "three()", "three(n int)", 1))
	woven, _ := Weave(dir, "<!-- hunk 01-a 02-b server.go 1 -->\n")
	file := filepath.Join(dir, "02-b", "server.go")
	os.WriteFile(file, []byte(strings.Replace(content(t, file), "one()", "one(n int)", 1)), 0o644)
	woven, problems := Weave(dir, woven)
	if len(problems) > 0 || !strings.Contains(woven, "server.go 2 -->") || !strings.Contains(woven, "+func three(n int)") {
		t.Errorf("%v\n%s", problems, woven)
	}
	missing, err := Missing(dir, "01-a", "02-b", woven)
	if err != nil || len(missing) != 1 || !strings.Contains(missing[0], "server.go 1 -->") {
		t.Error(missing, err)
	}
}

func TestUnknownNames(t *testing.T) {
	dir := ladder(t, body, body)
	for _, comment := range []string{"listing 02-b/server.go four", "listing 02-b/gone.go one", "hunk 01-a 02-b server.go 1", "hunk 01-a 02-b"} {
		if _, problems := Weave(dir, "<!-- "+comment+" -->\n"); len(problems) == 0 {
			t.Errorf("%s: no problem", comment)
		}
	}
}

func TestSame(t *testing.T) {
	one := "socket(2) = 7  TCP\nlistening on 127.0.0.1:1 (pid 2)\naccept(7) = 8  127.0.0.1:34\nread(8) = 6  \"hello\\n\"\n"
	for text, want := range map[string]bool{
		"socket(2) = 3  TCP\nlistening on 127.0.0.1:9 (pid 8)\naccept(3) = 4  127.0.0.1:76\nread(4) = 6  \"hello\\n\"\n": true,
		strings.Replace(one, "read(8)", "read(9)", 1):                                                                    false,
		strings.Replace(one, "= 6", "= 5", 1):                                                                            false,
		strings.Replace(one, "hello", "hallo", 1):                                                                        false,
	} {
		if Same(one, text) != want {
			t.Errorf("Same is not %v for\n%s", want, text)
		}
	}
}
