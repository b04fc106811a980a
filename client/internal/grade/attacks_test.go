package grade

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
)

// TestMain lets more tests run at once than there are CPUs: mostly they wait.
func TestMain(m *testing.M) {
	Inside()
	flag.Set("test.parallel", fmt.Sprint(2*runtime.GOMAXPROCS(0)))
	os.Exit(m.Run())
}

// An attack is a row of a table in docs/grading.md.
type attack struct {
	name       string
	everywhere bool   // it is stopped without a sandbox, too
	comesTo    string // the outcome
}

var row = regexp.MustCompile(`(?m)^\| .*\(\.\./client/internal/grade/testdata/attacks/([a-z-]+)\.txt\).*\| ([a-z0-9 ]+) \|$`)

// table reads docs/grading.md.
func table(t *testing.T) (list []attack) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top(t), "docs", "grading.md"))
	if err != nil {
		t.Skip("no docs/grading.md here")
	}
	everywhere, only, found := strings.Cut(string(text), "\n## Stopped only in the sandbox\n")
	if !found {
		t.Fatal("docs/grading.md has no part about the sandbox")
	}
	for i, part := range []string{everywhere, only} {
		for _, m := range row.FindAllStringSubmatch(part, -1) {
			list = append(list, attack{m[1], i == 0, m[2]})
		}
	}
	return list
}

// top is the top of the project, where there are its sources and the go command.
func top(t *testing.T) string {
	t.Helper()
	root, err := FindRoot(".")
	if err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
	return root
}

// TestTable wants a row for each attack, and an attack for each row.
func TestTable(t *testing.T) {
	var rows, files []string
	for _, a := range table(t) {
		rows = append(rows, a.name)
	}
	found, err := filepath.Glob("testdata/attacks/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		files = append(files, strings.TrimSuffix(filepath.Base(file), ".txt"))
	}
	slices.Sort(rows)
	if !slices.Equal(rows, files) || len(rows) < 12 {
		t.Errorf("docs/grading.md has %v\nand there are %v", rows, files)
	}
}

// TestAttacks makes each attack of the table: within the sandbox all of them, without
// it those that are said to be stopped everywhere.
func TestAttacks(t *testing.T) {
	long(t)
	sandbox := CanSandbox()
	scene := newScene(t)
	for _, a := range table(t) {
		if sandbox == nil {
			t.Run(a.name, func(t *testing.T) { t.Parallel(); scene.attack(t, a, false) })
		}
		if a.everywhere {
			t.Run(a.name+"-unsafe", func(t *testing.T) { t.Parallel(); scene.attack(t, a, true) })
		}
	}
	if sandbox != nil {
		t.Logf("the attacks that only a sandbox stops were not made: %v", sandbox)
	}
}

// TestTeeth: without a sandbox these attacks succeed. If they did not, TestAttacks would
// prove nothing.
func TestTeeth(t *testing.T) {
	long(t)
	scene := newScene(t)
	for _, name := range []string{"network", "read-solution", "run-solution", "disk", "memory"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if g := scene.grade(t, name, true); g.Points != 1 {
				t.Errorf("%d points, %s %s", g.Points, g.State, firstWhy(g))
			}
		})
	}
}

// A scene is what the attacks find.
type scene struct {
	root, scratch, addr string
	visits              atomic.Int64
}

func newScene(t *testing.T) *scene {
	s := &scene{root: top(t), scratch: t.TempDir()}
	os.Chmod(s.scratch, 0o777)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.addr = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.visits.Add(1)
			c.Close()
		}
	}()
	t.Setenv("TCPLADDER_TEST_SECRET", "1")
	before := programs()
	t.Cleanup(func() {
		if after := programs(); len(after) > len(before) {
			t.Errorf("programs are left: %v, and before there were %v", after, before)
		}
	})
	return s
}

// programs lists the processes that submissions have left.
func programs() (list []string) {
	found, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range found {
		if file, err := os.Readlink(link); err == nil && strings.HasPrefix(filepath.Base(file), "program") {
			list = append(list, link)
		}
	}
	return list
}

