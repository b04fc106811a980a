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
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/faults"
	"example/tcpladder/client/internal/target"
	"example/tcpladder/client/internal/watch"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

const watchUsage = `usage: go run ./client watch [flags] [rung]

Builds and starts a rung (01 02 03 04 05; none named: 01) and opens a page in
the browser that shows its clients, the kernel's queues and the call it is in,
while you play with it:

  go run ./client watch 03

On Linux it also shows other servers, in any language, started by the command
after --; {addr} stands for a free address, {host} and {port} for its parts.
Such a server does not report its calls, and its source is not shown:

  go run ./client watch -- python3 server.py {addr}

With -record no page opens: it plays a script, as the chapters do, and writes
what happened to a file:

  go run ./client watch -record wall.json -script 'A+ A:hello B+ B>hi 1s' 01

With -publish it records the wall of each rung, for the page in docs.

Ctrl-C ends everything. Exit status: 0; 1 on failure, such as a rung that cannot
be built or started; 2 for a wrong command line.

`

// A watchOrder is a parsed watch command line.
type watchOrder struct {
	rung                    echotest.Rung
	stranger                []string // a command to run instead of a rung
	browse                  bool
	record, script, publish string
}

// watchRung runs the watch command and returns the exit status.
func watchRung(args []string) int {
	flags := flag.NewFlagSet("watch", flag.ContinueOnError)
	o, err := parseWatch(flags, args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(watchUsage)
		cli.Flags(os.Stdout, flags)
		return 0
	}
	if err != nil {
		cli.Complain("watch", fmt.Errorf("%w (-h lists the flags)", err))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, proc.CleanUp)
	err = o.carryOut(ctx)
	proc.CleanUp() // or waits for the call above to finish
	if err != nil && ctx.Err() == nil {
		cli.Complain("watch", err)
		return 1
	}
	return 0
}

// parseWatch reads the command line.
func parseWatch(flags *flag.FlagSet, args []string) (*watchOrder, error) {
	o := &watchOrder{rung: echotest.Rungs[0]}
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.browse, "open", true, "open the browser; -open=false only prints the address")
	flags.StringVar(&o.record, "record", "", "record -script to this `file`")
	flags.StringVar(&o.script, "script", "", "the `steps` to record, such as 'A+ A:hello 1s A-'")
	flags.StringVar(&o.publish, "publish", "", "record every wall into this `folder`, and build watch.html from them")
	args, o.stranger = faults.Split(args)
	names, err := mixed(flags, args)
	switch {
	case err != nil:
		return nil, err
	case len(names) > 1:
		return nil, fmt.Errorf("one rung at a time, not %s", strings.Join(names, " and "))
	case o.stranger != nil && (len(o.stranger) == 0 || len(names) > 0 || o.record+o.publish != ""):
		return nil, errors.New("-- needs a command, and takes no rung or recording")
	case (o.record == "") != (o.script == ""):
		return nil, errors.New("-record and -script go together")
	case o.publish != "" && (o.record != "" || len(names) > 0):
		return nil, errors.New("-publish cannot be combined with a rung or -record")
	case len(names) == 1:
		o.rung, err = echotest.FindRung(names[0])
	}
	return o, err
}

// carryOut runs the order until it is done or ctx ends.
func (o *watchOrder) carryOut(ctx context.Context) error {
	switch {
	case o.publish != "":
		return publishAll(ctx, o.publish)
	case o.record != "":
		return recordRung(ctx, o.rung, o.record, o.script)
	case o.stranger != nil:
		return watchUntil(ctx, watch.Subject{Name: filepath.Base(o.stranger[0]), Argv: o.stranger, Unknown: true}, o.browse)
	}
	subject, err := subjectOf(o.rung)
	if err != nil {
		return err
	}
	return watchUntil(ctx, subject, o.browse)
}

// subjectOf builds a rung and reads its sources.
func subjectOf(rung echotest.Rung) (watch.Subject, error) {
	program, err := target.NewBuilder().Rung(rung.Folder)
	if err != nil {
		return watch.Subject{}, err
	}
	sources, err := sourcesOf(rung.Folder)
	return watch.Subject{Name: rung.Folder, Argv: []string{program, "-addr", "127.0.0.1:0", "-v=json"}, Sources: sources, Framed: rung.Promises.Framed}, err
}

