package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/cli"
)

// A question is one line taken away, and the promises to choose from.
type question struct {
	m       *mutant
	context string   // the code around it
	choices []string // names of checks, one of which fails
	right   int      // which of them
	fails   []string // all that fail
	came    string   // what the right one's test printed
	words   map[string]promise
}

const (
	choices   = 4
	mostFails = 3 // of the checks: a line that breaks everything makes no question
)

// ask asks as many questions as -n says, or one.
func (s *session) ask(ctx context.Context) error {
	source, b, err := s.subject(ctx)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(s.seed, 0))
	lines := slices.DeleteFunc(source.mutants("subject"), func(m *mutant) bool {
		return m.kind != deleted || strings.Contains(m.edit.text, "\n") || !s.only.MatchString(m.String())
	})
	random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	asked, tried := 0, 0
	for _, m := range lines {
		if asked == max(1, s.n) {
			return nil
		}
		tried++
		fmt.Fprintf(s.log, "line %d of %d, %d of %d questions\n", tried, len(lines), asked, max(1, s.n))
		q, err := s.try(ctx, b, m)
		if err != nil {
			return err
		}
		if q == nil {
			continue
		}
		asked++
		q.context = around(source, m)
		q.choose(b, random)
		if err := s.put(asked, q); err != nil {
			return err
		}
	}
	if asked < max(1, s.n) {
		return fmt.Errorf("only %d questions: no other line breaks between one promise and %d", asked, mostFails)
	}
	return nil
}

// subject is the code that is asked about, and its tests. An exercise in progress
// has no tests of its own; it gets those of its solution.
func (s *session) subject(ctx context.Context) (*source, *bench, error) {
	root, folder := s.court.root, ""
	if s.dir == "" {
		folder = s.modules[0].copies[0]
	} else {
		path, err := filepath.Abs(s.dir)
		if err != nil {
			return nil, nil, err
		}
		root, folder = filepath.Dir(path), filepath.Base(path)
	}
	source, err := readSource(root, folder)
	if err != nil {
		return nil, nil, err
	}
	b := &bench{judge: judge{folder, ""}, dir: filepath.Join(root, folder), checks: suitePromises()}
	b.binary = filepath.Join(s.court.scratch, "subject.test")
	if tests, _ := filepath.Glob(filepath.Join(b.dir, "*_test.go")); len(tests) == 0 {
		if err := b.examine(folder); err != nil {
			return nil, nil, err
		}
	}
	fmt.Fprintln(s.log, "first, the tests as they are")
	s.court.root = root
	return source, b, b.open(ctx, s.limit)
}

// examine adds the test of an exercise to its folder, as its solution has it.
func (b *bench) examine(name string) error {
	exercise, err := exercisetest.Find(name)
	if err != nil {
		return fmt.Errorf("%s has no tests, and is not an exercise: %w", b.dir, err)
	}
	b.checks = map[string]promise{}
	for _, c := range exercise.Checks {
		b.checks[c.Name] = promise{c.Promise, name, c.Alone}
	}
	text := filepath.Join(filepath.Dir(b.binary), "exercise_test.go")
	b.added = map[string]string{filepath.Join(b.dir, "exercise_test.go"): text}
	return os.WriteFile(text, []byte(exerciseTest), 0o666)
}

// exerciseTest is the test that solutions have, which are not in every copy of the
// course.
const exerciseTest = `package main

import (
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
)

func TestMain(m *testing.M) { exercisetest.Main(m, main) }

func TestExercise(t *testing.T) { exercisetest.Run(t) }
`

// try takes a line away and returns a question if that breaks one promise, or a
// few. It is nil if nothing breaks, or too much, or if what breaks breaks by chance.
func (s *session) try(ctx context.Context, b *bench, m *mutant) (*question, error) {
	dir := filepath.Join(s.court.scratch, "mutant")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s.court.copies = map[string][]string{m.module: {filepath.Base(b.dir)}}
	if s.dir == "" {
		s.court.copies[m.module] = []string{b.folder}
	}
	t := &trial{court: &s.court, m: m, dir: dir}
	if err := t.write(); err != nil {
		return nil, err
	}
	if err := t.build(ctx, b); err != nil {
		return nil, err
	}
	q := &question{m: m, words: b.checks}
	var names []string
	for _, one := range b.tests {
		names = append(names, one.name)
	}
	o, err := t.execute(ctx, b, names, func(failed []string) bool { return len(b.leaves(failed)) > mostFails })
	q.fails = b.leaves(o.failed)
	if err != nil || o.status != failed || len(q.fails) == 0 || len(q.fails) > mostFails {
		return nil, err
	}
	again, err := t.execute(ctx, b, q.fails, nil)
	if err != nil || len(b.leaves(again.failed)) != len(q.fails) {
		return nil, err
	}
	q.came = again.text
	return q, nil
}

