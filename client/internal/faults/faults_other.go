//go:build !linux

package faults

import (
	"context"
	"errors"
	"io"
	"regexp"
)

// Ready says why no server can be examined here.
func Ready() error {
	return errors.New("-faults needs Linux, where strace(1) can answer a server's system calls")
}

// Examine is refused.
func Examine(context.Context, Subject, *regexp.Regexp, bool, io.Writer) (Count, error) {
	return Count{}, Ready()
}
