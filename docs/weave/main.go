// Command weave makes the listings, diffs and outputs in the chapters again, from
// the source. See internal/weave for the comments in the Markdown that it follows.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"example/tcpladder/docs/internal/weave"
	"example/tcpladder/shared/cli"
)

const about = `usage: go run ./docs/weave [flags] [chapter.md...]

Makes the listings and diffs in the chapters again, from the source, and names
what it cannot mend. Without a chapter it does so for all in docs.

  go run ./docs/weave         listings and diffs
  go run ./docs/weave -run    and what the commands in the text print

Exit status: 0; 1 if something needs a hand; 2 for a wrong command line.

`

var flags = flag.NewFlagSet("weave", flag.ContinueOnError)

var run = flags.Bool("run", false, "also run the commands in the text, and write down what they print")

func main() {
	flags.SetOutput(io.Discard) // package flag would print the whole usage below every mistake
	err := flags.Parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(about)
		cli.Flags(os.Stdout, flags)
		return
	}
	if err != nil {
		cli.Complain("weave", fmt.Errorf("%w (-h lists the flags)", err))
		os.Exit(2)
	}
	if err := all(flags.Args()); err != nil {
		cli.Complain("weave", err)
		os.Exit(1)
	}
}

func all(chapters []string) error {
	root, err := weave.Root()
	if err != nil {
		return err
	}
	if len(chapters) == 0 {
		if chapters, err = filepath.Glob(filepath.Join(root, "docs", "*.md")); err != nil {
			return err
		}
	}
	problems := 0
	for _, path := range chapters {
		n, err := chapter(root, path)
		if err != nil {
			return err
		}
		problems += n
	}
	if problems > 0 {
		return fmt.Errorf("%d places need a hand", problems)
	}
	return nil
}

// chapter mends one file and returns the number of problems that remain.
func chapter(root, path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	woven, problems := weave.Weave(root, string(text))
	if *run {
		if woven, err = outputs(root, woven); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
	}
	missing, err := weave.MissingIn(root, filepath.Base(path), woven)
	if err != nil {
		return 0, err
	}
	problems = append(problems, missing...)
	name := filepath.Join("docs", filepath.Base(path))
	for _, p := range problems {
		fmt.Println(cli.Wrap(fmt.Sprintf("%s: %s", name, p), 2))
	}
	if woven != string(text) {
		fmt.Println("wrote", name)
		err = os.WriteFile(path, []byte(woven), 0o644)
	}
	return len(problems), err
}

// outputs replaces what the commands in the text print, where it has changed.
func outputs(root, text string) (string, error) {
	for _, l := range slices.Backward(weave.Lives(text)) {
		if program := l.Needs(); program != "" {
			fmt.Println(cli.Wrap(fmt.Sprintf("line %d: skipped, there is no %s here", l.Line, program), 2))
			continue
		}
		said, err := l.Run(root)
		if err != nil {
			return "", err
		}
		if !weave.Same(said, l.Shown) {
			text = l.Replace(text, said)
		}
	}
	return text, nil
}
