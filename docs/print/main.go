// Command print makes one document for paper of the chapters:
//
//	go run ./docs/print course.pdf
//
// It needs chromium. With a name that ends in .html it writes the page that
// chromium would print, and needs nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"example/tcpladder/docs/internal/weave"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/proc"
)

const about = `usage: go run ./docs/print [flags] FILE.pdf

Prints the five chapters as one PDF: A4, with contents, page numbers, and the
links of each chapter at its end. It needs chromium (131 or later). With
FILE.html it writes the page that chromium would print, without the numbers of
pages in the contents.

`

func main() {
	proc.ExitOnSignal()
	status := run(os.Args[1:])
	proc.CleanUp()
	os.Exit(status)
}

// run returns the exit status: 0, 1 for failure, 2 for a wrong command line.
func run(args []string) int {
	var o options
	f := flag.NewFlagSet("print", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.BoolVar(&o.exercises, "exercises", false, "also print the texts of the exercises")
	f.BoolVar(&o.quiz, "quiz", false, "also print the quiz, without answers")
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(about)
		cli.Flags(os.Stdout, f)
		return 0
	}
	if err == nil && f.NArg() != 1 {
		err = errors.New("name the file to write")
	}
	file, ending := f.Arg(0), filepath.Ext(f.Arg(0))
	if err == nil && ending != ".pdf" && ending != ".html" {
		err = fmt.Errorf("%s: neither .pdf nor .html", file)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "print: %v (-h lists the flags)\n", err)
		return 2
	}
	if err := write(file, o); err != nil {
		fmt.Fprintln(os.Stderr, "print:", err)
		return 1
	}
	return 0
}

func write(file string, o options) error {
	root, err := weave.Root()
	if err != nil {
		return err
	}
	b, err := newBook(root, o)
	if err != nil {
		return err
	}
	if filepath.Ext(file) == ".html" {
		return os.WriteFile(file, []byte(b.html(nil)), 0o644)
	}
	pages, err := b.print(file)
	if err != nil {
		return err
	}
	fmt.Printf("wrote %s, %d pages\n", file, pages)
	return nil
}