// attack wants an attack to come to what the table says, and to leave nothing.
func (s *scene) attack(t *testing.T, a attack, unsafe bool) {
	g := s.grade(t, a.name, unsafe)
	t.Log(g.State, g.Note, firstWhy(g))
	if got := fmt.Sprintf("%s %d points", g.State, g.Points); got != a.comesTo && string(g.State) != a.comesTo {
		t.Errorf("it comes to %q, and not to %q: %s", got, a.comesTo, firstWhy(g))
	}
	var text bytes.Buffer
	if err := errors.Join(report.JUnit(&text, "x", Suites([]*Grade{g})), Gradescope(&text, []*Grade{g})); err != nil {
		t.Error(err)
	}
	(&Table{Out: &text}).Add(g)
	if dirty := strings.ContainsFunc(text.String(), func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == '\u202e' }); dirty {
		t.Errorf("what the program printed reaches the report: %q", &text)
	}
	if entries, _ := os.ReadDir(s.scratch); a.name == "disk" && len(entries) > 0 || a.name == "network" && s.visits.Load() > 0 {
		t.Error("it has reached the outside")
	}
}

// grade grades a submission that makes an attack.
func (s *scene) grade(t *testing.T, name string, unsafe bool) *Grade {
	t.Helper()
	dir := t.TempDir()
	s.lay(t, dir, name)
	e, err := exercisetest.Find("01-threads")
	if err != nil {
		t.Fatal(err)
	}
	c := &Class{Root: s.root, Unsafe: unsafe, models: map[string]model{e.Name: {of: 1}},
		only: []string{"three-at-once"}, atMost: time.Minute, memory: 300 << 20}
	if name == "memory" && unsafe {
		c.memory = 4 << 30
	}
	source, err := collect(dir, e.Name, true)
	g, err := c.grade(context.Background(), e, taken{source, err})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// lay writes a submission that is right if its attack works, and no more than the rung
// otherwise.
func (s *scene) lay(t *testing.T, dir, name string) {
	t.Helper()
	base, err := solved(s.root, "01-threads")
	if err != nil {
		t.Fatal(err)
	}
	server := string(base.files["server.go"])
	right, wrong := "go s.welcome(fd, peer)", "client(func() { s.welcome(fd, peer) })"
	if !strings.Contains(server, right) {
		t.Fatalf("the solution has no %s", right)
	}
	base.files["server.go"] = []byte(strings.Replace(server, right, wrong, 1))
	base.files["works.go"] = []byte("package main\n\nvar works bool // the attack\n\n" +
		"func client(serve func()) {\n\tif works {\n\t\tgo serve()\n\t} else {\n\t\tserve()\n\t}\n}\n")
	text, err := os.ReadFile("testdata/attacks/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	gocmd, _ := exec.LookPath("go")
	filled := strings.NewReplacer("{ROOT}", s.root, "{ADDR}", s.addr, "{SCRATCH}", s.scratch, "{GO}", gocmd).Replace(string(text))
	if !strings.Contains(filled, "-- docs/exercises/01-threads -> ") {
		for file, text := range base.files {
			write(t, filepath.Join(dir, "docs/exercises/01-threads", file), string(text))
		}
	}
	for _, part := range strings.Split(filled, "\n-- ")[1:] {
		head, body, _ := strings.Cut(part, " --\n")
		layPart(t, dir, head, body)
	}
}

// layPart writes a file, or a symbolic link, or many files.
func layPart(t *testing.T, dir, head, body string) {
	t.Helper()
	if link, to, found := strings.Cut(head, " -> "); found {
		name := filepath.Join(dir, link)
		os.RemoveAll(name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.Symlink(to, name)); err != nil {
			t.Fatal(err)
		}
		return
	}
	if pattern, _, found := strings.Cut(head, " x 200"); found {
		for i := range 200 {
			write(t, filepath.Join(dir, fmt.Sprintf(pattern, i)), body)
		}
		return
	}
	write(t, filepath.Join(dir, head), body)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// long skips a test that takes minutes, unless it is asked for.
func long(t *testing.T) {
	t.Helper()
	if !echotest.LongRun() {
		t.Skip("set TCPLADDER_LONG=1")
	}
}
