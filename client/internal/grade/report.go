package grade

import (
	"encoding/csv"
	"example/tcpladder/client/internal/report"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table writes one line for each grade, of at most 80 columns.
type Table struct {
	Out  io.Writer
	All  bool // more than one exercise
	Name int  // the longest name of a submission

	begun bool
}

const columns = 80

// Add writes the line of a grade.
func (t *Table) Add(g *Grade) {
	name := min(max(t.Name, len("submission")), 24)
	exercise := 0
	if t.All {
		exercise = len("04-streaming") + 2
		name = min(name, 18)
	}
	format := fmt.Sprintf("%%-%d.%ds  %%-%d.%ds%%4s %%4s %%7s %%4s  %%s\n", name, name, exercise, max(0, exercise-1))
	if !t.begun {
		t.begun = true
		fmt.Fprintf(t.Out, format, "submission", "exercise", "pass", "fail", "points", "s", "first cross")
	}
	last := g.First
	if g.State != Graded {
		last = string(g.State)
		if g.Note != "" {
			first, _, _ := strings.Cut(g.Note, "\n")
			last += ": " + first
		}
	}
	line := fmt.Sprintf(format, g.Submission, g.Exercise, count(g, g.Passed), count(g, g.Failed),
		fmt.Sprintf("%d/%d", g.Points, g.Of), seconds(g), last)
	fmt.Fprintln(t.Out, fit(strings.TrimRight(report.Printable(line), " \n")))
}

func count(g *Grade, n int) string {
	if g.Results == nil {
		return "-"
	}
	return strconv.Itoa(n)
}

func seconds(g *Grade) string {
	if g.Results == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f", g.Seconds)
}

// fit cuts a line to the width of a terminal.
func fit(line string) string {
	if utf8.RuneCountInString(line) <= columns {
		return line
	}
	return string([]rune(line)[:columns-3]) + "..."
}

// CSV writes one line for each grade.
func CSV(w io.Writer, grades []*Grade) error {
	out := csv.NewWriter(w)
	out.Write([]string{"submission", "exercise", "state", "passed", "failed", "points", "of", "first_cross", "seconds"})
	for _, g := range grades {
		out.Write([]string{g.Submission, g.Exercise, string(g.State), strconv.Itoa(g.Passed), strconv.Itoa(g.Failed),
			strconv.Itoa(g.Points), strconv.Itoa(g.Of), g.First, fmt.Sprintf("%.1f", g.Seconds)})
	}
	out.Flush()
	return out.Error()
}

// Suites makes a suite of each grade.
func Suites(grades []*Grade) (list []report.Suite) {
	for _, g := range grades {
		s := report.Suite{Name: g.Exercise, Results: g.Results}
		if g.State != Graded && g.State != Stopped {
			s.Error = strings.TrimSuffix(string(g.State)+": "+g.Note, ": ")
		}
		list = append(list, s)
	}
	return list
}

// The fields of Gradescope's results.json that are used here, see
// https://gradescope-autograders.readthedocs.io/en/latest/specs/.
type (
	gradescope struct {
		Score         int              `json:"score"`
		ExecutionTime int              `json:"execution_time"`
		Output        string           `json:"output,omitempty"`
		OutputFormat  string           `json:"output_format"`
		Visibility    string           `json:"visibility"`
		Tests         []gradescopeTest `json:"tests"`
	}
	gradescopeTest struct {
		Score        *int   `json:"score,omitempty"`
		MaxScore     *int   `json:"max_score,omitempty"`
		Status       string `json:"status,omitempty"`
		Name         string `json:"name"`
		NameFormat   string `json:"name_format"`
		Number       string `json:"number"`
		Output       string `json:"output,omitempty"`
		OutputFormat string `json:"output_format"`
		Visibility   string `json:"visibility"`
	}
)

// Gradescope writes the grades of one submission. The score at the top counts: what
// failed checks of a rung cost is not a test's.
func Gradescope(w io.Writer, grades []*Grade) error {
	all := gradescope{OutputFormat: "text", Visibility: "visible", Tests: []gradescopeTest{}}
	var seconds float64
	for i, g := range grades {
		all.Score += g.Points
		seconds += g.Seconds
		all.Output += fmt.Sprintf("%s: %d of %d points, %s\n", g.Exercise, g.Points, g.Of, g.State)
		if g.Note != "" {
			all.Output += report.Printable(g.Note) + "\n"
		}
		for k, r := range g.Results {
			all.Tests = append(all.Tests, gradescopeOf(r, g.Exercise, fmt.Sprintf("%d.%d", i+1, k+1)))
		}
	}
	all.ExecutionTime = int(seconds)
	return report.JSON(w, all)
}

func gradescopeOf(r report.Result, exercise, number string) gradescopeTest {
	t := gradescopeTest{Name: exercise + ": " + r.Promise, NameFormat: "text", Number: number,
		Output: r.Why, OutputFormat: "text", Visibility: "visible"}
	score, most := 0, 0
	if r.Earns {
		most = 1
	}
	switch r.Outcome {
	case report.Passed:
		t.Status, score = "passed", most
	case report.Failed:
		t.Status = "failed"
	}
	if r.Earns {
		t.Score, t.MaxScore = &score, &most
	}
	return t
}