// leaves are those of the tests that failed that are ours, without their parent.
func (b *bench) leaves(failed []string) (names []string) {
	for _, name := range failed {
		if leaf := b.leaf([]string{name}); leaf != "" {
			names = append(names, leaf)
		}
	}
	return names
}

// choose puts a promise that breaks among three that hold, of the same chapter if
// there are so many.
func (q *question) choose(b *bench, random *rand.Rand) {
	right := q.fails[0]
	var others []string
	for _, one := range b.tests {
		if !slices.Contains(q.fails, one.name) && q.words[one.name].text != q.words[right].text {
			others = append(others, one.name)
		}
	}
	random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	slices.SortStableFunc(others, func(x, y string) int { return cmp.Compare(q.distance(x), q.distance(y)) })
	q.choices = append([]string{right}, others[:min(choices-1, len(others))]...)
	random.Shuffle(len(q.choices), func(i, j int) { q.choices[i], q.choices[j] = q.choices[j], q.choices[i] })
	q.right = slices.Index(q.choices, right)
}

// distance is 0 for a check of the chapter of the right one.
func (q *question) distance(name string) int {
	if q.words[name].chapter == q.words[q.fails[0]].chapter {
		return 0
	}
	return 1
}

// around is the code around a line, which has a minus: of the same declaration,
// half a screen at most.
func around(s *source, m *mutant) string {
	f := s.files[slices.IndexFunc(s.files, func(f *sourceFile) bool { return f.name == m.base })]
	first, last := m.line-12, m.line+8
	for _, decl := range f.tree.Decls {
		from, to := s.positions.Position(decl.Pos()), s.positions.Position(decl.End())
		if from.Offset <= m.edit.from && m.edit.from < to.Offset {
			first, last = max(first, from.Line), min(last, to.Line)
		}
	}
	lines := strings.Split(string(f.text), "\n")
	var b strings.Builder
	for n := first; n <= last; n++ {
		mark := " "
		if n == m.line {
			mark = "-"
		}
		fmt.Fprintf(&b, "%s %4d  %s\n", mark, n, strings.ReplaceAll(lines[n-1], "\t", "    "))
	}
	return b.String()
}

// put prints a question, and its answer where -answers says.
func (s *session) put(number int, q *question) error {
	task := fmt.Sprintf("%d. %s, %s: the line with the minus is deleted.", number, q.m.file, q.m.function)
	fmt.Fprintf(s.out, "%s\n\n%s\nWhich promise breaks?\n\n", cli.Wrap(task, 3), q.context)
	for i, name := range q.choices {
		fmt.Fprintln(s.out, cli.Wrap(fmt.Sprintf("   %c) %s", 'a'+i, q.words[name].text), 6))
	}
	fmt.Fprintln(s.out)
	switch s.answers {
	case "":
		return nil
	case "-":
		_, err := fmt.Fprintln(s.out, q.answer(number))
		return err
	}
	file, err := os.OpenFile(s.answers, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, q.answer(number))
	return errors.Join(err, file.Close())
}

// answer is for the teacher.
func (q *question) answer(number int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d. %v\n   %c) is right: the check %s\n", number, q.m, 'a'+q.right, q.fails[0])
	if len(q.fails) > 1 {
		b.WriteString(cli.Wrap("   also broken, and as good an answer: "+strings.Join(q.fails[1:], ", "), 6) + "\n")
	}
	for line := range strings.Lines(q.came) {
		if !strings.HasPrefix(line, "===") {
			b.WriteString("   | " + strings.TrimPrefix(line, "    ")) // go test's indentation
		}
	}
	return b.String()
}
