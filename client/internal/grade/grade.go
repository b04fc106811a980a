// Package grade runs the checks of the exercises on the submissions of a class. The
// checks are the teacher's; of a submission only Go and text files of the exercise's
// folder are taken. See docs/grading.md for what that stops and what it does not.
package grade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/docs/exercises/exercisetest"
)

// A Class is what is to be graded, and how.
type Class struct {
	Root      string                  // the teacher's tree
	Exercises []exercisetest.Exercise // one, or all
	Dirs      []string                // the submissions
	Unsafe    bool                    // without a sandbox
	Keep      string                  // the folder in which finished results are kept; empty: none
	Progress  io.Writer               // what is being done

	print  string // of the checker, see fingerprint
	keep   keep
	models map[string]model
	only   []string      // checks: for tests
	atMost time.Duration // for one submission: for tests
	memory int64         // the same
}

// CannotStop names what is not stopped without a sandbox: part (b) of the table in
// docs/grading.md.
const CannotStop = `Without a sandbox a submission can signal or stop its checker, forge
results, leave processes behind, use up memory, processes and disk, use
the network, and read and run what you can, the solutions too: see
docs/grading.md.`

// A model is what the solution of an exercise shows: what can be earned here, and how
// long it takes.
type model struct {
	of    int
	took  time.Duration
	skips []string // checks that cannot be made here
}

// limit is how long a submission of an exercise may take.
func (c *Class) limit(exercise string) time.Duration {
	if c.atMost > 0 {
		return c.atMost
	}
	return 3*time.Minute + 3*c.models[exercise].took
}

// FindRoot returns the top of the project, which the folder dir is in.
func FindRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "docs", "exercises", "exercisetest")); err == nil {
			if _, err := os.Stat(filepath.Join(at, "docs", "exercises", "solutions")); err != nil {
				return "", errors.New("there are no solutions here, so there is nothing to measure a submission by")
			}
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New("run this inside the project")
		}
	}
}

// names returns the name of each submission, which is its folder's.
func names(dirs []string) ([]string, error) {
	seen := map[string]string{}
	var list []string
	for _, dir := range dirs {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		name := filepath.Base(absolute)
		if !plainName.MatchString(name) {
			return nil, fmt.Errorf("a folder called %q: use letters, digits and ._-", name)
		}
		if other, twice := seen[name]; twice {
			return nil, fmt.Errorf("both %s and %s are called %s", other, dir, name)
		}
		seen[name] = dir
		list = append(list, name)
	}
	return list, nil
}

// Run grades every exercise of every submission, in that order, and hands each grade
// to tell.
func (c *Class) Run(ctx context.Context, tell func(*Grade)) error {
	list, err := names(c.Dirs)
	if err != nil {
		return err
	}
	if c.print, err = fingerprint(c.Root, !c.Unsafe); err != nil {
		return err
	}
	c.keep, c.models = keep{c.Keep}, map[string]model{}
	sources, err := c.collect()
	if err != nil {
		return err
	}
	if err := c.solutions(ctx, sources); err != nil {
		return err
	}
	for i, name := range list {
		for _, e := range c.Exercises {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			g, err := c.grade(ctx, e, sources[i][e.Name])
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, e.Name, err)
			}
			g.Submission = name
			tell(g)
		}
	}
	return nil
}

// A taken is what was found of an exercise in a submission.
type taken struct {
	source *source
	err    error
}

// collect takes the files of all submissions.
func (c *Class) collect() ([]map[string]taken, error) {
	var list []map[string]taken
	for _, dir := range c.Dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%s is not a folder", dir)
		}
		of := map[string]taken{}
		for _, e := range c.Exercises {
			s, err := collect(dir, e.Name, len(c.Exercises) == 1)
			var refused refusal
			if err != nil && !errors.Is(err, errMissing) && !errors.As(err, &refused) {
				err = refusal(err.Error())
			}
			of[e.Name] = taken{s, err}
		}
		list = append(list, of)
	}
	return list, nil
}

// solutions grades the solution of each exercise that somebody has handed in, and says
// how long the class will take.
func (c *Class) solutions(ctx context.Context, sources []map[string]taken) error {
	var about, most time.Duration
	count := 0
	for _, e := range c.Exercises {
		n := 0
		for _, of := range sources {
			if of[e.Name].err == nil {
				n++
			}
		}
		if n == 0 {
			continue
		}
		if err := c.solution(ctx, e); err != nil {
			return err
		}
		count += n
		about += time.Duration(n) * c.models[e.Name].took
		most += time.Duration(n) * (c.limit(e.Name) + buildTime)
	}
	if count > 0 && c.Progress != nil {
		fmt.Fprintf(c.Progress, "%d to grade: about %s, at most %s\n", count, minutes(about), minutes(most))
	}
	return ctx.Err()
}

// minutes rounds up.
func minutes(d time.Duration) string {
	return fmt.Sprintf("%d min", int((d+time.Minute-1)/time.Minute))
}

