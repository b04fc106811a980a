package grade

import (
	"slices"
	"strings"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
)

// A State says how far the grading of a submission came.
type State string

const (
	Graded   State = "graded"
	Missing  State = "missing"   // no such exercise in the submission
	Refused  State = "refused"   // files that are not compiled
	NotBuilt State = "not built" // they do not compile
	Stopped  State = "stopped"   // the time was over
)

// A Grade is the result of one exercise of one submission.
type Grade struct {
	Submission string          `json:"submission"`
	Exercise   string          `json:"exercise"`
	State      State           `json:"state"`
	Note       string          `json:"note,omitempty"`
	LeftOut    []string        `json:"left_out,omitempty"` // files of the folder that were not taken
	Passed     int             `json:"passed"`
	Failed     int             `json:"failed"`
	Points     int             `json:"points"`
	Of         int             `json:"of"`
	First      string          `json:"first_cross,omitempty"`
	Seconds    float64         `json:"seconds"`
	Unsafe     bool            `json:"unsafe,omitempty"` // without a sandbox
	Key        string          `json:"key"`
	Results    []report.Result `json:"results"`
}

// notEarned are the checks of an exercise that its start or its rung passes, too. They
// have to be passed, but earn nothing. A test holds every exercise against the list.
var notEarned = map[string][]string{
	"01-threads":  {"nothing-shared"}, // one after the other
	"02-naps":     {"serves"},
	"03-poll":     {"sends-the-rest", "serves"},
	"04-lineecho": {"idle-costs-nothing", "on-the-loop", "stops"},
	"04-edge":     {"burst", "gone-is-gone", "many-waiting", "room-again"}, // events that come again and again lose none
	"04-spin":     {"sleeps-at-0"},
}

// earns reports whether a check of an exercise is worth a point.
func earns(e exercisetest.Exercise, c echotest.Check) bool {
	return c.Own && !slices.Contains(notEarned[e.Name], c.Name)
}

// tally counts the results: a point for each check that earns one and was passed, and
// one less for each check without a point that failed, of the rung or of the exercise.
func (g *Grade) tally() {
	lost := 0
	g.Passed, g.Failed, g.Points, g.First = 0, 0, 0, ""
	for _, r := range g.Results {
		switch r.Outcome {
		case report.Passed:
			g.Passed++
			if r.Earns {
				g.Points++
			}
		case report.Failed:
			g.Failed++
			if !r.Earns {
				lost++
			}
			if g.First == "" {
				g.First = r.Check
			}
		}
	}
	g.Points = max(0, g.Points-lost)
}

// unwritten reports whether a check failed because the start is as it was.
func unwritten(why string) bool { return strings.Contains(why, exercisetest.NotImplemented) }
