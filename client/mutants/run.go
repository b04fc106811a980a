package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// A session is one run of the command.
type session struct {
	options
	out, log io.Writer
	known    *register
	mutants  []*mutant // of the modules, those that -only leaves
	chosen   []*mutant // those to be judged
	court    court

	mu       sync.Mutex
	verdicts map[*mutant]verdict
	record   io.Writer // for -resume
	progress *progress
}

// newSession reads the known mutants of a project.
func newSession(o options, root, known string, out, log io.Writer) (*session, error) {
	s := &session{options: o, out: out, log: log, verdicts: map[*mutant]verdict{}}
	s.court.root, s.court.limit = root, o.limit
	var err error
	s.known, err = readRegister(known)
	return s, err
}

// run judges the modules, or does what is asked instead. It is clean if no survivor
// is unlisted and no entry stale.
func (s *session) run(ctx context.Context) (clean bool, err error) {
	scratch, err := os.MkdirTemp("", "tcpladder-mutants-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(scratch)
	s.court.scratch = scratch
	if s.question {
		return true, s.ask(ctx)
	}
	if err := s.make(); err != nil {
		return false, err
	}
	if s.list {
		for _, m := range s.chosen {
			fmt.Fprintln(s.out, m)
		}
		return true, nil
	}
	if err := s.judge(ctx); err != nil {
		return false, err
	}
	return s.report(), nil
}

// make makes the mutants, and chooses those to be judged.
func (s *session) make() error {
	for _, m := range s.modules {
		source, err := readSource(s.court.root, m.copies[0])
		if err != nil {
			return err
		}
		for _, mutant := range source.mutants(m.name) {
			known := s.known.find(mutant)
			if !s.only.MatchString(mutant.String()) {
				continue
			}
			s.mutants = append(s.mutants, mutant)
			if known == nil {
				s.chosen = append(s.chosen, mutant)
			}
		}
	}
	if s.n > 0 {
		s.chosen = sample(s.chosen, s.n, s.seed)
	}
	return nil
}

// sample keeps n of all, in their order.
func sample(all []*mutant, n int, seed uint64) (some []*mutant) {
	picked := rand.New(rand.NewPCG(seed, 0)).Perm(len(all))[:min(n, len(all))]
	slices.Sort(picked)
	for _, i := range picked {
		some = append(some, all[i])
	}
	return some
}

// judge has every mutant judged that has no verdict yet.
func (s *session) judge(ctx context.Context) error {
	old, err := readVerdicts(s.resume)
	if err != nil {
		return err
	}
	s.court.hints = map[string][]string{}
	for _, v := range old {
		s.court.hints[v.Mutant] = v.By
	}
	if s.survivors {
		s.chosen = slices.DeleteFunc(s.chosen, func(m *mutant) bool {
			by, judged := s.court.hints[m.name()]
			return !judged || by != nil
		})
	}
	fmt.Fprintf(s.log, "%d mutants to judge; first, the tests without a mutant\n", len(s.chosen))
	if err := s.court.open(ctx, s.needed(), s.width); err != nil {
		return err
	}
	left := s.left(old)
	if s.resume != "" {
		file, err := os.OpenFile(s.resume, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			return err
		}
		defer file.Close()
		s.record = file
	}
	return s.all(ctx, left)
}

// left are the mutants without a verdict. The verdicts of an earlier run hold for
// those whose sources are the same.
func (s *session) left(old []verdict) (left []*mutant) {
	keys := map[string]verdict{}
	for _, v := range old {
		keys[v.Key] = v
	}
	for _, m := range s.chosen {
		if v, ok := keys[s.key(m)]; ok {
			s.verdicts[m] = v
		} else {
			left = append(left, m)
		}
	}
	return left
}

// needed are the modules of the chosen mutants: a sample may need few tests.
func (s *session) needed() (some []module) {
	for _, m := range s.modules {
		if slices.ContainsFunc(s.chosen, func(one *mutant) bool { return one.module == m.name }) {
			some = append(some, m)
		}
	}
	return some
}

func (s *session) module(name string) module {
	return s.modules[slices.IndexFunc(s.modules, func(m module) bool { return m.name == name })]
}

// key stands for all sources on which a verdict depends.
func (s *session) key(m *mutant) string {
	h := sha256.New()
	for _, j := range s.module(m.module).judges {
		fmt.Fprintln(h, s.court.benches[j].sources)
	}
	fmt.Fprintf(h, "%s\n%s", m.file, m.text)
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

// all judges mutants. The first error ends it, and so does an interrupt.
func (s *session) all(ctx context.Context, left []*mutant) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.progress = newProgress(s.log, len(left))
	defer s.progress.end()
	each(s.width, len(left), func(worker, i int) {
		if ctx.Err() != nil {
			return
		}
		m := left[i]
		dir := filepath.Join(s.court.scratch, fmt.Sprint(worker))
		v, err := s.court.try(ctx, m, s.module(m.module).judges, dir)
		if err == nil {
			v.Key = s.key(m)
			err = s.keep(m, v)
		}
		if err != nil {
			cancel(err)
		}
	})
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return errors.New("interrupted")
}

// keep notes a verdict, tells of a survivor, and shows how far it is.
func (s *session) keep(m *mutant, v verdict) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts[m] = v
	escaped := v.Status == survived || v.Status == timedOut
	if escaped {
		line := fmt.Sprintf("%s: %v", v.Status, m)
		if len(v.Unsure) > 0 {
			line += fmt.Sprintf(" (failed once, but not again: %v)", v.Unsure)
		}
		s.progress.say(line)
	}
	s.progress.step(escaped)
	if s.record == nil {
		return nil
	}
	line, err := json.Marshal(v)
	if err == nil {
		_, err = s.record.Write(append(line, '\n'))
	}
	return err
}

// readVerdicts reads what an earlier run has kept, if it did. An interrupt may
// have cut the last line short.
func readVerdicts(name string) (all []verdict, err error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var v verdict
		if json.Unmarshal(lines.Bytes(), &v) == nil {
			all = append(all, v)
		}
	}
	return all, lines.Err()
}