// solution grades the solution of an exercise: it has to have all that can be earned
// on this machine.
func (c *Class) solution(ctx context.Context, e exercisetest.Exercise) error {
	s, err := solved(c.Root, e.Name)
	if err != nil {
		return err
	}
	if c.Progress != nil {
		fmt.Fprintf(c.Progress, "%s: first the solution\n", e.Name)
	}
	g, err := c.examine(ctx, e, s, true)
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if g.State != Graded || g.Failed > 0 {
		return fmt.Errorf("%s: the solution itself is not without a fault here, so nobody's marks would be fair: %s %s\n%s",
			e.Name, g.State, g.First, firstWhy(g))
	}
	m := model{of: g.Points, took: time.Duration(g.Seconds * float64(time.Second))}
	for _, r := range g.Results {
		if r.Outcome == report.Skipped {
			m.skips = append(m.skips, r.Check)
		}
	}
	c.models[e.Name] = m
	return nil
}

func firstWhy(g *Grade) string {
	for _, r := range g.Results {
		if r.Outcome == report.Failed {
			return r.Why
		}
	}
	return g.Note
}

// solved returns the files of the solution of an exercise, with those of the start
// that it leaves as they are.
func solved(root, exercise string) (*source, error) {
	start, err := collect(filepath.Join(root, "docs", "exercises"), exercise, false)
	if err != nil {
		return nil, err
	}
	solution, err := collect(filepath.Join(root, "docs", "exercises", "solutions"), exercise, false)
	if err != nil {
		return nil, fmt.Errorf("the solution of %s: %w", exercise, err)
	}
	maps.Copy(start.files, solution.files)
	return start, nil
}

// grade grades one exercise of one submission.
func (c *Class) grade(ctx context.Context, e exercisetest.Exercise, t taken) (*Grade, error) {
	if t.err == nil {
		g, err := c.examine(ctx, e, t.source, false)
		if err == nil {
			g.Of = c.of(e) // the solution's own, which is kept too, knew no better
		}
		return g, err
	}
	g := &Grade{Exercise: e.Name, State: Refused, Note: t.err.Error(), Of: c.of(e)}
	if errors.Is(t.err, errMissing) {
		g.State, g.Note = Missing, ""
	}
	return g, nil
}

// of is what can be earned.
func (c *Class) of(e exercisetest.Exercise) int {
	if m, known := c.models[e.Name]; known {
		return m.of
	}
	n := 0
	for _, check := range e.Checks {
		if earns(e, check) {
			n++
		}
	}
	return n
}

// examine compiles a submission and makes the checks, unless that was done before.
func (c *Class) examine(ctx context.Context, e exercisetest.Exercise, s *source, solution bool) (*Grade, error) {
	key := s.key(c.print, e.Name)
	if g, found := c.keep.find(key); found {
		return g, nil
	}
	g := &Grade{Exercise: e.Name, State: Graded, LeftOut: s.left, Of: c.of(e), Unsafe: c.Unsafe, Key: key}
	program, remove, err := s.build(c.Root, e.Name)
	if err == nil {
		defer remove()
	}
	if ctx.Err() != nil { // which ends the compiler, too
		return nil, ctx.Err()
	}
	var failed buildFailure
	if errors.As(err, &failed) {
		g.State, g.Note = NotBuilt, failed.Error()
		return g, c.keep.add(g)
	}
	if err != nil {
		return nil, err
	}
	if err := c.checks(ctx, e, g, program, solution); err != nil || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	if solution && (g.Failed > 0 || g.State != Graded) {
		return g, nil // it is to be tried again
	}
	return g, c.keep.add(g)
}

// checks makes the checks of a program that was built.
func (c *Class) checks(ctx context.Context, e exercisetest.Exercise, g *Grade, program string, solution bool) error {
	limit := c.limit(e.Name)
	if solution {
		limit = 30 * time.Minute // it ends by itself
	}
	began := time.Now()
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	j := job{Exercise: e.Name, Sandbox: !c.Unsafe, Only: c.only, Memory: cmp.Or(c.memory, mostMemory), Skips: c.models[e.Name].skips, Solution: solution}
	finished, err := ask(timed, j, program, func(r report.Result) { g.Results = append(g.Results, r) })
	if err != nil || ctx.Err() != nil {
		return err
	}
	if !finished {
		g.State, g.Note = Stopped, fmt.Sprintf("stopped after %v", limit.Round(time.Second))
		g.Results = append(g.Results, unfinished(e, g.Results)...)
	}
	g.tally()
	g.Seconds = time.Since(began).Round(100 * time.Millisecond).Seconds()
	return nil
}

// unfinished are the checks that there was no time for: they have failed.
func unfinished(e exercisetest.Exercise, made []report.Result) (list []report.Result) {
	for _, c := range inOrder(e) {
		if !slices.ContainsFunc(made, func(r report.Result) bool { return r.Check == c.Name }) {
			r := report.Judge(c, errors.New("the time was over"), 0)
			r.Earns = earns(e, c)
			list = append(list, r)
		}
	}
	return list
}
