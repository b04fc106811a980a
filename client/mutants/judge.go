package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A court judges the mutants of some modules.
type court struct {
	root, scratch string
	limit         time.Duration
	benches       map[judge]*bench
	copies        map[string][]string // by module

	mu    sync.Mutex
	last  map[string][]string // by function and judge: the tests that caught a mutant, the last one first
	hints map[string][]string // by a mutant's name: what caught it in an earlier run
}

// open prepares the benches of the modules, two at a time.
func (c *court) open(ctx context.Context, chosen []module, width int) error {
	c.benches, c.copies = map[judge]*bench{}, map[string][]string{}
	c.last = map[string][]string{}
	var all []judge
	for _, m := range chosen {
		c.copies[m.name] = m.copies
		for _, j := range m.judges {
			if !slices.Contains(all, j) {
				all = append(all, j)
			}
		}
	}
	benches, errs := make([]*bench, len(all)), make([]error, len(all))
	each(width, len(all), func(_, i int) { benches[i], errs[i] = newBench(ctx, c.root, c.scratch, all[i], c.limit) })
	for i, err := range errs {
		if err != nil {
			return err
		}
		c.benches[all[i]] = benches[i]
	}
	return nil
}

// each calls f for 0 to n-1 on so many workers, who have numbers too.
func each(workers, n int, f func(worker, i int)) {
	next := make(chan int)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := range next {
				f(worker, i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// A verdict is what became of a mutant: a line of the file for -resume.
type verdict struct {
	Key     string   `json:"key"` // of all sources that matter
	Mutant  string   `json:"mutant"`
	Module  string   `json:"module"`
	Status  status   `json:"status"`
	By      []string `json:"by,omitempty"`     // folder of the tests, and name
	Unsure  []string `json:"unsure,omitempty"` // failed, but not again
	Seconds float64  `json:"seconds"`
}

// A trial is one mutant before its judges.
type trial struct {
	*court
	m       *mutant
	dir     string            // for its files
	replace map[string]string // files, and the mutant's text in their place
	overlay string            // says so to go
	binary  string            // the tests of one judge with the mutant
	verdict verdict
	hung    bool
}

// try judges a mutant. dir is for its files and belongs to the worker.
func (c *court) try(ctx context.Context, m *mutant, judges []judge, dir string) (verdict, error) {
	t := &trial{court: c, m: m, dir: dir, verdict: verdict{Mutant: m.name(), Module: m.module, Status: survived}}
	began := time.Now()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return t.verdict, err
	}
	defer os.RemoveAll(dir)
	if err := t.write(); err != nil {
		return t.verdict, err
	}
	for i, j := range judges {
		done, err := t.before(ctx, c.benches[j], i == 0)
		if err != nil {
			return t.verdict, fmt.Errorf("%v: %w", m, err)
		}
		if done {
			break
		}
	}
	if t.verdict.Status == survived && t.hung {
		t.verdict.Status = timedOut
	}
	t.verdict.Seconds = time.Since(began).Seconds()
	return t.verdict, nil
}

// write makes the mutant's file.
func (t *trial) write() error {
	t.replace = map[string]string{}
	text := filepath.Join(t.dir, t.m.base)
	for _, folder := range t.copies[t.m.module] {
		t.replace[filepath.Join(t.root, folder, t.m.base)] = text
	}
	return os.WriteFile(text, t.m.text, 0o666)
}

// build compiles a judge's tests with the mutant.
func (t *trial) build(ctx context.Context, b *bench) (err error) {
	t.binary = filepath.Join(t.dir, "mutant.test")
	if t.overlay, err = b.overlay(filepath.Join(t.dir, "overlay.json"), t.replace); err != nil {
		return err
	}
	if complaint, err := build(ctx, b.dir, t.binary, t.overlay); err != nil {
		return fmt.Errorf("%w\n%s", err, complaint)
	}
	return nil
}

// execute runs some tests with the mutant.
func (t *trial) execute(ctx context.Context, b *bench, names []string, stop func([]string) bool) (outcome, error) {
	return b.execute(ctx, trialRun{t.binary, filepath.Join(t.dir, "tmp"), t.overlay, b.limit, b.pattern(names), stop})
}

// before puts the mutant before one judge. The first one also compares what was
// compiled: the same program is the same, whatever its text.
func (t *trial) before(ctx context.Context, b *bench, first bool) (done bool, err error) {
	if err := t.build(ctx, b); err != nil {
		return false, err
	}
	if first && sameFile(t.binary, b.binary) {
		t.verdict.Status = equivalent
		return true, nil
	}
	left := b.tests
	for _, choose := range []func(test) bool{t.caughtBefore(b), quick, all} {
		var names []string
		for _, one := range left {
			if choose(one) {
				names = append(names, one.name)
			}
		}
		left = slices.DeleteFunc(slices.Clone(left), choose)
		if done, err = t.run(ctx, b, names); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

func quick(t test) bool { return !t.measures && t.seconds < 0.2 }
func all(test) bool     { return true }

// sameFile reports whether two programs are the same.
func sameFile(a, b string) bool {
	x, errX := os.ReadFile(a)
	y, errY := os.ReadFile(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// run runs some tests until one fails, and if it needs to, fails again. Those
// that come to no end are left out, and the others tried once more.
func (t *trial) run(ctx context.Context, b *bench, names []string) (caughtIt bool, err error) {
	for len(names) > 0 {
		o, err := t.execute(ctx, b, names, b.firstFailure)
		if err != nil || o.status == passed {
			return false, err
		}
		name := b.leaf(o.failed)
		if o.status == timedOut && name == "" {
			t.hung = true
			hung := b.leaf(o.hung)
			if hung == "" {
				return false, nil
			}
			names = without(names, hung)
			continue
		}
		certain, err := t.certain(ctx, b, name)
		if err != nil {
			return false, err
		}
		if certain {
			t.caught(b, name)
			return true, nil
		}
		t.verdict.Unsure = append(t.verdict.Unsure, name)
		names = without(names, name)
	}
	return false, nil
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
}

// firstFailure says that one test that failed is enough.
func (b *bench) firstFailure(failed []string) bool { return b.leaf(failed) != "" }

// leaf is the first of these tests that is one of ours, without its parent.
func (b *bench) leaf(failed []string) string {
	for _, name := range failed {
		if b.parent != "" {
			if check, ok := strings.CutPrefix(name, b.parent+"/"); ok {
				return check
			}
		} else if !strings.Contains(name, "/") {
			return name
		}
	}
	return ""
}

// certain reports whether a test catches the mutant and nothing else. One that
// measures must fail again, alone, and pass without the mutant, alone. A test
// without a name is the end of the whole program, which is certain.
func (t *trial) certain(ctx context.Context, b *bench, name string) (bool, error) {
	i := slices.IndexFunc(b.tests, func(t test) bool { return t.name == name })
	if i < 0 || !b.tests[i].measures {
		return true, nil
	}
	with, err := t.execute(ctx, b, []string{name}, b.firstFailure)
	if err != nil || with.status != failed {
		return false, err
	}
	healthy := *t
	healthy.binary, healthy.overlay = b.binary, ""
	free, err := healthy.execute(ctx, b, []string{name}, b.firstFailure)
	return free.status == passed, err
}

// caught notes who caught the mutant.
func (t *trial) caught(b *bench, name string) {
	t.verdict.Status = caught
	t.verdict.By = []string{b.folder, name}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.place(b)
	t.last[key] = append([]string{name}, without(t.last[key], name)...)
}

// place is where mutants are alike.
func (t *trial) place(b *bench) string { return b.folder + " " + t.m.file + " " + t.m.function }

// caughtBefore chooses the tests that are tried first: what caught this mutant
// in an earlier run, and the last two that caught one in the same function.
func (t *trial) caughtBefore(b *bench) func(test) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.last[t.place(b)]
	first = slices.Clone(first[:min(2, len(first))])
	if hint := t.hints[t.m.name()]; len(hint) == 2 && hint[0] == b.folder {
		first = []string{hint[1]}
	}
	return func(one test) bool { return slices.Contains(first, one.name) }
}
