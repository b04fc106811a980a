package proc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// TestMain is also a few programs, when a test starts it as one of them.
func TestMain(m *testing.M) {
	switch os.Getenv("PROC_TEST_PROGRAM") {
	case "handed":
		tellHanded()
	case "parent":
		startChild()
	case "owner":
		ownThings()
	default:
		echotest.Main(m, echo)
	}
}

// program is this test binary as one of the programs.
func program(name string) proc.Command {
	return proc.Command{Args: []string{os.Args[0]}, Env: []string{"PROC_TEST_PROGRAM=" + name}}
}

func shell(script string) proc.Command { return proc.Command{Args: []string{"sh", "-c", script}} }

func start(t *testing.T, c proc.Command) *proc.Process {
	t.Helper()
	p, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// ended waits for the end and returns what the process printed.
func ended(t *testing.T, p *proc.Process) (stdout string, code int) {
	t.Helper()
	code, err := p.Wait(proc.Patience)
	if err != nil {
		t.Fatalf("%v, it has printed:\n%s%s", err, p.Stdout.Text(), p.Stderr.Text())
	}
	return p.Stdout.Text(), code
}

func TestOutput(t *testing.T) {
	var lines []string
	c := shell("echo one; echo two >&2; printf three; printf 'four\nfive' >&2; exit 3")
	c.Line = func(line string) { lines = append(lines, line) }
	p := start(t, c)
	if out, code := ended(t, p); out != "one\nthree\n" || code != 3 || p.State() != "exit status 3" {
		t.Errorf("%q, status %d (%s)", out, code, p.State())
	}
	if got := p.Stderr.All(); !slices.Equal(got, []string{"two", "four", "five"}) || p.Stderr.Last() != "five" {
		t.Errorf("standard error %q, its last line %q", got, p.Stderr.Last())
	}
	if !slices.Equal(lines, []string{"two", "four"}) {
		t.Errorf("called with %q", lines)
	}
	c = shell("echo one; echo two >&2; echo three")
	c.Together = true
	if out, _ := ended(t, start(t, c)); out != "one\ntwo\nthree\n" {
		t.Errorf("together %q", out)
	}
}

func TestInput(t *testing.T) {
	p := start(t, shell("read a; echo $a; read b; echo $?"))
	io.WriteString(p.Stdin, "hello\n")
	if line, ok := p.Stdout.First(proc.Patience); !ok || line != "hello" {
		t.Errorf("%q, %v", line, ok)
	}
	p.Stdin.Close()
	if out, _ := ended(t, p); out != "hello\n1\n" {
		t.Errorf("%q", out)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c := shell("wc -c")
	c.Stdin = null
	if out, _ := ended(t, start(t, c)); strings.TrimSpace(out) != "0" {
		t.Errorf("/dev/null: %q", out)
	}
}

func TestErrorOutputToAFile(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := shell("echo oops >&2")
	c.Stderr = w
	p := start(t, c)
	w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	ended(t, p)
	if line != "oops\n" || err != nil || len(p.Stderr.All()) > 0 {
		t.Errorf("%q, %v, and collected %q", line, err, p.Stderr.All())
	}
}

func TestEnds(t *testing.T) {
	stubborn := shell("trap '' TERM; echo ready; while :; do sleep 1; done")
	stubborn.Group = true
	p := start(t, stubborn)
	p.Stdout.First(proc.Patience)
	p.Stop(10 * time.Millisecond)
	if !p.Exited() || !p.KilledBy(unix.SIGKILL) || p.KilledBy(unix.SIGTERM) {
		t.Errorf("after Stop: %s", p.State())
	}
	p = start(t, shell("exec sleep 60"))
	if _, err := p.Wait(time.Millisecond); err == nil || p.Exited() || p.Gone() {
		t.Error("a process that sleeps has ended")
	}
	p.Stop(proc.Patience)
	if !p.KilledBy(unix.SIGTERM) || !p.Gone() {
		t.Errorf("after Stop: %s", p.State())
	}
	<-p.Done()
	var none *proc.Process
	none.Kill()
	if _, err := (proc.Command{Args: []string{"/nonexistent"}}).Start(); err == nil {
		t.Error("there is no such program, and no error")
	}
}

// A group is ended with all that a shell has started.
func TestGroup(t *testing.T) {
	c := shell("sleep 60 & echo $!; wait")
	c.Group = true
	p := start(t, c)
	line, _ := p.Stdout.First(proc.Patience)
	child, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	wantGone(t, child)
}

// wantGone waits until there is no such process, or only its exit status.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	for end := time.Now().Add(proc.Patience); time.Now().Before(end); <-beat.C {
		out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if err != nil || strings.HasPrefix(strings.TrimSpace(string(out)), "Z") {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

func TestLimits(t *testing.T) {
	c := shell("ulimit -S -n; ulimit -H -n")
	c.Descriptors = 23
	if out, _ := ended(t, start(t, c)); out != "23\n23\n" {
		t.Errorf("ulimit -n: %q", out)
	}
	dir := t.TempDir()
	c = shell("pwd; echo $COLOUR")
	c.Dir, c.Env = dir, []string{"COLOUR=green"}
	if out, _ := ended(t, start(t, c)); !strings.HasSuffix(out, filepath.Base(dir)+"\ngreen\n") {
		t.Errorf("%q", out)
	}
}

// TestLaunch: whoever sets it starts the programs, and is given the whole command.
func TestLaunch(t *testing.T) {
	var launched []string
	proc.Launch = func(cmd *exec.Cmd) error {
		launched = cmd.Args
		return cmd.Start()
	}
	defer func() { proc.Launch = nil }()
	p := start(t, shell("read x"))
	if len(launched) == 0 || launched[0] != "sh" {
		t.Errorf("launched: %q", launched)
	}
	if p.OwnPid() != p.Pid {
		t.Errorf("pid %d calls itself %d", p.Pid, p.OwnPid())
	}
}

func TestReady(t *testing.T) {
	p := start(t, shell("echo hello; echo 'listening on 127.0.0.1:7 (pid 12)'; exec sleep 60"))
	if addr, err := p.Ready(t.Context()); addr != "127.0.0.1:7" || err != nil || p.Pid != 12 {
		t.Errorf("%q, %v, pid %d", addr, err, p.Pid)
	}
	_, err := start(t, shell("echo 'listening on nothing'; exit 3")).Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a server that ends: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := start(t, shell("exec sleep 60")).Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for _, line := range []string{"", "listening on x", " listening on x (pid 1)", "listening on x (pid 1) ", "listening on x y (pid 1)", "listening on x (pid -1)"} {
		if _, _, ok := proc.ParseReady(line); ok {
			t.Errorf("%q is taken for a ready line", line)
		}
	}
}

// One that gets its address need not say anything.
func TestReadyInSilence(t *testing.T) {
	c := proc.Command{Args: []string{"sh", "-c", `exec "$0" -addr "$1" >/dev/null`, os.Args[0], "{addr}"}, Env: []string{"ECHOTEST_SERVER=1"}}
	p := start(t, c)
	addr, err := p.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestLines(t *testing.T) {
	p := start(t, shell("echo a; printf b; read x; echo c; printf d; read x"))
	if !p.Stdout.WaitTail(proc.Patience, func(s string) bool { return s == "b" }) || p.Stdout.Text() != "a\nb" {
		t.Errorf("%q", p.Stdout.Text())
	}
	if _, ok := p.Stdout.Wait(time.Millisecond, func(line string) bool { return line == "b" }); ok {
		t.Error("half a line is taken for a whole one")
	}
	io.WriteString(p.Stdin, "\n")
	if line, ok := p.Stdout.Wait(proc.Patience, func(line string) bool { return line > "a" }); line != "bc" || !ok {
		t.Errorf("%q, %v", line, ok)
	}
	p.Stdin.Close()
	p.Stdout.WaitEnd(proc.Patience)
	if all := p.Stdout.All(); !slices.Equal(all, []string{"a", "bc", "d"}) {
		t.Errorf("%q", all)
	}
	if _, ok := p.Stdout.Wait(proc.Patience, func(string) bool { return false }); ok {
		t.Error("waits for what never comes")
	}
	var long strings.Builder
	for i := range 30 {
		fmt.Fprintf(&long, "echo %d;", i)
	}
	p = start(t, shell(long.String()))
	ended(t, p)
	if got := p.Stdout.Excerpt(); got != "0\n1\n2\n3\n4\n5\n...\n25\n26\n27\n28\n29" {
		t.Errorf("%q", got)
	}
}

// A flood is thrown away, but for its last line.
func TestFlood(t *testing.T) {
	p := start(t, shell("dd if=/dev/zero bs=65536 count=300 2>/dev/null; echo; yes 0123456789abcdef | head -n 1300000; echo end"))
	ended(t, p)
	if n := len(p.Stdout.Text()); n > 17<<20 || n < 15<<20 {
		t.Errorf("%d bytes are kept", n)
	}
	if p.Stdout.Last() != "end" {
		t.Errorf("the last line is %.40q", p.Stdout.Last())
	}
}

// While its output is held a process gets stuck, and is seen to end.
func TestHold(t *testing.T) {
	p := start(t, shell("echo ready; exec yes"))
	p.Stdout.First(proc.Patience)
	release := p.Stdout.Hold()
	before := len(p.Stdout.Text())
	if err := p.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	beat := time.NewTicker(time.Millisecond)
	defer beat.Stop()
	for end := time.Now().Add(proc.Patience); !p.Gone() && time.Now().Before(end); {
		<-beat.C
	}
	if !p.Gone() || len(p.Stdout.Text()) != before {
		t.Errorf("gone: %v; %d bytes, then %d", p.Gone(), before, len(p.Stdout.Text()))
	}
	release()
	ended(t, p)
}

func TestUsage(t *testing.T) {
	began := time.Now()
	p := start(t, shell("while :; do :; done"))
	for end := time.Now().Add(3 * proc.Patience); ; {
		cpu, err := p.CPU()
		if err != nil {
			t.Fatal(err)
		}
		if cpu > time.Second {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a busy process has used %v", cpu)
		}
		if share, err := p.Share(100 * time.Millisecond); err != nil || share < 0 {
			t.Errorf("share of a CPU %v, %v", share, err)
		}
	}
	cpu, _ := p.CPU()
	wanted, err := p.Wanted()
	if most := time.Since(began); err != nil || runtime.GOOS == "linux" && wanted < cpu || wanted > most+time.Second { // ps(1) may round up
		t.Errorf("within %v, a busy process has used %v and wanted %v, %v", most, cpu, wanted, err)
	}
	if err := p.Suspend(); err != nil {
		t.Fatal(err)
	}
	if state, err := p.RunState(); err != nil || !strings.HasPrefix(state, "T") {
		t.Errorf("suspended, in state %q, %v", state, err)
	}
	p.Kill()
	if cpu, err := p.CPU(); err != nil || cpu < time.Second {
		t.Errorf("after the end: %v, %v", cpu, err)
	}
}

func TestMemory(t *testing.T) {
	p := start(t, shell("exec sleep 60"))
	resident, mapped, err := p.Memory()
	if err != nil || resident < 4096 || mapped < resident || resident > 1<<30 {
		t.Errorf("resident %d, mapped %d, %v", resident, mapped, err)
	}
	if cpu, err := p.CPU(); err != nil || cpu > time.Second {
		t.Errorf("a process that sleeps has used %v, %v", cpu, err)
	}
	p.Kill()
	if _, _, err := p.Memory(); err == nil {
		t.Error("a process that has ended has memory")
	}
}

func TestDescriptors(t *testing.T) {
	p := start(t, shell("echo few; read x; exec 5</dev/null 6</dev/null 7</dev/null; echo more; read x"))
	count := func(word string) int {
		if _, ok := p.Stdout.Wait(proc.Patience, func(line string) bool { return line == word }); !ok {
			t.Fatalf("no line %q", word)
		}
		n, err := p.Descriptors()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	few := count("few")
	io.WriteString(p.Stdin, "\n")
	if more := count("more"); few < 3 || more != few+3 {
		t.Errorf("%d descriptors, and 3 more are %d", few, more)
	}
}

func TestBuild(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, _, err := proc.Build(dir, "."); !errors.Is(err, proc.ErrCannotBuild) {
		t.Errorf("no sources: %v", err)
	}
	write("go.mod", "module example/hello\n\ngo 1.26.0\n")
	file := write("main.go", "package main\n\nfunc main() { println(\"hello\") }\n")
	t.Setenv("GOWORK", "off")
	other := write("other.txt", "package main\n\nfunc main() { println(\"overlay\") }\n")
	overlay := write("overlay.json", fmt.Sprintf(`{"Replace": {%q: %q}}`, file, other))
	for want, flags := range map[string][]string{"hello": nil, "overlay": {"-overlay", overlay}} {
		program, remove, err := proc.Build(dir, ".", flags...)
		if errors.Is(err, proc.ErrCannotBuild) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, proc.Command{Args: []string{program}})
		if ended(t, p); p.Stderr.Last() != want {
			t.Errorf("flags %q: it says %q", flags, p.Stderr.Last())
		}
		remove()
		if _, err := os.Stat(filepath.Dir(program)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is not removed: %v", program, err)
		}
	}
	write("main.go", "package main\n\nfunc main() { nonsense }\n")
	_, _, err := proc.Build(dir, ".")
	var said *proc.BuildError
	if !errors.As(err, &said) || !strings.Contains(said.Output, "undefined: nonsense") || !strings.Contains(err.Error(), said.Output) {
		t.Errorf("it does not compile, and the error is %v", err)
	}
}
