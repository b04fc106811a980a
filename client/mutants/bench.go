package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// A bench has the tests of one judge, compiled without a mutant, and what is
// known about them.
type bench struct {
	judge
	dir     string             // the package's folder
	added   map[string]string  // files that the package has for its tests alone, by their path: where the text is
	binary  string             // without a mutant
	parent  string             // TestEcho or TestExercise, if the tests are its subtests
	checks  map[string]promise // those, by name
	tests   []test             // in the order of a run
	sources string             // a hash of all sources that the tests are made of
	limit   time.Duration
}

// A test is one test of a bench, or one check of the suite.
type test struct {
	name     string // without the parent's
	seconds  float64
	measures bool // time or memory, so that a failure must happen again
}

// A promise is what a check proves.
type promise struct {
	text, chapter string
	measures      bool
}

// newBench builds the tests of a judge and runs them without a mutant: they pass.
func newBench(ctx context.Context, root, scratch string, j judge, limit time.Duration) (*bench, error) {
	b := &bench{judge: j, dir: filepath.Join(root, j.folder), checks: suitePromises()}
	b.binary = filepath.Join(scratch, strings.ReplaceAll(j.folder, "/", "-")+".test")
	if err := b.hash(); err != nil {
		return nil, err
	}
	return b, b.open(ctx, limit)
}

// open builds the tests, runs them, and learns what there is to know about them.
func (b *bench) open(ctx context.Context, limit time.Duration) error {
	overlay, err := b.overlay(b.binary+".json", nil)
	if err != nil {
		return err
	}
	if complaint, err := build(ctx, b.dir, b.binary, overlay); err != nil {
		return fmt.Errorf("%s: %w\n%s", b.folder, err, complaint)
	}
	temp := b.binary + ".tmp"
	out, err := b.execute(ctx, trialRun{binary: b.binary, temp: temp, limit: 10 * time.Minute, pattern: cmp.Or(b.run, ".")})
	if err != nil {
		return err
	}
	if out.status != passed {
		return fmt.Errorf("%s: the tests do not pass without a mutant:\n%s", b.folder, out.text)
	}
	b.learn(out.text)
	sum := 0.0
	for _, t := range b.tests {
		sum += t.seconds
	}
	b.limit = limit + time.Duration(3*sum*float64(time.Second))
	return nil
}

// build compiles the tests of the package in dir.
func build(ctx context.Context, dir, binary, overlay string) (complaint string, err error) {
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, ".")...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// hash sums up the sources that the tests are made of, but for the library's.
func (b *bench) hash() error {
	all, err := list(b.dir, "-deps", "-test")
	if err != nil {
		return err
	}
	h := sha256.New()
	for _, p := range all {
		if p.Standard || strings.HasSuffix(p.ImportPath, ".test") {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			text, err := os.ReadFile(filepath.Join(p.Dir, filepath.Base(name)))
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%s %s %d\n%s", p.ImportPath, name, len(text), text)
		}
	}
	b.sources = fmt.Sprintf("%x %s", h.Sum(nil), b.run)
	return nil
}

var result = regexp.MustCompile(`^ *--- (PASS|FAIL): (\S+) \(([0-9.]+)s\)`)

// learn notes which tests there are, and how long they take.
func (b *bench) learn(output string) {
	var top, checks []test
	for line := range strings.Lines(output) {
		m := result.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		seconds, _ := strconv.ParseFloat(m[3], 64) // the pattern has digits
		parent, name, isSub := strings.Cut(m[2], "/")
		if !isSub {
			top = append(top, test{m[2], seconds, true})
		} else if parent == "TestEcho" || parent == "TestExercise" {
			b.parent = parent
			c, known := b.checks[name]
			checks = append(checks, test{name, seconds, !known || c.measures})
		}
	}
	if b.tests = top; len(checks) > 0 {
		b.tests = checks
	}
}

