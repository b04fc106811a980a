// Command walls starts the rungs and measures, on this machine, the wall that
// each of them hits. It prints tables and small pictures, and writes the raw
// data and plots.
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
	"strings"
	"syscall"

	"example/tcpladder/client/internal/target"
	"example/tcpladder/shared/cli"
)

// A wall is one measurement, and its pictures.
type wall struct {
	name    string // of its files
	title   string
	columns []string
	measure func(*lab, *table) error
	show    func(io.Writer, *table) // in the terminal
	plot    func(*table) picture    // as SVG
}

var walls = []wall{turns, burning, idle, boundaries, unread, throughput}

const about = `usage: go run ./client/walls [flags]

Measures the walls of the ladder on this machine: builds and starts the servers
itself, prints tables and pictures, writes the data (data/*.csv), the plots
(img/*.svg), and the blocks of walls.md if there is one. It takes a few minutes,
with -quick less than one.

  go run ./client/walls -quick       a first impression
  go run ./client/walls -plot        the pictures of the course, from its data
  go run ./client/walls -out docs    renew data and pictures of the course

`

// options is the command line.
type options struct {
	out         string
	plot, quick bool
	only        string
}

func main() { os.Exit(run(os.Args[1:])) }

// run returns the exit status: 0, 1 for failure, 2 for a wrong command line.
func run(args []string) int {
	var o options
	f := flag.NewFlagSet("walls", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.out, "out", "", "`folder` to write to (default: one for temporary files; with -plot docs)")
	f.BoolVar(&o.plot, "plot", false, "measure nothing: show and draw again what the data in the folder say")
	f.BoolVar(&o.quick, "quick", false, "measure for a shorter time, and with fewer clients")
	f.StringVar(&o.only, "only", "", "`names` of walls, with commas between: "+strings.Join(names(), ", "))
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(about)
		cli.Flags(os.Stdout, f)
		return 0
	}
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	chosen, chooseErr := choose(o.only)
	if err == nil {
		err = chooseErr
	}
	if err != nil {
		cli.Complain("walls", fmt.Errorf("%w (-h lists the flags)", err))
		return 2
	}
	if err := o.do(chosen); err != nil {
		cli.Complain("walls", err)
		return 1
	}
	return 0
}

// names returns the names of all walls.
func names() (all []string) {
	for _, w := range walls {
		all = append(all, w.name)
	}
	return all
}

// choose returns the walls that are named, or all.
func choose(only string) ([]wall, error) {
	if only == "" {
		return walls, nil
	}
	var chosen []wall
	for _, name := range strings.Split(only, ",") {
		found := false
		for _, w := range walls {
			if w.name == strings.TrimSpace(name) {
				chosen, found = append(chosen, w), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no wall %q: there are %s", name, strings.Join(names(), ", "))
		}
	}
	return chosen, nil
}

// do measures the walls, or only shows them again.
func (o *options) do(chosen []wall) error {
	if o.out == "" {
		o.out = filepath.Join(os.TempDir(), "tcpladder-walls")
		if o.plot {
			o.out = "docs"
		}
	}
	for _, folder := range []string{"data", "img"} {
		if err := os.MkdirAll(filepath.Join(o.out, folder), 0o777); err != nil {
			return err
		}
	}
	var err error
	if o.plot {
		err = o.replot(chosen)
	} else {
		err = o.measure(chosen)
	}
	if err == nil {
		err = o.glance()
	}
	if err == nil {
		fmt.Printf("\ndata and plots are in %s\n", o.out)
	}
	return err
}

// replot makes everything but the data.
func (o *options) replot(chosen []wall) error {
	for _, w := range chosen {
		t, err := readTable(o.data(w), w.columns)
		if err != nil {
			return err
		}
		if err := o.publish(w, t); err != nil {
			return err
		}
	}
	return nil
}

// measure keeps and shows each wall as soon as it is measured: an interrupt loses
// only the one under way.
func (o *options) measure(chosen []wall) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	builder := target.NewBuilder()
	defer builder.Close()
	say := progress(cli.IsTerminal(os.Stderr))
	defer say("")
	l, err := newLab(ctx, builder, o.quick, say)
	if err != nil {
		return err
	}
	for _, w := range chosen {
		t := newTable(w.columns...)
		t.machine = machine(l.pinned)
		if err := w.measure(l, t); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		say("")
		if err := o.keep(w, t); err != nil {
			return err
		}
		if err := o.publish(w, t); err != nil {
			return err
		}
	}
	return nil
}

// data is where the raw data of a wall are.
func (o *options) data(w wall) string { return filepath.Join(o.out, "data", w.name+".csv") }

// keep writes the raw data, when all of a wall are there.
func (o *options) keep(w wall, t *table) error {
	var b strings.Builder
	if err := t.write(&b); err != nil {
		return err
	}
	return os.WriteFile(o.data(w), []byte(b.String()), 0o666)
}

// publish shows a wall, draws it, and renews its block of the page.
func (o *options) publish(w wall, t *table) error {
	var b strings.Builder
	w.show(&b, t)
	fmt.Printf("\n%s\n%s\n\n%s", w.title, strings.Repeat("─", cli.Columns(w.title)), b.String())
	if err := w.plot(t).save(filepath.Join(o.out, "img", w.name+".svg"), w.title, t.machine); err != nil {
		return err
	}
	return renew(filepath.Join(o.out, "walls.md"), w.name, b.String(), t.machine)
}
