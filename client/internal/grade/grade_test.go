package grade

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/docs/exercises/exercisetest"
)

// TestNothingForNothing: the start of each exercise and a copy of its rung get no
// points, and the solution gets all. What they pass must earn nothing.
func TestNothingForNothing(t *testing.T) {
	long(t)
	root := top(t)
	for _, e := range exercisetest.Exercises() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			c := &Class{Root: root, Unsafe: CanSandbox() != nil, models: map[string]model{}}
			c.only = own(e)
			if err := c.solution(context.Background(), e); err != nil {
				t.Error(err)
			}
			var free []string
			for _, dir := range []string{filepath.Join("docs/exercises", e.Name), e.Rung} {
				s, err := collect(filepath.Join(root, dir), e.Name, true)
				if err != nil {
					t.Fatal(err)
				}
				g, err := c.grade(context.Background(), e, taken{source: s})
				if err != nil {
					t.Fatal(err)
				}
				if g.Points != 0 || g.State != Graded && dir != e.Rung {
					t.Errorf("%s: %d points, %s %s", dir, g.Points, g.State, g.Note)
				}
				free = append(free, passed(g)...)
			}
			slices.Sort(free)
			if free = slices.Compact(free); !slices.Equal(free, notEarned[e.Name]) {
				t.Errorf("the start or the rung passes %q, and notEarned has %q", free, notEarned[e.Name])
			}
		})
	}
}

// own lists an exercise's own checks.
func own(e exercisetest.Exercise) (names []string) {
	for _, c := range e.Checks {
		if c.Own {
			names = append(names, c.Name)
		}
	}
	return names
}

func passed(g *Grade) (names []string) {
	for _, r := range g.Results {
		if r.Outcome == report.Passed {
			names = append(names, r.Check)
		}
	}
	return names
}

// TestNotEarned: what is listed is there.
func TestNotEarned(t *testing.T) {
	for name, checks := range notEarned {
		e, err := exercisetest.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range checks {
			if !slices.Contains(own(e), check) {
				t.Errorf("%s has no check %s of its own", name, check)
			}
		}
	}
}

func TestTally(t *testing.T) {
	result := func(name string, own, earns bool, o report.Outcome) report.Result {
		return report.Result{Check: name, Own: own, Earns: earns, Outcome: o}
	}
	for want, g := range map[int]*Grade{
		2: {Results: []report.Result{result("a", true, true, report.Passed), result("b", true, true, report.Passed), result("c", false, false, report.Passed)}},
		1: {Results: []report.Result{result("a", true, true, report.Passed), result("b", true, true, report.Passed), result("c", false, false, report.Failed)}},
		0: {Results: []report.Result{result("a", true, true, report.Failed), result("b", true, false, report.Failed), result("c", false, false, report.NotRun)}},
	} {
		if g.tally(); g.Points != want {
			t.Errorf("%d points for %+v", g.Points, g.Results)
		}
	}
}