// suitePromises are the checks of the suite, of all servers, by name.
func suitePromises() map[string]promise {
	all := map[string]promise{}
	for i := range 16 {
		p := echotest.Promises{Concurrent: i&1 != 0, Sleeps: i&2 != 0, FDSet: i&4 != 0, Framed: i&8 != 0}
		for _, c := range echotest.Checks(p) {
			all[c.Name] = promise{c.Promise, c.Chapter, c.Alone}
		}
	}
	return all
}

// A status is how a run of tests, or a mutant, ended.
type status string

const (
	passed     status = "passed"
	failed     status = "failed"
	timedOut   status = "timed out"
	caught     status = "caught"
	survived   status = "survived"
	equivalent status = "equivalent"
)

// An outcome is what a run of tests came to.
type outcome struct {
	status status
	failed []string // names, in the order in which they failed
	hung   []string // names of those that ran when the time was over
	text   string   // what they printed
}

// A trialRun is how a test binary is run.
type trialRun struct {
	binary  string
	temp    string // a folder for its temporary files
	overlay string // for the programs that tests build
	limit   time.Duration
	pattern string                     // of the tests to run
	stop    func(failed []string) bool // says when those that failed are enough; nil: never
}

// execute runs a test binary until it ends or enough has failed. Whatever it has
// started is killed afterwards.
func (b *bench) execute(ctx context.Context, r trialRun) (o outcome, err error) {
	if err := os.MkdirAll(r.temp, 0o777); err != nil {
		return o, err
	}
	defer os.RemoveAll(r.temp)
	p, err := r.command(b.dir).Start()
	if err != nil {
		return o, err
	}
	defer p.Kill()
	defer context.AfterFunc(ctx, p.Kill)()
	seen := 0
	enough := p.Stdout.WaitAll(r.limit+grace, func(lines []string) bool {
		for _, line := range lines[seen:] {
			o.read(line)
		}
		seen = len(lines)
		return r.stop != nil && r.stop(o.failed)
	})
	if !enough {
		code, err := p.Wait(grace)
		o.end(code, err)
	}
	o.text = p.Stdout.Text()
	return o, ctx.Err()
}

// grace is what a test binary gets that does not obey its own limit.
const grace = 10 * time.Second

// command is a process group of its own. Its memory has a limit: a mutant may
// collect bytes until there are no more.
func (r trialRun) command(dir string) proc.Command {
	c := proc.Command{Dir: dir, Together: true, Group: true, Env: []string{"TMPDIR=" + r.temp}}
	c.Args = []string{"sh", "-c", `ulimit -v 8388608; exec "$0" "$@"`, r.binary,
		"-test.v", "-test.timeout", r.limit.String(), "-test.run", r.pattern}
	if r.overlay != "" {
		c.Env = append(c.Env, "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+r.overlay))
	}
	return c
}

// read takes one line of what tests print.
func (o *outcome) read(line string) {
	switch m := result.FindStringSubmatch(line); {
	case m != nil && m[1] == "FAIL":
		o.failed, o.status = append(o.failed, m[2]), failed
	case strings.HasPrefix(line, "panic: test timed out after"):
		o.status = timedOut
	case o.status == timedOut && strings.HasPrefix(line, "\t\t"): // a test that was running
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		o.hung = append(o.hung, name)
	}
}

// end says how a run ended that nobody stopped: with an exit code, or not at all.
func (o *outcome) end(code int, err error) {
	switch {
	case o.status == timedOut || err != nil:
		o.status = timedOut
	case code == 0:
		o.status = passed
	default:
		o.status = failed
	}
}

// pattern is what -test.run takes for some of the tests.
func (b *bench) pattern(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	some := "^(" + strings.Join(quoted, "|") + ")$"
	if b.parent != "" {
		return "^" + b.parent + "$/" + some
	}
	return some
}

// overlay writes a file that tells go to read other texts in place of the files
// that replace names; "" if there is nothing to tell.
func (b *bench) overlay(path string, replace map[string]string) (string, error) {
	if len(replace)+len(b.added) == 0 {
		return "", nil
	}
	both := map[string]string{}
	maps.Copy(both, b.added)
	maps.Copy(both, replace)
	out, err := json.Marshal(map[string]any{"Replace": both})
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, out, 0o666)
}
