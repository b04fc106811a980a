package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/grade"
	"example/tcpladder/client/internal/report"
	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/proc"
)

const gradeUsage = `usage: go run ./client grade -exercise NAME|all [flags] DIR...

Runs the checks of an exercise on submissions, one folder each, and prints a
line for each of them.

  go run ./client grade -exercise 04-status -out marks submissions/*/

A submission is a clone of the course (its docs/exercises/NAME is graded), a
folder that contains NAME, or the exercise's folder itself. Only .go, .txt and
.md files are taken from it and compiled in this tree: its go.mod, its tests and
its checks are ignored. With "all" each exercise has a line; one that is not
there is "missing".

Each check of the exercise earns a point, unless its start or its rung passes it
too. Every other check that fails costs a point; nobody gets less than 0.

The solution is graded first, to estimate how long the class will take. With
-out each result is kept; the same command resumes after an interruption.

On Linux the programs run in a sandbox without network or files. Where there is
none, grade names the attacks that it cannot stop, and needs -unsafe to go on.
docs/grading.md lists them all. Strangers' code belongs on a throwaway machine,
sandbox or not.

Exit status: 0 if everybody was graded; 1 if not; 2 for a wrong command line.

`

// A process that grade starts from itself goes no further than this.
func init() { grade.Inside() }

// A grading is a command line of grade.
type grading struct {
	format, out string
	class       *grade.Class
	grades      []*grade.Grade
}

// gradeFormats are those of -format, and whether they are one file for each submission.
var gradeFormats = map[string]bool{"": false, "csv": false, "json": false, "junit": true, "gradescope": true}

// gradeAll is the subcommand: it returns the exit status.
func gradeAll(args []string) int {
	flags := flag.NewFlagSet("grade", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	exercise := flags.String("exercise", "", "the `name` of an exercise, such as 04-status, or all")
	format := flags.String("format", "", "write csv, json, junit or gradescope, and no table")
	out := flags.String("out", "", "the `folder` for results, and for what -format writes")
	unsafe := flags.Bool("unsafe", false, "grade without a sandbox")
	dirs, err := mixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(gradeUsage)
		cli.Flags(os.Stdout, flags)
		return 0
	}
	g := &grading{format: *format, out: *out, class: &grade.Class{Dirs: dirs, Unsafe: *unsafe, Keep: *out, Progress: os.Stderr}}
	if err == nil {
		err = g.understand(*exercise)
	}
	if err != nil {
		cli.Complain("grade", fmt.Errorf("%w (-h lists the flags)", err))
		return 2
	}
	if err := g.run(); err != nil {
		cli.Complain("grade", err)
		return 1
	}
	return 0
}

// understand completes the class, or says what is wrong with the command line.
func (g *grading) understand(exercise string) error {
	perDir, known := gradeFormats[g.format]
	switch {
	case exercise == "":
		return errors.New("-exercise is missing")
	case len(g.class.Dirs) == 0:
		return errors.New("there are no submissions: name their folders")
	case !known:
		return fmt.Errorf("no -format %q: there are csv, json, junit and gradescope", g.format)
	case perDir && g.out == "":
		return fmt.Errorf("-format %s writes one file for each submission: say where with -out", g.format)
	}
	g.class.Exercises = exercisetest.Exercises()
	if exercise != "all" {
		e, err := exercisetest.Find(exercise)
		if err != nil {
			return err
		}
		g.class.Exercises = []exercisetest.Exercise{e}
	}
	return nil
}

// run grades the class and writes what was asked for.
func (g *grading) run() error {
	root, err := grade.FindRoot(".")
	if err != nil {
		return err
	}
	g.class.Root = root
	if err := g.sandbox(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, proc.CleanUp)
	table := grade.Table{Out: os.Stdout, All: len(g.class.Exercises) > 1}
	for _, dir := range g.class.Dirs {
		table.Name = max(table.Name, len(filepath.Base(dir)))
	}
	err = g.class.Run(ctx, func(one *grade.Grade) {
		g.grades = append(g.grades, one)
		if g.format == "" {
			table.Add(one)
		}
	})
	if ctx.Err() != nil {
		proc.CleanUp() // or wait until it is done
		return g.interrupted()
	}
	if err != nil {
		return err
	}
	return g.write()
}

func (g *grading) interrupted() error {
	if g.out == "" {
		return errors.New("interrupted; with -out the results would have been kept")
	}
	return errors.New("interrupted; the same command resumes")
}

// sandbox refuses to go on without one, unless that is wanted.
func (g *grading) sandbox() error {
	if g.class.Unsafe {
		fmt.Fprintln(os.Stderr, grade.CannotStop)
		return nil
	}
	if err := grade.CanSandbox(); err != nil {
		return fmt.Errorf("%w\n%s\nTo go on without one: -unsafe", err, grade.CannotStop)
	}
	return nil
}

// write writes what -format asks for.
func (g *grading) write() error {
	switch g.format {
	case "csv":
		return g.one("grades.csv", func(w io.Writer) error { return grade.CSV(w, g.grades) })
	case "json":
		return g.one("grades.json", func(w io.Writer) error { return report.JSON(w, g.grades) })
	}
	for list := range slices.Chunk(g.grades, len(g.class.Exercises)) { // one submission's
		name := list[0].Submission
		err := error(nil)
		switch g.format {
		case "junit":
			err = g.one(name+".xml", func(w io.Writer) error { return report.JUnit(w, name, grade.Suites(list)) })
		case "gradescope":
			err = g.one(name+".json", func(w io.Writer) error { return grade.Gradescope(w, list) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// one writes a file into the folder of -out, or to standard output.
func (g *grading) one(name string, write func(io.Writer) error) error {
	if g.out == "" {
		return write(os.Stdout)
	}
	var text strings.Builder
	if err := write(&text); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(g.out, name), []byte(text.String()), 0o666)
}
