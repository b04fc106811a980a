package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
)

// An examiner holds one subject to all faults.
type examiner struct {
	subject Subject
	habits  *habits
	match   *regexp.Regexp
	colour  bool
	out     io.Writer
	count   Count
}

// Examine starts the subject once for each fault whose name match accepts, and
// writes what came of it: for each call a tick or a cross for each error, and for
// each kind of cross what was seen. It returns an error if the server cannot be
// examined at all.
func Examine(ctx context.Context, subject Subject, match *regexp.Regexp, colour bool, out io.Writer) (Count, error) {
	e := &examiner{subject: subject, match: match, colour: colour, out: out}
	if err := Ready(); err != nil {
		return e.count, err
	}
	var err error
	var scared *echotest.Failure
	if e.habits, err = e.survey(ctx); errors.As(err, &scared) {
		fmt.Fprintln(out, subject.Name)
		e.cross("epoll_wait/EINTR", scared)
		e.say("  - ", "no other fault is examined: strace, too, stops the server when it attaches")
		e.count.Failed++
		return e.count, nil
	}
	if err != nil {
		return e.count, err
	}
	e.say("", subject.Name+e.remarks())
	var silent []string
	for i := range calls {
		switch c := &calls[i]; {
		case len(c.faults(match)) == 0:
		case len(e.habits.made[c.name]) == 0:
			silent = append(silent, c.name)
		default:
			if err := e.examine(ctx, c); err != nil {
				return e.count, err
			}
		}
	}
	if silent != nil {
		e.say("  - ", "not called for clients or the listener: "+strings.Join(silent, ", "))
	}
	return e.count, nil
}

// remarks are what the crosses and ticks below do not look at.
func (e *examiner) remarks() (text string) {
	if !e.habits.concurrent {
		text += ", one client at a time"
	}
	if e.habits.busy {
		text += ", uses CPU when nothing fails (so that is not judged)"
	}
	return text
}

// examine goes through the faults of one call.
func (e *examiner) examine(ctx context.Context, c *call) error {
	list := c.faults(e.match)
	verdicts, err := e.all(ctx, list)
	if err != nil {
		return err
	}
	e.tell(c, list, verdicts)
	return nil
}

// all examines several faults at a time, if each server has an address of its own.
func (e *examiner) all(ctx context.Context, list []fault) ([]verdict, error) {
	width := 1
	if e.subject.Rung || slices.ContainsFunc(e.subject.Argv, func(a string) bool { return strings.Contains(a, "{addr}") }) {
		width = min(goruntime.NumCPU(), 4)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	verdicts, errs := make([]verdict, len(list)), make([]error, len(list))
	var next, slow atomic.Int32
	var workers sync.WaitGroup
	for range width {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(list) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if slow.Load() >= 3 {
					verdicts[i].skipped = "three that ran into the time limit are enough"
					continue
				}
				if verdicts[i], errs[i] = e.one(ctx, list[i]); errs[i] != nil {
					cancel()
				}
				if p := verdicts[i].problem; p != nil && p.waited {
					slow.Add(1)
				}
			}
		})
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	return verdicts, ctx.Err()
}

// one examines a fault, unless it is not the program that would be examined.
func (e *examiner) one(ctx context.Context, f fault) (verdict, error) {
	if own := e.habits.shared[f.call.name]; own != "" && f.errno != "EINTR" {
		return verdict{skipped: own + " makes this call too, and would end the program itself"}, nil
	}
	return e.try(ctx, f)
}

// tell writes a paragraph for a call, and the crosses below it, those of one kind
// together.
func (e *examiner) tell(c *call, list []fault, verdicts []verdict) {
	var words []string
	var reasons []string
	crosses := map[kind][]verdict{}
	for i, v := range verdicts {
		word := list[i].errno
		switch {
		case v.skipped != "":
			e.count.Skipped++
			word = "- " + word
			if !slices.Contains(reasons, v.skipped) {
				reasons = append(reasons, v.skipped)
			}
		case v.problem != nil:
			e.count.Failed++
			word = e.paint("31", "✗") + " " + word
			crosses[v.kind] = append(crosses[v.kind], v)
		default:
			e.count.Passed++
			word = e.paint("32", "✓") + " " + word
			if v.ended {
				word += " (ended)"
			}
		}
		words = append(words, word)
	}
	e.say("  ", fmt.Sprintf("%s (%s)", c.name, strings.Join(e.habits.made[c.name], ", ")))
	paragraph(e.out, words)
	for _, reason := range reasons {
		e.say("      - ", "not examined: "+reason)
	}
	for kind := died; kind <= stops; kind++ {
		e.explain(crosses[kind])
	}
}

// explain tells what was seen, once for all crosses of one kind.
func (e *examiner) explain(crosses []verdict) {
	if len(crosses) == 0 {
		return
	}
	var names []string
	for _, v := range crosses {
		names = append(names, v.fault.errno)
	}
	first := crosses[0]
	title := first.fault.name()
	switch more := len(names) - 1; {
	case more == 0:
	case more <= 4:
		title += ", likewise with " + strings.Join(names[1:], " ")
	default:
		title += fmt.Sprintf(", likewise with %d more", more)
	}
	e.cross(title, first.failure())
}

// say prints a line, wrapped so that what follows the lead stands under itself.
func (e *examiner) say(lead, text string) {
	fmt.Fprintln(e.out, cli.Wrap(lead+text, max(2, cli.Columns(lead))))
}

func (e *examiner) cross(title string, f *echotest.Failure) {
	e.say("    "+e.paint("31", "✗")+" ", title)
	fmt.Fprintf(e.out, "      %s\n", strings.ReplaceAll(f.Error(), "\n", "\n      "))
}

func (e *examiner) paint(code, text string) string {
	if !e.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
