// Command weave makes the listings, diffs and outputs in the chapters again, from
// the source:
//
//	go run ./docs/weave         listings and diffs
//	go run ./docs/weave -run    and what the commands in the text print
//
// It writes docs/*.md, or the files that it is given, and names what it cannot mend. See internal/weave for the
// comments in the Markdown that it follows.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"example/tcpladder/docs/internal/weave"
)

var run = flag.Bool("run", false, "also run the commands in the text, and write down what they print")

func main() {
	flag.Parse()
	if err := all(); err != nil {
		fmt.Fprintln(os.Stderr, "weave:", err)
		os.Exit(1)
	}
}

func all() error {
	root, err := weave.Root()
	if err != nil {
		return err
	}
	chapters := flag.Args()
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
		fmt.Printf("%s: %s\n", name, p)
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
			fmt.Printf("line %d: skipped, there is no %s here\n", l.Line, program)
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
