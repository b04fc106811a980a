package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"example/tcpladder/client/internal/handout"
	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/proc"
)

const compareUsage = `usage: go run ./client compare [flags] -exercise NAME DIR

Shows a student's attempt at an exercise next to its solution, file by file,
where they differ. DIR is the student's copy of the course, or the folder of
the exercise alone. Lines with a - are the solution's, lines with a + are the
student's; with -y the solution is on the left. It runs nothing of what is in
DIR, and needs diff.

  go run ./client compare -exercise 04-status submissions/ann
  go run ./client compare -y -width 200 -exercise 04-status submissions/ann

Exit status: 0 if the two were compared; 1 if not; 2 for a wrong command line.

`

// compare is the subcommand: it returns the exit status.
func compare(args []string) int { return compareTo(os.Stdout, os.Stderr, args) }

func compareTo(out, complaint io.Writer, args []string) int {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	name := flags.String("exercise", "", "the exercise of this `name`, such as 01-threads")
	side := flags.Bool("y", false, "side by side")
	width := flags.Int("width", 160, "with -y: `columns` of the terminal")
	dirs, err := mixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, compareUsage)
		cli.Flags(out, flags)
		return 0
	}
	if err == nil && len(dirs) != 1 {
		err = errors.New("name one submission")
	}
	if err == nil && *width < 40 {
		err = errors.New("-width: at least 40 columns")
	}
	if err == nil {
		_, err = exercisetest.Find(*name)
	}
	if err != nil {
		fmt.Fprintf(complaint, "compare: %v (-h lists the flags)\n", err)
		return 2
	}
	format := []string{"-u"}
	if *side {
		format = []string{"-y", "-t", "-W", fmt.Sprint(*width)}
	}
	if err := showNext(out, *name, dirs[0], format); err != nil {
		fmt.Fprintln(complaint, "compare:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

// showNext writes the differences between the solution of an exercise and the
// attempt in dir, as diff prints them in a format.
func showNext(w io.Writer, name, dir string, format []string) error {
	root, err := handout.Root()
	if err != nil {
		return err
	}
	scratch, remove, err := proc.TempDir()
	if err != nil {
		return err
	}
	defer remove()
	differences, err := handout.Compare(root, name, dir, scratch, format)
	if err != nil {
		return err
	}
	if differences == "" {
		differences = "the solution, line by line\n"
	}
	_, err = io.WriteString(w, differences)
	return err
}
