// Package cli makes a program behave as an operator expects. Its flags: a mistake
// is one line and exit status 2, -h lists the flags, with exit status 0, and
// values that make no sense are refused. Its log: it never stops the program,
// whether or not anybody reads it. Its exit: a status, and no line lost.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// maxBytes bounds the flags defined by Bytes: twice as much, and a header more,
// still fits into an int of 32 bits.
const maxBytes = 1 << 29

// Bytes defines a flag for a number of bytes from 1 to 536870912.
func Bytes(name string, value int, usage string) *int {
	b := bytesValue(value)
	flag.Var(&b, name, usage)
	return (*int)(&b)
}

type bytesValue int

func (b *bytesValue) String() string { return strconv.Itoa(int(*b)) }

func (b *bytesValue) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxBytes {
		return fmt.Errorf("not a number from 1 to %d", maxBytes)
	}
	*b = bytesValue(n)
	return nil
}

// Duration defines a flag for a duration such as 500ms or 1m30s, not negative.
func Duration(name string, value time.Duration, usage string) *time.Duration {
	d := durationValue(value)
	flag.Var(&d, name, usage)
	return (*time.Duration)(&d)
}

type durationValue time.Duration

func (d *durationValue) String() string { return time.Duration(*d).String() }

func (d *durationValue) Set(s string) error {
	t, err := time.ParseDuration(s)
	if err != nil || t < 0 {
		return errors.New("not a duration such as 500ms or 1m30s")
	}
	*d = durationValue(t)
	return nil
}

// Parse parses the flags defined in package flag. It returns only if they are
// all well formed and no other argument follows them. It also gives package log
// an output that never makes the program wait, see narrate.Log.
func Parse() {
	narrate.Install()
	log.SetFlags(0)
	log.SetOutput(narrate.Log)
	signal.Ignore(unix.SIGPIPE) // a log whose reader has gone would end the program: see os/signal
	name := filepath.Base(os.Args[0])
	// Package flag would print the whole usage below every mistake.
	flag.CommandLine.Init(name, flag.ContinueOnError)
	flag.CommandLine.SetOutput(io.Discard)
	err := flag.CommandLine.Parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Printf("usage: %s [flags]\n", name)
		Flags(os.Stdout, flag.CommandLine)
		os.Exit(0)
	}
	if err == nil && flag.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v (-h lists the flags)\n", name, err)
		os.Exit(2)
	}
}

// Flags writes a row for each flag of a set, in alphabetical order.
func Flags(w io.Writer, set *flag.FlagSet) {
	var rows [][2]string
	set.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		rows = append(rows, [2]string{strings.TrimSpace("-" + f.Name + " " + value), text})
	})
	List(w, rows)
}

// IsTerminal reports whether a person reads what is written to f. (/dev/null
// counts as one: nobody sees the difference.)
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Fatal prints err as the last line of the log and exits with status 1. It
// waits up to a second for a log that nobody reads.
func Fatal(err error) {
	narrate.Fatal(err.Error())
	os.Exit(1)
}

// Exit exits with status 0, once the log has printed what it still owes.
func Exit() {
	narrate.Close()
	os.Exit(0)
}
