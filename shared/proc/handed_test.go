package proc_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
	"example/tcpladder/shared/socket"
)

// tellHanded tells what this program was handed, and stays until it is told to go.
func tellHanded() {
	before := closeOnExec()
	files := proc.Handed()
	fmt.Println("touched:", before != closeOnExec())
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Println(name, files[name])
	}
	_, left := os.LookupEnv("PROC_HANDED")
	fmt.Println("variable left:", left)
	select {}
}

// closeOnExec tells of which descriptors that is set.
func closeOnExec() (set [32]int) {
	for fd := range set {
		set[fd], _ = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	}
	return set
}

// startChild starts a program that ends when this one does, and says its number.
func startChild() {
	c := program("handed")
	c.Lifeline = true
	p, err := c.Start()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	p.Stdout.Wait(proc.Patience, func(line string) bool { return strings.HasPrefix(line, "variable") })
	fmt.Println(p.Pid)
	select {}
}

// ownThings owns a process and a folder, and leaves nothing behind.
func ownThings() {
	proc.ExitOnSignal()
	dir, _, err := proc.TempDir()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	c := shell("trap '' TERM; sleep 60 & echo $!; wait")
	c.Group = true
	p, err := c.Start()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	child, _ := p.Stdout.First(proc.Patience)
	fmt.Println(dir, p.Pid, child)
	_, err = p.Wait(10 * proc.Patience)
	p.Kill()
	fmt.Println("the process has ended:", err)
}

// echo is a server for echotest.
func echo() {
	addr := flag.String("addr", "", "")
	flag.Parse()
	listener, err := socket.Listen(*addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, _ := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, func() { os.Exit(0) })
	fmt.Printf("listening on %v (pid %d)\n", socket.Addr(listener), os.Getpid())
	for {
		fd, _, err := socket.Accept(listener)
		if err == nil {
			go serve(fd)
		}
	}
}

func serve(fd int) {
	defer socket.Close(fd)
	for buf := make([]byte, 4096); ; {
		n, err := socket.Read(fd, buf)
		if n <= 0 || err != nil {
			return
		}
		for p := buf[:n]; len(p) > 0; p = p[n:] {
			if n, err = socket.Write(fd, p); err != nil {
				return
			}
		}
	}
}

func TestHanded(t *testing.T) {
	c := program("handed")
	c.Lifeline = true
	c.Files = map[string]*os.File{"blue": os.Stdin, "zebra": os.Stdout}
	p := start(t, c)
	p.Stdout.Wait(proc.Patience, func(line string) bool { return strings.HasPrefix(line, "variable") })
	if got := p.Stdout.Text(); got != "touched: true\nblue 3\nzebra 5\nvariable left: false\n" {
		t.Errorf("handed:\n%s", got)
	}
	if p.Exited() {
		t.Errorf("it has ended: %s", p.State())
	}
}

// What the environment says is there must be there, and nothing else is touched.
func TestHandedIsNotThere(t *testing.T) {
	for _, says := range []string{"", "lifeline=3:4096:1:1", "lifeline=3", "lifeline=", "lifeline=99:0:0:0", "=", ",,", "lifeline=-1:0:0:0", "x=y=z:3"} {
		for name, around := range odd {
			t.Run(says+"/"+name, func(t *testing.T) {
				c := program("handed")
				c.Args = []string{"sh", "-c", around, os.Args[0]}
				c.Env, c.Group = append(c.Env, "PROC_HANDED="+says), true
				p := start(t, c)
				p.Stdout.Wait(proc.Patience, func(line string) bool { return strings.HasPrefix(line, "variable") })
				if got := p.Stdout.Text(); got != "touched: false\nvariable left: false\n" {
					t.Errorf("it says\n%s", got)
				}
			})
		}
	}
}

// odd are ways to start a program, $0, that a shell, flock(1) or a supervisor has.
var odd = map[string]string{
	"plain":            `exec "$0" "$@"`,
	"files":            `exec "$0" "$@" 3</dev/null 4</dev/null 5</dev/null 9</dev/null`,
	"locked":           `exec "$0" "$@" 3<"$0" 9<"$0"`,
	"closed input":     `exec "$0" "$@" <&-`,
	"dead pipe":        `{ sleep 0; } | { exec "$0" "$@" 3<&0 4<&0; }`,
	"dead pipe, input": `{ sleep 0; } | { exec "$0" "$@" 3<&0 4<&0 <&-; }`,
	"live pipe":        `exec "$0" "$@" 3<&0 4<&0 </dev/null`,
}

// A suite passes whatever starts it, and whatever descriptors are open.
func TestSuiteUnderOddParents(t *testing.T) {
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, around := range odd {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := proc.Command{Args: []string{"sh", "-c", around, self, "-test.run=^TestSuite$"}, Together: true, Group: true}
			if out, code := ended(t, start(t, c)); code != 0 || !strings.Contains(out, "PASS") {
				t.Errorf("exit status %d\n%s", code, out)
			}
		})
	}
}

// TestSuite runs some checks that start servers in several ways.
func TestSuite(t *testing.T) {
	promises := echotest.Promises{Concurrent: true, Sleeps: true}
	self, err := echotest.Self(promises)
	if err != nil {
		t.Fatal(err)
	}
	list := echotest.Checks(promises)
	names := []string{"echo", "half-close", "accept-one-client", "stop-idle", "port-taken", "keep-alive", "low-limits"}
	list = slices.DeleteFunc(list, func(c echotest.Check) bool { return !slices.Contains(names, c.Name) })
	if len(list) != len(names) {
		t.Fatalf("%d checks of %d", len(list), len(names))
	}
	echotest.RunChecks(t, self, list)
}

// A program with a lifeline ends when its starter is killed.
func TestLifeline(t *testing.T) {
	p := start(t, program("parent"))
	line, _ := p.Stdout.First(proc.Patience)
	child, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(child, 0); err != nil {
		t.Fatalf("the child is not there: %v", err)
	}
	p.Kill()
	wantGone(t, child)
}

// An interrupt leaves nothing behind.
func TestExitOnSignal(t *testing.T) {
	for sig, status := range map[unix.Signal]int{unix.SIGINT: 130, unix.SIGTERM: 143} {
		p := start(t, program("owner"))
		line, _ := p.Stdout.First(proc.Patience)
		words := strings.Fields(line)
		if len(words) != 3 {
			t.Fatalf("%q", line)
		}
		if err := p.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if said, code := ended(t, p); code != status || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: exit status %d, want %d and no other word:\n%s", sig, code, status, said)
		}
		if _, err := os.Stat(words[0]); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: the folder %s is still there: %v", sig, words[0], err)
		}
		for _, word := range words[1:] {
			pid, _ := strconv.Atoi(word)
			wantGone(t, pid)
		}
	}
}
