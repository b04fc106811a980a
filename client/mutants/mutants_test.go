package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
)

// tiny writes a module of one package and returns its folder.
func tiny(t *testing.T, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command here")
	}
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "") // of a run of mutants of this very command
	dir := t.TempDir()
	files["go.mod"] = "module example/tiny\n\ngo 1.26.0\n"
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// changes lists the mutants of a text, without their file.
func changes(t *testing.T, text string) (list []string) {
	t.Helper()
	s, err := readSource(tiny(t, map[string]string{"tiny.go": "package tiny\n" + text}), ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.mutants("tiny") {
		list = append(list, m.change())
	}
	return list
}

func TestKinds(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"a statement": {"var n int\nfunc f() { n++ }", []string{
			"f statement deleted: - func f() { n++ } | + func f() {  }"}},
		"a variable that is used no more": {"func f() { n := g(); g2(n) }\nfunc g() (n int) { return }\nfunc g2(int) {}", []string{
			"f statement deleted: - func f() { n := g(); g2(n) } | + func f() { n := g();  }"}},
		"an import that is used no more": {"import \"os\"\nfunc f() {\n\tos.Getpid()\n}", []string{
			"f statement deleted: - os.Getpid() | +"}},
		"a condition": {"func f(a, b bool) int {\n\tif a && !b {\n\t\treturn -1\n\t}\n\tpanic(a)\n}", []string{
			"f statement deleted: - if a && !b { return -1 } | +",
			"f condition negated: - if a && !b { | + if !(a && !b) {",
			"f condition negated: - if a && !b { | + if !a && !b {",
			"f condition negated: - if a && !b { | + if a && b {",
			"f statement deleted: - return -1 | +",
			"f constant changed: - return -1 | + return 0"}},
		"a comparison": {"func f(a, b int) bool { return a <= b }", []string{
			"f comparison moved: - func f(a, b int) bool { return a <= b } | + func f(a, b int) bool { return a < b }"}},
		"equal": {"func f(a int) bool { return a == f2 }\nvar f2 int", []string{
			"f comparison moved: - func f(a int) bool { return a == f2 } | + func f(a int) bool { return a != f2 }"}},
		"a count": {"const c = 4 // four", []string{"c constant changed: - const c = 4 | + const c = 5"}},
		"a size":  {"const c = 4 << 10", []string{"c constant changed: - const c = 4 << 10 | + const c = 40 << 10"}},
		"a time": {"import \"time\"\nconst c = time.Second", []string{
			"c constant changed: - const c = time.Second | + const c = (10 * time.Second)"}},
		"a time with a factor": {"import \"time\"\nconst c = 2 * time.Second", []string{
			"c constant changed: - const c = 2 * time.Second | + const c = 20 * time.Second"}},
		"a truth": {"var c = true", []string{"c constant changed: - var c = true | + var c = false"}},
		"a case": {"var n int\nfunc f() {\n\tswitch n {\n\tcase m:\n\t\tn++\n\t\tn++\n\t}\n}\nvar m int", []string{
			"f case emptied: - n++ n++ | +",
			"f statement deleted: - n++ | +"}},
		"an error": {"import \"os\"\nfunc f() error {\n\tif err := os.Chdir(\"\"); err != nil {\n\t\treturn err\n\t}\n\treturn os.Chdir(\"\")\n}", []string{
			"f error dropped: - if err := os.Chdir(\"\"); err != nil { | + if err := os.Chdir(\"\"); false && err != nil {",
			"f condition negated: - if err := os.Chdir(\"\"); err != nil { | + if err := os.Chdir(\"\"); err == nil {",
			"f statement deleted: - return err | +",
			"f error dropped: - return err | + return nil",
			"f error dropped: - return os.Chdir(\"\") | + _ = os.Chdir(\"\"); return nil"}},
		"an error behind a result": {"func f(n int, err error) (int, error) { return n, err }", []string{
			"f error dropped: - func f(n int, err error) (int, error) { return n, err } | + func f(n int, err error) (int, error) { return n, nil }"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := changes(t, c.text); !slices.Equal(got, c.want) {
				t.Errorf("mutants:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// Lines that look alike in one function are told apart, and a method has its type.
func TestNames(t *testing.T) {
	got := changes(t, "type T struct{ n int }\nfunc (t *T) f() {\n\tt.n++\n\tt.n--\n\tt.n++\n}")
	want := []string{"T.f statement deleted: - t.n++ | +", "T.f statement deleted: - t.n-- | +", "T.f statement deleted: - t.n++ | + (2)"}
	if !slices.Equal(got, want) {
		t.Errorf("mutants %q, want %q", got, want)
	}
}

// half tests one of two functions, and has a loop that ends, a copy of which does not.
var half = map[string]string{
	"tiny.go": `package tiny

func tested(n int) bool { return n > 3 }

func untested(n int) bool { return n < 3 }

func loop() (n int) {
	for n < 5 {
		n++
	}
	return n
}
`,
	"tiny_test.go": `package tiny

import "testing"

func TestTested(t *testing.T) {
	if tested(3) || !tested(4) {
		t.Error("wrong")
	}
}

func TestLoop(t *testing.T) { loop() }
`}

// judgeTiny runs the command's session on a module.
func judgeTiny(t *testing.T, dir, only, known string, change func(*options)) (out, log string, clean bool) {
	t.Helper()
	o := options{width: 2, limit: time.Minute, only: regexp.MustCompile(only),
		modules: []module{{"tiny", []string{"."}, []judge{{".", ""}}}}}
	if change != nil {
		change(&o)
	}
	var stdout, stderr bytes.Buffer
	s, err := newSession(o, dir, known, &stdout, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	if clean, err = s.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), clean
}

const survivor = "tiny.go:5 untested comparison moved: - func untested(n int) bool { return n < 3 } | + func untested(n int) bool { return n <= 3 }\n"

func TestSurvivors(t *testing.T) {
	dir := tiny(t, half)
	out, _, clean := judgeTiny(t, dir, "tested", "", nil)
	want := survivor +
		"tiny.go:5 untested constant changed: - func untested(n int) bool { return n < 3 } | + func untested(n int) bool { return n < 4 }\n" +
		"  module  mutants  equivalent  caught     %  survivors\n" +
		"    tiny        4           0       2  50.0          2\n"
	if out != want || clean {
		t.Errorf("clean: %v, output:\n%swant:\n%s", clean, out, want)
	}
}

// What go test's time limit ends was not caught.
func TestTimeLimitIsNoCatch(t *testing.T) {
	dir := tiny(t, half)
	out, _, clean := judgeTiny(t, dir, `loop statement deleted: - n\+\+`, "", func(o *options) { o.limit = time.Second })
	if !strings.HasPrefix(out, "timed out: tiny.go:9 loop statement deleted: - n++ | +\n") || clean {
		t.Errorf("clean: %v, output:\n%s", clean, out)
	}
}

func TestKnown(t *testing.T) {
	dir := tiny(t, half)
	moved, constant := "untested comparison", "untested constant"
	for name, c := range map[string]struct {
		only, known string
		row         string // of the table, without spaces
		clean       bool
	}{
		"harmless":         {moved, "[harmless]\n" + strings.TrimSpace(survivor) + "  # why\n", "tiny110-0", true},
		"known":            {moved, "[known]\n# a comment\n" + strings.ReplaceAll(strings.TrimSpace(survivor), ":5 ", " ") + "  # why\n", "tiny1000.01", true},
		"a pattern":        {moved, "[known]\n" + strings.Replace(strings.TrimSpace(survivor), "tiny.go:5 ", "t*.go ", 1) + "  # why\n", "tiny1000.01", true},
		"another survivor": {constant, "[known]\n" + strings.TrimSpace(survivor) + "  # why\n", "tiny1000.01", false},
		"stale":            {"tested constant.*n > ", "[known]\ntiny.go gone statement deleted: - x | +  # why\n", "tiny101100.00", false},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, clean := judgeTiny(t, dir, c.only, c.known, nil)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			row := strings.ReplaceAll(lines[len(lines)-1], " ", "")
			if row != c.row || clean != c.clean {
				t.Errorf("clean: %v, output:\n%s", clean, out)
			}
			if name == "stale" && !strings.Contains(out, "known.txt:2: this mutant no longer exists: tiny.go gone") {
				t.Errorf("no complaint about line 2:\n%s", out)
			}
		})
	}
}

// The compiler knows that some mutants are the same program.
func TestEquivalent(t *testing.T) {
	dir := tiny(t, map[string]string{
		"tiny.go":      "package tiny\n\nconst debug = false\n\nfunc f(n int) int {\n\tif debug {\n\t\tn++\n\t}\n\treturn n\n}\n",
		"tiny_test.go": "package tiny\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { f(1) }\n"})
	out, _, clean := judgeTiny(t, dir, `- n\+\+ `, "", nil)
	if want := "tiny        1           1       0  -          0\n"; !strings.HasSuffix(out, want) || !clean {
		t.Errorf("clean: %v, output:\n%swant at the end:\n%s", clean, out, want)
	}
}

func TestRegisterRefuses(t *testing.T) {
	for _, text := range []string{"f.go f statement deleted: - x | +  # why", "[known]\nf.go f statement deleted: - x | +", "[known]\nf.go  # why"} {
		if _, err := readRegister(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// The project's own list can be read; that each line has its mutant is for a run.
func TestKnownTextIsWellFormed(t *testing.T) {
	if _, err := readRegister(knownText); err != nil {
		t.Error(err)
	}
}

func TestResume(t *testing.T) {
	dir := tiny(t, half)
	file := filepath.Join(t.TempDir(), "results")
	resume := func(o *options) { o.resume = file }
	first, _, _ := judgeTiny(t, dir, "comparison", "", resume)
	results, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(results, []byte("\n")); n != 3 {
		t.Errorf("%d results, want 3:\n%s", n, results)
	}
	os.WriteFile(file, append(results, `{"key": "cut sh`...), 0o666)
	again, _, _ := judgeTiny(t, dir, "comparison", "", resume)
	if now, _ := os.ReadFile(file); bytes.Count(now, []byte("\n")) != 3 || again != first {
		t.Errorf("a second run has other results:\n%s\n%s", now, again)
	}

	// Other tests are other verdicts.
	test := filepath.Join(dir, "tiny_test.go")
	os.WriteFile(test, []byte(strings.Replace(half["tiny_test.go"], "tested(3) ||", "tested(3) || untested(3) ||", 1)), 0o666)
	out, _, clean := judgeTiny(t, dir, "tested comparison", "", func(o *options) { o.resume, o.survivors = file, true })
	if !strings.Contains(out, " 1           0       1  100.0 ") || !clean {
		t.Errorf("clean: %v; a new test catches the one survivor, but:\n%s", clean, out)
	}
}

func TestSample(t *testing.T) {
	var all []*mutant
	for range 100 {
		all = append(all, &mutant{})
	}
	one, same, other := sample(all, 10, 7), sample(all, 10, 7), sample(all, 10, 8)
	if len(one) != 10 || !slices.Equal(one, same) || slices.Equal(one, other) {
		t.Errorf("samples of %d, %d and %d", len(one), len(same), len(other))
	}
	if n := len(sample(all, 200, 7)); n != 100 {
		t.Errorf("a sample of 200 of 100 has %d", n)
	}
}

// What a test leaves behind ends with it: a pipe tells that nobody has it any more.
func TestNothingIsLeftBehind(t *testing.T) {
	dir := tiny(t, map[string]string{"tiny.go": "package tiny\n", "tiny_test.go": `package tiny

import ("os"; "os/exec"; "testing")

func TestLeaves(t *testing.T) {
	cmd := exec.Command("sleep", "3600")
	cmd.Stdin, _ = os.OpenFile(os.Getenv("TINY_PIPE"), os.O_RDWR, 0)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Error("stop here")
	select {}
}
`})
	name := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(name, 0o666); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	t.Setenv("TINY_PIPE", name)
	b := &bench{judge: judge{".", ""}, dir: dir, binary: filepath.Join(t.TempDir(), "tiny.test")}
	if complaint, err := build(context.Background(), dir, b.binary, ""); err != nil {
		t.Fatal(err, complaint)
	}
	o, err := b.execute(context.Background(), trialRun{binary: b.binary, temp: b.binary + ".tmp", limit: time.Second, pattern: "."})
	if err != nil || o.status != timedOut || !slices.Equal(o.hung, []string{"TestLeaves"}) {
		t.Errorf("%v, %v, %v\n%s", err, o.status, o.hung, o.text)
	}
	pipe.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := pipe.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a child of the test still has its pipe: %v", err)
	}
}

func TestOutcome(t *testing.T) {
	b := &bench{parent: "TestEcho"}
	read := func(text string) (o outcome) {
		for line := range strings.Lines(text) {
			o.read(strings.TrimSuffix(line, "\n"))
		}
		return o
	}
	if o := read("=== RUN   TestEcho\n    --- PASS: TestEcho/a (0.00s)\n    --- FAIL: TestEcho/b (1.00s)"); !b.firstFailure(o.failed) || b.leaf(o.failed) != "b" {
		t.Errorf("failed: %v", o.failed)
	}
	if o := read("--- FAIL: TestEcho (1.00s)"); b.firstFailure(o.failed) {
		t.Error("that the suite failed says nothing before a check has")
	}
	o := read("panic: test timed out after 1s\n\trunning tests:\n\t\tTestEcho (1s)\n\t\tTestEcho/a (1s)\n\ngoroutine 1")
	o.end(2, nil)
	if o.status != timedOut || b.leaf(o.hung) != "a" {
		t.Errorf("%v, running: %v", o.status, o.hung)
	}
}

// A question has one right answer among promises that hold, and shows its line.
func TestQuestion(t *testing.T) {
	s, err := readSource(tiny(t, half), ".")
	if err != nil {
		t.Fatal(err)
	}
	mutants := s.mutants("subject")
	m := mutants[slices.IndexFunc(mutants, func(m *mutant) bool { return m.kind == deleted && m.old == "n++" })]
	b := &bench{parent: "TestEcho", checks: map[string]promise{}}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		chapter := "this"
		if name > "e" {
			chapter = "another"
		}
		b.checks[name] = promise{"promise " + name + strings.Repeat(" and more", 12), chapter, false}
		b.tests = append(b.tests, test{name: name})
	}
	q := &question{m: m, words: b.checks, fails: []string{"c", "d"}, context: around(s, m), came: "=== RUN\nnot what was expected\n"}
	q.choose(b, rand.New(rand.NewPCG(1, 0)))
	if len(q.choices) != choices || q.choices[q.right] != "c" || slices.Contains(q.choices, "d") || !slices.Contains(q.choices, "a") {
		t.Errorf("choices: %v, right: %d", q.choices, q.right)
	}
	if want := "     7  func loop() (n int) {\n     8      for n < 5 {\n-    9          n++\n    10      }\n    11      return n\n    12  }\n"; q.context != want {
		t.Errorf("context:\n%swant:\n%s", q.context, want)
	}
	answer := q.answer(1)
	for _, want := range []string{") is right: the check c\n", "as good an answer: d\n", "| not what was expected\n"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
	file := filepath.Join(t.TempDir(), "answers")
	var out bytes.Buffer
	session := &session{options: options{answers: file}, out: &out}
	if err := session.put(1, q); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(file); string(kept) != answer+"\n" || err != nil || strings.Contains(out.String(), "right") {
		t.Errorf("%v, answers: %s\nquestion: %s", err, kept, &out)
	}
	fits(t, out.String())
}

// fits wants no line to be wider than a screen.
func fits(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := cli.Columns(strings.TrimRight(line, "\n")); n > cli.Width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// teacher

// An attempt at an exercise is asked about with the test that its solution has.
func TestExerciseTest(t *testing.T) {
	text, err := os.ReadFile("../../docs/exercises/solutions/exercise_test.go")
	if err != nil {
		t.Skipf("there are no solutions here: %v", err)
	}
	if exerciseTest != string(text) {
		t.Errorf("exerciseTest is\n%s, and the test of solutions is\n%s", exerciseTest, text)
	}
}

// /teacher

func TestCommandLine(t *testing.T) {
	fits(t, about)
	for _, args := range [][]string{{}, {"foo"}, {"-foo", "01"}, {"-n", "-1", "01"}, {"-only", "(", "01"}, {"-survivors", "01"},
		{"-question", "eventloop"}, {"-question", "01", "02"}, {"-dir", "."}, {"-question", "-dir", ".", "01"}} {
		if status := run(args); status != 2 {
			t.Errorf("%q: status %d, want 2", args, status)
		}
	}
	chosen, err := choose([]string{"3", "04", "05-framing", "frame"})
	if err != nil || len(chosen) != 4 || chosen[0].name != "03-select" || chosen[3].name != "frame" {
		t.Errorf("chosen: %v, %v", chosen, err)
	}
	if chosen, err = choose([]string{"all"}); len(chosen) != len(modules) || err != nil {
		t.Errorf("all are %d modules", len(chosen))
	}
}