// watchUntil shows a server until ctx ends.
func watchUntil(ctx context.Context, subject watch.Subject, browse bool) error {
	target.Limit() // raises the limit: the crowd needs descriptors, and so does the server
	w := watch.New(subject)
	if err := w.Start(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String() + "/"
	fmt.Println(cli.Wrap(fmt.Sprintf("watching %s at %s (Ctrl-C ends it)", subject.Name, url), 2))
	if browse {
		openBrowser(url)
	}
	return watch.Serve(ctx, w, l)
}

// recordRung plays a script against a rung and writes the recording.
func recordRung(ctx context.Context, rung echotest.Rung, file, script string) error {
	subject, err := subjectOf(rung)
	if err != nil {
		return err
	}
	r, err := watch.Record(ctx, subject, []watch.Scene{{Steps: script}})
	if err != nil {
		return err
	}
	return os.WriteFile(file, r.JSON(), 0o644)
}

// publishAll records the wall of each rung into a folder and builds the page from the
// recordings. A recording of the same sources and the same script is kept.
func publishAll(ctx context.Context, folder string) error {
	var all []*watch.Recording
	for _, rung := range echotest.Rungs {
		r, err := published(ctx, rung, filepath.Join(folder, "recordings", rung.Folder+".json"))
		if err != nil {
			return fmt.Errorf("%s: %w", rung.Folder, err)
		}
		all = append(all, r)
	}
	page, err := watch.Page(all)
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "watch.html")
	fmt.Println(file)
	if err := os.WriteFile(file, page, 0o644); err != nil {
		return err
	}
	return stills(file, filepath.Join(folder, "img"))
}

// published returns the recording of a rung: a new one if the file is out of date.
func published(ctx context.Context, rung echotest.Rung, file string) (*watch.Recording, error) {
	scenes := watch.Scenes(rung.Folder)
	sources, err := sourcesOf(rung.Folder)
	if err != nil {
		return nil, err
	}
	if text, err := os.ReadFile(file); err == nil {
		if r, err := watch.ParseRecording(text); err == nil && r.Current(sources, scenes) {
			return r, nil
		}
	}
	subject, err := subjectOf(rung)
	if err != nil {
		return nil, err
	}
	r, err := watch.Record(ctx, subject, scenes)
	if err != nil {
		return nil, err
	}
	fmt.Println(file)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	return r, os.WriteFile(file, r.JSON(), 0o644)
}

// stills takes a screenshot of the page for each rung, as it opens.
func stills(page, folder string) error {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Println(cli.Wrap("no chromium: the pictures in "+folder+" are not updated", 2))
		return nil
	}
	if page, err = filepath.Abs(page); err != nil {
		return err
	}
	for _, rung := range echotest.Rungs {
		file := filepath.Join(folder, "watch-"+rung.Folder[:2]+".png")
		args := []string{browser, "--headless", "--hide-scrollbars", "--window-size=1280,720", "--screenshot=" + file, "file://" + page + "#" + rung.Folder[:2]}
		if os.Getuid() == 0 {
			args = append(args, "--no-sandbox") // chromium refuses to run as root without it
		}
		p, err := proc.Command{Args: args, Group: true}.Start()
		if err != nil {
			return err
		}
		code, err := p.Wait(stillTime)
		p.Kill()
		if err != nil || code != 0 {
			return fmt.Errorf("chromium: exit status %d, %v: %s", code, err, p.Stderr.Last())
		}
		fmt.Println(file)
	}
	return nil
}

// stillTime is far longer than a screenshot takes.
const stillTime = time.Minute

// sourcesOf reads the files of a rung, except tests, keyed by their names in -v=json.
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

// openBrowser asks the desktop to open a page. Failure does no harm: the address has
// been printed.
func openBrowser(url string) {
	for _, opener := range []string{"xdg-open", "open"} {
		cmd := exec.Command(opener, url)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // so that Ctrl-C does not reach the browser
		if cmd.Start() == nil {
			go cmd.Wait()
			return
		}
	}
}
