// Package attempts_test holds the checks of the exercises to what they promise: a
// wrong attempt fails the check that names its mistake, and a right one passes,
// however different it is from the solution.
//
// An attempt is a patch against a solution. Its file name says whether it is right or
// wrong, and its head which cross it is to get, with words of its cause and, if they
// matter, of what came:
//
//	A goroutine broadcasts while the loop serves the clients: they race.
//	first cross: on-the-loop
//	cause: broadcasts while the loop serves
//	came: goroutines are started at status.go:
//
// To look at one, apply it to a copy of the start with the solution's files in it:
// patch -p0 < PATCH.
package attempts_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
)

// root is the top of the project, seen from here; exercises is seen from there.
const root, exercises = "../../../..", "docs/exercises"

// maxLines bounds a patch: an attempt is to be read at a glance.
const maxLines = 40

// An attempt is one patch.
type attempt struct {
	name     string // exercise/file
	exercise exercisetest.Exercise
	right    bool
	check    string // the first cross
	cause    string // words in its cause
	came     string // and in what came
	lines    int
	diff     string
}

func attempts(t *testing.T) (list []attempt) {
	t.Helper()
	for _, e := range exercisetest.Exercises() {
		files, err := filepath.Glob(filepath.Join(e.Name, "*.patch"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			list = append(list, read(t, e, file))
		}
	}
	if list == nil {
		t.Skip("there are no attempts here")
	}
	return list
}

func read(t *testing.T, e exercisetest.Exercise, file string) attempt {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Base(file)
	a := attempt{name: e.Name + "/" + strings.TrimSuffix(base, ".patch"), exercise: e, lines: strings.Count(string(text), "\n")}
	switch kind, _, _ := strings.Cut(base, "-"); kind {
	case "right":
		a.right = true
	case "wrong":
	default:
		t.Errorf("%s: is it right-... or wrong-...?", file)
	}
	head, diff, found := strings.Cut(string(text), "--- ")
	if a.diff = "--- " + diff; !found {
		t.Errorf("%s: no diff", file)
	}
	for line := range strings.Lines(head) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "first cross: "); ok {
			a.check = name
		}
		if words, ok := strings.CutPrefix(line, "cause: "); ok {
			a.cause = words
		}
		if words, ok := strings.CutPrefix(line, "came: "); ok {
			a.came = words
		}
	}
	return a
}

// TestAttempts wants enough attempts, each of which applies and names a check.
func TestAttempts(t *testing.T) {
	right, wrong := map[string]int{}, map[string]int{}
	for _, a := range attempts(t) {
		if a.lines > maxLines {
			t.Errorf("%s: %d lines", a.name, a.lines)
		}
		if a.right {
			right[a.exercise.Name]++
		} else {
			wrong[a.exercise.Name]++
			has := func(c echotest.Check) bool { return c.Name == a.check }
			if !slices.ContainsFunc(a.exercise.Checks, has) || a.cause == "" {
				t.Errorf("%s: no such check as %q, or no cause", a.name, a.check)
			}
		}
		if _, err := a.files(); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
	}
	for _, e := range exercisetest.Exercises() {
		if right[e.Name] < 1 || wrong[e.Name] < 3 {
			t.Errorf("%s: %d right and %d wrong attempts: 1 and 3 are wanted", e.Name, right[e.Name], wrong[e.Name])
		}
	}
}

// atOnce is how many attempts are judged side by side: most of the time, they wait.
const atOnce = 3