// TestCollect: three places, and nothing but regular files.
func TestCollect(t *testing.T) {
	for _, place := range []string{"docs/exercises/04-spin", "04-spin", "."} {
		dir := t.TempDir()
		folder := filepath.Join(dir, place)
		for _, name := range []string{"main.go", "eventloop/loop.go", "notes.txt", "go.mod", "x.s", "a_test.go", "_b.go"} {
			write(t, filepath.Join(folder, name), "package main\n")
		}
		os.Symlink("main.go", filepath.Join(folder, "link.go"))
		s, err := collect(dir, "04-spin", true)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.names(); !slices.Equal(got, []string{"eventloop/loop.go", "main.go", "notes.txt"}) || len(s.left) != 5 {
			t.Errorf("%s: taken %q, and left %q", place, got, s.left)
		}
		if _, err := collect(dir, "04-status", false); err != errMissing {
			t.Errorf("%s: another exercise: %v", place, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, dirs := range [][]string{{"a/x", "b/x"}, {"a b"}, {"-x"}, {"x\x1b[2J"}} {
		if list, err := names(dirs); err == nil {
			t.Errorf("%q are called %q", dirs, list)
		}
	}
}

// grades has one of each kind, with what a hostile program may have printed.
func grades() []*Grade {
	results := []report.Result{
		{Check: "status-lines", Promise: "a <line> & more", Own: true, Earns: true, Outcome: report.Passed, Seconds: 1.25},
		{Check: "listener-beyond-fd-setsize", Promise: "p", Outcome: report.Failed, Why: "came \"]]>\"\nnothing", Seconds: 1234.5},
		{Check: "narration", Promise: "p", Outcome: report.NotRun, Why: "there are no points to lose"},
	}
	list := []*Grade{
		{Submission: "ada", Exercise: "04-status", State: Graded, Points: 11, Of: 12, Results: results},
		{Submission: strings.Repeat("long", 20), Exercise: "04-status", State: NotBuilt, Note: "# example\n" + strings.Repeat("main.go:1: wrong ", 20), Of: 12},
		{Submission: "bob", Exercise: "04-status", State: Missing, Of: 12},
	}
	list[0].tally()
	return list
}

func TestTableWidth(t *testing.T) {
	for _, all := range []bool{false, true} {
		var out strings.Builder
		table := Table{Out: &out, All: all, Name: 80}
		for _, g := range grades() {
			table.Add(g)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(line); n > 81 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		if strings.Count(out.String(), "\n") != 4 || !strings.Contains(out.String(), "missing") {
			t.Errorf("%s", &out)
		}
	}
}

// TestGradescope wants the fields that are documented, and their types.
func TestGradescope(t *testing.T) {
	var out strings.Builder
	if err := Gradescope(&out, grades()[:1]); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Score         *float64 `json:"score"`
		ExecutionTime int      `json:"execution_time"`
		Output        string   `json:"output"`
		OutputFormat  string   `json:"output_format"`
		Visibility    string   `json:"visibility"`
		Tests         []struct {
			Score        *float64 `json:"score"`
			MaxScore     *float64 `json:"max_score"`
			Status       string   `json:"status"`
			Name         string   `json:"name"`
			NameFormat   string   `json:"name_format"`
			Number       string   `json:"number"`
			Output       string   `json:"output"`
			OutputFormat string   `json:"output_format"`
			Visibility   string   `json:"visibility"`
		} `json:"tests"`
	}
	d := json.NewDecoder(strings.NewReader(out.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Score == nil || len(got.Tests) != 3 || got.Tests[0].Status != "passed" || *got.Tests[0].MaxScore != 1 || got.Tests[1].Status != "failed" || got.Tests[1].Score != nil {
		t.Errorf("%s", &out)
	}
}

// TestCSV: a line for each.
func TestCSV(t *testing.T) {
	var out strings.Builder
	if err := CSV(&out, grades()); err != nil || strings.Count(out.String(), "\n") != 4 || !strings.Contains(out.String(), "ada,04-status,graded,1,1,0,12,listener-beyond-fd-setsize,") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestKeep: what is finished is not done again, unless a file or the checks changed.
func TestKeep(t *testing.T) {
	k := keep{t.TempDir()}
	s := &source{files: map[string][]byte{"main.go": []byte("package main")}}
	key := s.key("checks", "04-status")
	if _, found := k.find(key); found {
		t.Error("found before it was kept")
	}
	if err := k.add(&Grade{Key: key, Points: 3, State: Graded}); err != nil {
		t.Fatal(err)
	}
	if g, found := k.find(key); !found || g.Points != 3 {
		t.Errorf("%+v, %v", g, found)
	}
	other := &source{files: map[string][]byte{"main.go": []byte("package main\n")}}
	for _, changed := range []string{s.key("other checks", "04-status"), s.key("checks", "04-spin"), other.key("checks", "04-status")} {
		if changed == key {
			t.Error("something else has the same key")
		}
	}
}

// TestInterrupted: a class that was interrupted goes on where it was.
func TestInterrupted(t *testing.T) {
	root := top(t)
	e, err := exercisetest.Find("01-threads")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ada/main.go"), "package nonsense\n")
	write(t, filepath.Join(dir, "bob/01-threads/main.go"), "package main\n")
	c := &Class{Root: root, Exercises: []exercisetest.Exercise{e}, Keep: t.TempDir(), Unsafe: true,
		Dirs: []string{filepath.Join(dir, "ada"), filepath.Join(dir, "bob")}}
	if c.print, err = fingerprint(root, false); err != nil {
		t.Fatal(err)
	}
	s, err := solved(root, e.Name)
	if err != nil {
		t.Fatal(err)
	}
	known := &Grade{State: Graded, Points: 2, Key: s.key(c.print, e.Name)}
	if err := (keep{c.Keep}).add(known); err != nil {
		t.Fatal(err)
	}
	for want := 1; want < 3; want++ {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var seen []string
		err := c.Run(ctx, func(g *Grade) {
			seen = append(seen, g.Submission+" "+string(g.State))
			if want == 1 {
				cancel()
			}
		})
		if len(seen) != want || seen[0] != "ada not built" || (want == 1) != (err != nil) {
			t.Errorf("%q, %v", seen, err)
		}
		kept, _ := filepath.Glob(c.Keep + "/results/*.json")
		if len(kept) != want+1 {
			t.Errorf("%d results are kept", len(kept))
		}
	}
}

// TestSandbox: where there can be one, it can be entered.
func TestSandbox(t *testing.T) {
	if err := CanSandbox(); err != nil {
		t.Skip(err)
	}
}

// TestJUnit holds a report against what junit-10.xsd allows.
func TestJUnit(t *testing.T) {
	var out strings.Builder
	if err := report.JUnit(&out, "ada", Suites(grades())); err != nil {
		t.Fatal(err)
	}
	wantSchema(t, out.String())
}

// An element is what junit-10.xsd says of one: its attributes, those of them that have
// to be there, and what may stand in it.
type element struct{ attributes, required, children []string }

var words = strings.Fields

var note = element{attributes: words("type message")}

var schema = map[string]element{
	"testsuites": {words("name time tests failures errors"), nil, words("testsuite")},
	"testsuite": {words("name tests failures errors group time skipped timestamp hostname id package file log url"),
		words("name tests failures errors"), words("testsuite properties testcase system-out system-err")},
	"testcase": {words("name time classname group"), words("name"),
		words("skipped error failure rerunFailure rerunError flakyFailure flakyError system-out system-err")},
	"failure": note, "error": note, "skipped": note,
}

// surefireTime is the pattern of SUREFIRE_TIME.
var surefireTime = regexp.MustCompile(`^(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?$`)

func wantSchema(t *testing.T, text string) {
	t.Helper()
	d, open := xml.NewDecoder(strings.NewReader(text)), []string{}
	for {
		token, err := d.Token()
		if token == nil {
			if len(open) > 0 || err.Error() != "EOF" {
				t.Errorf("it ends in %q: %v\n%s", open, err, text)
			}
			return
		}
		switch e := token.(type) {
		case xml.StartElement:
			if len(open) > 0 && !slices.Contains(schema[open[len(open)-1]].children, e.Name.Local) || len(open) == 0 && e.Name.Local != "testsuites" {
				t.Errorf("<%s> in %q", e.Name.Local, open)
			}
			wantAttributes(t, e)
			open = append(open, e.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

func wantAttributes(t *testing.T, e xml.StartElement) {
	t.Helper()
	missing := slices.Clone(schema[e.Name.Local].required)
	for _, a := range e.Attr {
		if !slices.Contains(schema[e.Name.Local].attributes, a.Name.Local) {
			t.Errorf("<%s %s>", e.Name.Local, a.Name.Local)
		}
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == a.Name.Local })
		if a.Name.Local == "time" && !surefireTime.MatchString(a.Value) {
			t.Errorf("time %q", a.Value)
		}
		if n, err := strconv.Atoi(a.Value); slices.Contains(words("tests failures errors skipped"), a.Name.Local) && (err != nil || n < 0) {
			t.Errorf("%s %q", a.Name.Local, a.Value)
		}
	}
	if len(missing) > 0 {
		t.Errorf("<%s> has no %q", e.Name.Local, missing)
	}
}
