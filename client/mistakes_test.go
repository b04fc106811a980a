package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
)

// A mistake is one that learners make, planted in a rung or in the solution of an
// exercise. The first cross must name it.
type mistake struct {
	name  string
	in    string // the folder of a rung, or the name of an exercise
	edits []edit
	words string // in the first candidate of the first cross
	row   string // of echotest's table of causes; "": the check's own
}

// An edit replaces the one place in a file of that folder where old stands.
type edit struct{ file, old, new string }

// TestMistakes takes minutes. It wants the first cross, in the order in which client
// check makes the checks, to name the cause, and every row of the table of causes to
// be the first candidate of a mistake. How long a cross takes is told, not judged.
func TestMistakes(t *testing.T) {
	long(t)
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command here")
	}
	if _, err := os.Stat("../01-blocking/main.go"); err != nil {
		t.Skip("there are no sources here")
	}
	if echotest.CanSee() != nil {
		t.Skip(echotest.CanSee())
	}
	t.Chdir("..") // no program's sources are there: see narration-json
	var mu sync.Mutex
	ran, reached := 0, map[string]bool{}
	next := make(chan mistake)
	var workers sync.WaitGroup
	for range 3 { // most of the time they wait
		workers.Go(func() {
			for m := range next {
				t.Run(m.name, func(t *testing.T) {
					row := m.tried(t)
					mu.Lock()
					defer mu.Unlock()
					ran++
					reached[row] = true
				})
			}
		})
	}
	for _, m := range mistakes {
		next <- m
	}
	close(next)
	workers.Wait()
	if ran < len(mistakes) || t.Failed() {
		return
	}
	for _, row := range echotest.CauseNames() {
		if !reached[row] {
			t.Errorf("no mistake leads to %q", row)
		}
	}
}

// tried plants m, and gives the row that the first cross chose.
func (m mistake) tried(t *testing.T) (row string) {
	program := filepath.Join(t.TempDir(), filepath.Base(m.in))
	m.build(t, program)
	var name string
	var err error
	var took time.Duration
	for attempt := 0; err == nil && attempt < 3; attempt++ { // a busy machine can hide a spin
		start := time.Now()
		name, err = m.firstCross(program)
		took = time.Since(start).Round(100 * time.Millisecond)
	}
	var f *echotest.Failure
	if !errors.As(err, &f) {
		t.Errorf("no cross: %v", err)
		return ""
	}
	if len(f.Rows) > 0 {
		row = f.Rows[0]
	}
	t.Logf("%s after %v: %s (%s)", name, took, f.Cause, row)
	if !strings.Contains(f.Cause, m.words) || row != m.row {
		t.Errorf("%s, row %q; want %q, row %q\n%v", name, row, m.words, m.row, err)
	}
	return row
}

// firstCross runs the checks in their order until one fails.
func (m mistake) firstCross(program string) (name string, err error) {
	r, err := echotest.FindRung(m.in)
	list := echotest.Checks(r.Promises)
	if err != nil {
		e, err := exercisetest.Find(m.in)
		if err != nil {
			return "", err
		}
		list = e.Checks
	}
	for _, c := range list {
		if c.Long { // nobody who looks for a mistake waits for those
			continue
		}
		err := c.Run(echotest.Program(program, r.Promises))
		if _, skipped := echotest.Skipped(err); err != nil && !skipped {
			return c.Name, err
		}
	}
	return "", nil
}

// build builds the program with the mistake in it; the sources stay as they are. An
// exercise's program is its solution, which is an overlay too.
func (m mistake) build(t *testing.T, program string) {
	t.Helper()
	dir, overlay := m.in, struct{ Replace map[string]string }{map[string]string{}}
	if _, err := echotest.FindRung(m.in); err != nil {
		dir = "docs/exercises/" + m.in
		text, err := os.ReadFile("docs/exercises/solutions/overlay.json")
		if err == nil {
			err = json.Unmarshal(text, &overlay)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	planted := map[string]bool{}
	for _, e := range m.edits {
		path := filepath.Join(dir, e.file)
		if !planted[path] {
			from := path
			if overlay.Replace[path] != "" {
				from = overlay.Replace[path]
			}
			planted[path], overlay.Replace[path] = true, filepath.Join(t.TempDir(), filepath.Base(path))
			copyFile(t, from, overlay.Replace[path])
		}
		e.make(t, overlay.Replace[path])
	}
	text, _ := json.Marshal(overlay) // only strings
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", list, "-o", program, "./"+dir).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// make makes the edit in the file at path.
func (e edit) make(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), e.old); n != 1 {
		t.Fatalf("%s has %d places, not one, with\n%s", e.file, n, e.old)
	}
	changed := strings.Replace(string(text), e.old, e.new, 1)
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}
