package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/target"
	"example/tcpladder/client/internal/watch"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

const watchUsage = `usage: go run ./client watch [flags] [rung]

Builds and starts a rung (01 02 03 04 05; none named: 01), and opens a page in the
browser that shows its clients, the kernel's queues, and the call that it is in,
while you play with it:

  go run ./client watch 03

Ctrl-C ends all of it. Exit status: 0; 1 if the rung cannot be built or started; 2
for a wrong command line.

`

// watchRung is the command watch: it gives the exit status.
func watchRung(args []string) int {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	browse := flags.Bool("open", true, "open the browser; -open=false: only print the address")
	names, err := mixed(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(watchUsage)
		cli.Flags(os.Stdout, flags)
		return 0
	}
	if err == nil && len(names) > 1 {
		err = fmt.Errorf("one rung at a time, not %s", strings.Join(names, " and "))
	}
	rung := echotest.Rungs[0]
	if err == nil && len(names) == 1 {
		rung, err = echotest.FindRung(names[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err, "(-h lists the flags)")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, proc.CleanUp)
	err = watchUntil(ctx, rung, *browse)
	proc.CleanUp() // or wait until it is done
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		return 1
	}
	return 0
}

// watchUntil shows a rung until ctx ends.
func watchUntil(ctx context.Context, rung echotest.Rung, browse bool) error {
	program, err := target.NewBuilder().Rung(rung.Folder)
	if err != nil {
		return err
	}
	sources, err := sourcesOf(rung.Folder)
	if err != nil {
		return err
	}
	target.Limit() // the crowd needs descriptors, and so does the rung
	w := watch.New(watch.Subject{Name: rung.Folder, Program: program, Sources: sources, Framed: rung.Promises.Framed})
	if err := w.Start(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String() + "/"
	fmt.Printf("watching %s at %s (Ctrl-C ends it)\n", rung.Folder, url)
	if browse {
		openBrowser(url)
	}
	return watch.Serve(ctx, w, l)
}

// sourcesOf reads the files of a rung, tests apart, by the names that they have in
// the objects of -v=json.
func sourcesOf(folder string) (map[string]string, error) {
	list := proc.Command{Args: []string{"go", "list", "-f", "{{.Dir}}", "example/tcpladder/" + folder}}
	p, err := list.Start()
	if err != nil {
		return nil, err
	}
	defer p.Kill()
	dir, ok := p.Stdout.First(proc.Patience)
	if !ok {
		return nil, fmt.Errorf("go list %s: %s", folder, p.Stderr.Last())
	}
	sources := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	inside, _ := filepath.Glob(filepath.Join(dir, "*", "*.go"))
	for _, file := range append(files, inside...) {
		name, err := filepath.Rel(dir, file)
		if err != nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sources[filepath.ToSlash(name)] = string(text)
	}
	return sources, nil
}

// openBrowser asks the desktop to open a page. It is no harm if there is none: the
// address is printed.
func openBrowser(url string) {
	for _, opener := range []string{"xdg-open", "open"} {
		cmd := exec.Command(opener, url)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is not for the browser
		if cmd.Start() == nil {
			go cmd.Wait()
			return
		}
	}
}
