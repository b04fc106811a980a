package exercisetest

import (
	"errors"
	"fmt"

	"example/tcpladder/shared/echotest"
)

// failf is a failure of which only what came is known; the check's own promise
// and cause complete it.
func failf(format string, args ...any) error {
	return &echotest.Failure{Got: fmt.Sprintf(format, args...)}
}

// after says what was done before err came.
func after(err error, sent string) error {
	return amend(err, func(f *echotest.Failure) {
		if f.Sent == "" {
			f.Sent = sent
		} else {
			f.Sent = sent + "; then " + f.Sent
		}
	})
}

// amend makes a Failure of err and changes it. No error stays none, and a reason
// to skip stays one.
func amend(err error, change func(*echotest.Failure)) error {
	if _, skipped := Skipped(err); err == nil || skipped {
		return err
	}
	var f *echotest.Failure
	if !errors.As(err, &f) {
		f = &echotest.Failure{Got: err.Error()}
	}
	change(f)
	return f
}

func set(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// show gives bytes quoted, clipped to a line.
func show(p []byte) string {
	const most = 60
	if len(p) == 0 {
		return "nothing"
	}
	if len(p) > most {
		return fmt.Sprintf("%q ... (%d bytes)", p[:most], len(p))
	}
	return fmt.Sprintf("%q", p)
}
