package weave

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example/tcpladder/shared/echotest"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var steps = func() (all [][2]string) {
	folders := echotest.Folders()
	for i, to := range folders[1:] {
		all = append(all, [2]string{folders[i], to})
	}
	return all
}()

func needDiff(t *testing.T) {
	t.Helper()
	if !CanDiff() {
		t.Skip("there is no diff on this machine that prints what the chapters show")
	}
}

// Nothing of a step is lost between its pieces.
func TestPiecesAreTheDiff(t *testing.T) {
	needDiff(t)
	for _, step := range steps {
		cmd := exec.Command("sh", "-c", Diff+" "+step[0]+" "+step[1])
		cmd.Dir = root(t)
		said, _ := cmd.Output() // status 1: they differ
		want := regexp.MustCompile(`(?m)^[-+ @].*\n`).FindAllString(string(said), -1)
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
		times := regexp.MustCompile(`(?m)^((?:---|\+\+\+) \S+)\t.*$`)
		if got.String() != times.ReplaceAllString(strings.Join(want, ""), "$1") {
			t.Errorf("%s to %s: the pieces together are not what %s prints", step[0], step[1], Diff)
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
	needDiff(t)
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
	needDiff(t)
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
	needDiff(t)
	dir := ladder(t, body, body)
	for _, comment := range []string{"listing 02-b/server.go four", "listing 02-b/gone.go one", "hunk 01-a 02-b server.go 1", "hunk 01-a 02-b"} {
		if _, problems := Weave(dir, "<!-- "+comment+" -->\n"); len(problems) == 0 {
			t.Errorf("%s: no problem", comment)
		}
	}
}

func TestSame(t *testing.T) {
	one := "socket(2) = 7  TCP\nlistening on 127.0.0.1:1 (pid 2)\naccept(7) = 8  127.0.0.1:34  after 1.5 s\n" +
		"read(8) = EAGAIN  nothing there yet\n… 311 more calls returned EAGAIN\nread(8) = 6  \"hello\\n\"\naccept(7)\n"
	for text, want := range map[string]bool{
		"socket(2) = 3  TCP\nlistening on 127.0.0.1:9 (pid 8)\naccept(3) = 4  127.0.0.1:76\n" +
			"read(4) = EAGAIN  nothing there yet\nread(4) = 6  \"hello\\n\"  after 0.01 s\naccept(3)\n": true,
		strings.Replace(one, "read(8)", "read(9)", 1):       false,
		strings.Replace(one, "\naccept(7)", "\nread(8)", 1): false,
		strings.Replace(one, "= 6", "= 5", 1):               false,
		strings.Replace(one, "hello", "hallo", 1):           false,
	} {
		if Same(one, text) != want {
			t.Errorf("Same is not %v for\n%s", want, text)
		}
	}
}