// TestDue takes minutes. Each attempt gets its due, at the first run: a wrong one the
// cross that names its mistake, before any other, and a right one none at all.
func TestDue(t *testing.T) {
	if !echotest.LongRun() {
		t.Skip("takes minutes: set TCPLADDER_LONG=1")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command here")
	}
	if err := echotest.CanSee(); err != nil {
		t.Skip(err)
	}
	turns := make(chan bool, atOnce)
	for _, a := range attempts(t) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			turns <- true
			defer func() { <-turns }()
			start := time.Now()
			check, err := a.firstCross(t)
			t.Logf("%v", time.Since(start).Round(100*time.Millisecond))
			var f *echotest.Failure
			switch errors.As(err, &f); {
			case a.right && err != nil:
				t.Errorf("it is right, and fails %s\n%v", check, err)
			case a.right:
			case err == nil:
				t.Errorf("no cross: want %s", a.check)
			case check != a.check || !strings.Contains(f.Cause, a.cause) || !strings.Contains(f.Got, a.came):
				t.Errorf("%s; want %s, %q in the cause, and %q in what came\n%v", check, a.check, a.cause, a.came, err)
			default:
				t.Logf("%s: %s", check, f.Cause)
			}
		})
	}
}

// firstCross runs the checks in their order until one fails.
func (a attempt) firstCross(t *testing.T) (check string, err error) {
	target := a.build(t)
	for _, c := range a.exercise.Checks {
		err := c.Run(target)
		if reason, skipped := echotest.Skipped(err); skipped {
			t.Logf("%s: %s", c.Name, reason)
		} else if err != nil {
			return c.Name, err
		}
	}
	return "", nil
}

// build builds the attempt in the place of the start, which stays as it is.
func (a attempt) build(t *testing.T) *echotest.Target {
	t.Helper()
	changed, err := a.files()
	if err != nil {
		t.Fatal(err)
	}
	var overlay struct{ Replace map[string]string }
	text, err := os.ReadFile(filepath.Join(root, exercises, "solutions/overlay.json"))
	if err == nil {
		err = json.Unmarshal(text, &overlay)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for file, text := range changed {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[exercises+"/"+a.exercise.Name+"/"+file] = path
	}
	text, _ = json.Marshal(overlay) // only strings
	list, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, a.exercise.Name)
	if err := os.WriteFile(list, text, 0o644); err != nil {
		t.Fatal(err)
	}
	pkg := "./" + exercises + "/" + a.exercise.Name
	cmd := exec.Command("go", "build", "-overlay", list, "-o", program, pkg)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return echotest.Program(program, echotest.Promises{}).From(echotest.Sources{Dir: root, Package: pkg, Overlay: list})
}

// files returns the files that a patch changes, with the change made.
func (a attempt) files() (map[string]string, error) {
	changed := map[string]string{}
	for part := range strings.SplitSeq("\n"+a.diff, "\n--- ") {
		name, rest, _ := strings.Cut(part, "\n")
		if name == "" {
			continue
		}
		_, hunks, _ := strings.Cut(strings.TrimSuffix(rest, "\n")+"\n", "\n") // behind +++
		text, err := a.original(name)
		if err != nil {
			return nil, err
		}
		if changed[name], err = patched(text, hunks); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return changed, nil
}

// original returns a file of the solution, which may be that of the start.
func (a attempt) original(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join("..", a.exercise.Name, name))
	if errors.Is(err, os.ErrNotExist) {
		text, err = os.ReadFile(filepath.Join("../..", a.exercise.Name, name))
	}
	return string(text), err
}

// patched makes the changes of a unified diff, whose lines must be where it says.
func patched(text, hunks string) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	var out strings.Builder
	at := 0 // lines that have been dealt with
	for hunk := range strings.Lines(hunks) {
		var from int
		if n, _ := fmt.Sscanf(hunk, "@@ -%d", &from); n == 1 {
			if from--; from < at || from > len(lines) {
				return "", fmt.Errorf("no place for %q", hunk)
			}
			out.WriteString(strings.Join(lines[at:from], ""))
			at = from
			continue
		}
		old, now := hunk[0] != '+', hunk[0] != '-'
		if old && (at == len(lines) || lines[at] != hunk[1:]) {
			return "", fmt.Errorf("the solution has changed: line %d is not %q", at+1, hunk[1:])
		}
		if old {
			at++
		}
		if now {
			out.WriteString(hunk[1:])
		}
	}
	return out.String() + strings.Join(lines[at:], ""), nil
}
