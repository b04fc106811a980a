package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"example/tcpladder/client/internal/handout"
	"example/tcpladder/shared/cli"
)

const handoutUsage = `usage: go run ./client handout [flags] DIR

Makes a copy of the course for students in DIR, which must be empty or not be
there: a new git repository with one commit, without the solutions and their
tests, attempts, answers and the notes for teachers. It is made of the last
commit (HEAD): what you have not committed is not handed out, so that no
attempt of your own is. Copies of one commit are the same commit.

What leaves is marked in the source: files and folders in
client/internal/handout/leaves.txt, parts of a text by

  <!-- teacher --> ... <!-- /teacher -->

The public repository has the solutions. A copy without them keeps students
from seeing one by accident, no more.

With -vendor the modules that the copy needs are in it too, for a room without
a network. They are in the folder vendor, about 20 MB, which git ignores: copy
DIR itself, for a clone does not have them. (go test work then lists them as
well, with [no test files].) The other way is a module cache on a stick. Fill
it, in DIR, with a network:

  GOMODCACHE=/media/stick/mod go list -deps -test work >/dev/null

Of the 190 MB, mod/cache/download, 46 MB, is all that students need. Have them
set, before their first go command:

  export GOPROXY=file:///media/stick/mod/cache/download

Exit status: 0 if the copy is there; 1 if not; 2 for a wrong command line.

`

// handOut is the subcommand: it returns the exit status.
func handOut(args []string) int { return handOutTo(os.Stdout, os.Stderr, args) }

func handOutTo(out, complaint io.Writer, args []string) int {
	flags := flag.NewFlagSet("handout", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	vendor := flags.Bool("vendor", false, "put the modules that it needs into the copy")
	dirs, err := mixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, handoutUsage)
		cli.Flags(out, flags)
		return 0
	}
	if err == nil && len(dirs) != 1 {
		err = errors.New("name one folder for the copy")
	}
	if err != nil {
		fmt.Fprintf(complaint, "handout: %v (-h lists the flags)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := makeHandout(ctx, out, dirs[0], *vendor); err != nil {
		fmt.Fprintln(complaint, "handout:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

// makeHandout makes the copy and reports on it. Nothing of a copy that fails is
// left.
func makeHandout(ctx context.Context, w io.Writer, dir string, vendor bool) (err error) {
	root, err := handout.Root()
	if err != nil {
		return err
	}
	files, commit, err := handout.Head(ctx, root)
	if err != nil {
		return err
	}
	course, err := handout.Strip(files)
	if err != nil {
		return err
	}
	if err := handout.Check(ctx, root, dir); err != nil {
		return err
	}
	_, e := os.Stat(dir)
	isNew := errors.Is(e, fs.ErrNotExist)
	defer func() {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		if err != nil {
			handout.Remove(dir, isNew)
		}
	}()
	if err := course.Write(ctx, dir, commit); err != nil {
		return err
	}
	var size int64
	if vendor {
		if size, err = handout.Vendor(ctx, dir); err != nil {
			return err
		}
	}
	reportHandout(w, dir, course, commit, size)
	return nil
}

// reportHandout says what is in the copy.
func reportHandout(w io.Writer, dir string, course *handout.Copy, commit handout.Commit, vendored int64) {
	day, _, _ := strings.Cut(commit.Time, "T")
	fmt.Fprintf(w, "%s\n", dir)
	fmt.Fprintf(w, "  %d files in one commit, made of HEAD (%s, %s)\n", len(course.Files), commit.Hash, day)
	fmt.Fprintf(w, "  left out: %d files, and what is marked in %d others\n", len(course.Left), course.Marked)
	if vendored > 0 {
		fmt.Fprintf(w, "  vendor: %d MB of modules, not in git: copy the folder, do not clone it\n", (vendored+999_999)/1_000_000)
	}
	if commit.Changed > 0 {
		fmt.Fprintf(w, "  not in it: what you have not committed (git status lists %d)\n", commit.Changed)
	}
	fmt.Fprint(w, `
The public repository has the solutions, the answers and the teaching notes.
Students who look for them will find them: mark what cannot be copied, the
predictions and the answers to questions about their own code.
`)
}
