package echotest

import (
	"errors"
	"fmt"
	"strings"

	"example/tcpladder/shared/cli"
)

// The chapters a failure sends its reader to.
const (
	chapter1 = "docs/01-blocking.md"
	chapter2 = "docs/02-nonblocking.md"
	chapter3 = "docs/03-select.md"
	chapter4 = "docs/04-kqueue.md"
	chapter5 = "docs/05-framing.md"
)

// A Failure is a broken promise, described so that one can act on it. Fields that
// have nothing to say are empty.
type Failure struct {
	Sent    string   // what the client did
	Want    string   // what had to follow
	Got     string   // what followed; bytes as hex and text
	Cause   string   // why it happened, or most likely did
	Or      []string // what else it may be
	Seen    string   // what the server did at that moment, as far as the system shows it
	Chapter string   // the text to read
	Log     string   // the last lines of the server's standard error
	Rows    []string // chosen from the table of causes

	testimony
}

// failureWidth leaves room for what indents a failure: go test needs most, for a subtest.
const failureWidth = cli.Width - 12

// Error returns the failure on several lines: each field has a label, and its text is
// wrapped under itself. What follows a newline in a field quotes the server, as the
// field of the log does, and is not wrapped.
func (f *Failure) Error() string {
	var b strings.Builder
	line := func(label, text string) {
		if text == "" {
			return
		}
		first, quoted, more := strings.Cut(strings.TrimRight(text, "\n"), "\n")
		first = fmt.Sprintf("%-9s %s", label, first)
		if label != "server" {
			first = cli.WrapAt(failureWidth, first, 10)
		}
		b.WriteString(first + "\n")
		if more {
			b.WriteString("          " + strings.ReplaceAll(quoted, "\n", "\n          ") + "\n")
		}
	}
	line("sent", f.Sent)
	line("expected", f.Want)
	line("came", f.Got)
	line("cause", f.Cause)
	for _, other := range f.Or {
		line("or", other)
	}
	line("seen", f.Seen)
	line("read", f.Chapter)
	line("server", f.Log)
	return strings.TrimRight(b.String(), "\n")
}

// Failf is a failure of which only what came is known; the check's own promise
// and cause complete it.
func Failf(format string, args ...any) error {
	return &Failure{Got: fmt.Sprintf(format, args...)}
}

// because names the likely cause of err, unless it has one already.
func because(err error, cause string) error {
	return Amend(err, func(f *Failure) { set(&f.Cause, cause) })
}

// After tells what the client had done when err came.
func After(err error, sent string) error {
	return Amend(err, func(f *Failure) {
		if f.Sent == "" {
			f.Sent = sent
		} else {
			f.Sent = sent + "; then " + f.Sent
		}
	})
}

func Amend(err error, change func(*Failure)) error {
	if _, skipped := Skipped(err); err == nil || skipped {
		return err
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Got: err.Error()}
	}
	change(f)
	return f
}

func set(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// show gives bytes as hex and as text, clipped to a line.
func show(p []byte) string {
	const most = 16
	if len(p) == 0 {
		return "nothing"
	}
	clip := p[:min(len(p), most)]
	more := ""
	if len(p) > most {
		more = fmt.Sprintf(" ... (%d bytes)", len(p))
	}
	return fmt.Sprintf("% x  %q%s", clip, clip, more)
}

// Quote gives bytes as text, clipped to a line.
func Quote(p []byte) string {
	const most = 60
	if len(p) == 0 {
		return "nothing"
	}
	if len(p) > most {
		return fmt.Sprintf("%q ... (%d bytes)", p[:most], len(p))
	}
	return fmt.Sprintf("%q", p)
}
