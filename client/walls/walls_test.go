package main

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"example/tcpladder/client/internal/target"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
)

// servers builds all servers, once for all tests.
var servers = sync.OnceValues(func() (*lab, error) {
	return newLab(context.Background(), builder, true, func(string, ...any) {})
})

var builder = target.NewBuilder()

func TestMain(m *testing.M) {
	status := m.Run()
	builder.Close()
	os.Exit(status)
}

// long skips a test that takes seconds, unless TCPLADDER_LONG=1 asks for it.
func long(t *testing.T) {
	if !echotest.LongRun() {
		t.Skip("measures for some seconds: set TCPLADDER_LONG=1")
	}
}

// measured measures a wall, quickly. It is a real measurement on whatever
// machine this is: the tests look at its structure, and at ratios with wide
// margins, and never at a time.
func measured(t *testing.T, w wall) *table {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to build the servers with")
	}
	l, err := servers()
	if err != nil {
		t.Fatal(err)
	}
	data := newTable(w.columns...)
	data.machine = machine(l.pinned)
	if err := w.measure(l, data); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	w.show(&shown, data)
	t.Logf("\n%s", &shown)
	fits(t, shown.String())
	return data
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

// On 01 nobody is served before the client before has left. From 02 on everybody
// is served before anybody leaves; that could fail on a machine that stops for
// longer than the clients stay, so it has three chances.
func TestOneAtATime(t *testing.T) {
	for range 3 {
		data := measured(t, turns)
		for i := range 2 {
			_, _, left := served(data, "01", threeNames[i])
			if _, first, _ := served(data, "01", threeNames[i+1]); first < left {
				t.Errorf("01: client %d was served before client %d had left", i+2, i+1)
			}
		}
		if together(data) {
			return
		}
	}
	t.Error("not all clients of 02 to 05 were served at the same time, three times")
}

// together reports whether on each rung from 02 on the last first echo came
// before the first client left.
func together(data *table) bool {
	for _, server := range rungs[1:] {
		lastFirst, firstLeft := 0.0, longest(data)
		for _, client := range threeNames {
			_, first, left := served(data, server, client)
			lastFirst, firstLeft = max(lastFirst, first), min(firstLeft, left)
		}
		if lastFirst > firstLeft {
			return false
		}
	}
	return true
}

func TestBurning(t *testing.T) {
	long(t)
	data := measured(t, burning)
	busy := data.where("server", "02").number(0, "cpu_percent")
	for i := range data.rows {
		if server, cpu := data.text(i, "server"), data.number(i, "cpu_percent"); server != "02" && cpu > busy/4 {
			t.Errorf("%s uses %.2f %% of a CPU for nothing, 02 %.2f %%", server, cpu, busy)
		}
	}
}

// What 04 and 05 spend on an echo does not depend on the idle clients, as it does
// on 02: among the most of them the difference is great.
func TestIdle(t *testing.T) {
	long(t)
	data := measured(t, idle)
	most := func(server string) float64 {
		part := data.where("server", server)
		return part.number(len(part.rows)-1, "cpu_us_per_echo")
	}
	for _, server := range []string{"04", "05"} {
		if most(server) > most("02")/3 {
			t.Errorf("among the most idle clients an echo costs %s %.1f µs of CPU, and 02 %.1f µs", server, most(server), most("02"))
		}
	}
}

func TestBoundaries(t *testing.T) {
	data := measured(t, boundaries)
	part := func(server, who string) []float64 {
		return data.where("server", server).where("who", who).numbers("bytes")
	}
	sent := part("04", "client sends")
	for _, who := range parties[1:] {
		if got := part("04", who); sum(got) != sum(sent) {
			t.Errorf("04: %s %v bytes, %v were sent", who, sum(got), sum(sent))
		}
	}
	if got := part("05", "client receives"); !slices.Equal(got, sent) {
		t.Errorf("05: frames of %v bytes came back, frames of %v were sent", got, sent)
	}
	// The last message is longer than the buffer that it is read into.
	if longest := slices.Max(part("04", "server reads")); longest >= sent[len(sent)-1] {
		t.Errorf("04 read %v bytes at once", longest)
	}
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

func TestUnread(t *testing.T) {
	long(t)
	data := measured(t, unread)
	for _, server := range data.distinct("server") {
		part := data.where("server", server)
		if most := slices.Max(part.numbers("rss_mib")); most > 64 {
			t.Errorf("%s: %v MiB", server, most)
		}
		if slices.Max(part.numbers("sent_mib")) == 0 {
			t.Errorf("%s: nothing was sent", server)
		}
	}
}

func TestThroughput(t *testing.T) {
	long(t)
	data := measured(t, throughput)
	if want := len(cells) * (len(rungs) + 1); len(data.rows) != want {
		t.Fatalf("%d rows, want %d", len(data.rows), want)
	}
	for i := range data.rows {
		server, connections, silent := data.text(i, "server"), data.number(i, "connections"), data.number(i, "silent")
		if server == "01" && silent != connections-1 {
			t.Errorf("01: %v of %v connections got no echo, want all but one", silent, connections)
		}
		if server != "01" && silent != 0 {
			t.Errorf("%s: %v of %v connections got no echo", server, silent, connections)
		}
	}
}

// The data of the course can be shown and drawn, and its page is made from them.
func TestCourse(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	page, err := os.ReadFile(filepath.Join(docs, "walls.md"))
	if err != nil {
		t.Skip(err)
	}
	out := t.TempDir()
	if err := os.CopyFS(filepath.Join(out, "data"), os.DirFS(filepath.Join(docs, "data"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "walls.md"), page, 0o666); err != nil {
		t.Fatal(err)
	}
	if status := run([]string{"-plot", "-out", out}); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	again, err := os.ReadFile(filepath.Join(out, "walls.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(page) {
		t.Error("docs/walls.md does not show what docs/data say: go run ./client/walls -plot")
	}
	for _, w := range walls {
		_, block, found := strings.Cut(string(page), "<!-- measured: "+w.name+" -->\n")
		if !found {
			t.Errorf("docs/walls.md has no block for %s", w.name)
		}
		block, _, _ = strings.Cut(block, "\nMeasured on ")
		fits(t, w.title+"\n"+block)
	}
	for _, name := range append(names(), glanceName) {
		if !strings.Contains(string(page), "(img/"+name+".svg)") {
			t.Errorf("docs/walls.md does not show %s.svg", name)
		}
		fresh, err := os.ReadFile(filepath.Join(out, "img", name+".svg"))
		if err != nil {
			t.Error(err)
		}
		if old, _ := os.ReadFile(filepath.Join(docs, "img", name+".svg")); string(old) != string(fresh) {
			t.Errorf("docs/img/%s.svg is not drawn from docs/data: go run ./client/walls -plot", name)
		}
	}
}

// With one wall alone there is no picture of all, and that is no failure.
func TestGlanceNeedsAll(t *testing.T) {
	out := t.TempDir()
	o := options{out: out}
	if err := os.MkdirAll(filepath.Join(out, "data"), 0o777); err != nil {
		t.Fatal(err)
	}
	data := newTable(burning.columns...)
	data.add("02", 81.0, 400000.0, "perf")
	if err := o.keep(burning, data); err != nil {
		t.Fatal(err)
	}
	if err := o.glance(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(out, "img", glanceName+".svg")); err == nil {
		t.Error("drawn without data")
	}
}

// The line of bytes goes from end to end, and bends only between messages.
func TestWarp(t *testing.T) {
	place := warp([]float64{16, 81}, 500)
	for byte, want := range map[float64]float64{0: 0, 8: 100, 16: 200, 97: 500} {
		if got := float64(place(byte)); math.Abs(got-want) > 1e-9 {
			t.Errorf("byte %v is at %v, want %v", byte, got, want)
		}
	}
}

func TestRunning(t *testing.T) {
	got := running([]float64{9, 1, 2, 100, 3, 4, 5}, 3)
	if want := []float64{2, 2, 2, 3, 4, 4, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := running([]float64{1, 3}, 5); !slices.Equal(got, []float64{2, 2}) {
		t.Errorf("fewer than n: %v", got)
	}
}

func TestSteps(t *testing.T) {
	for high, want := range map[float64]string{6: "0 1 2 3 4 5 6", 2000: "0 500 1000 1500 2000", 110: "0 20 40 60 80 100", 8.9: "0 2 4 6 8"} {
		var got []string
		for _, tick := range (steps{}).Ticks(0, high) {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("to %v: %s, want %s", high, s, want)
		}
	}
}

func TestTable(t *testing.T) {
	a := newTable("server", "value")
	a.machine = "a machine, with commas"
	a.add("01", 1.23456789)
	a.add("02", 1234567.0)
	a.add("net", 3)
	path := filepath.Join(t.TempDir(), "a.csv")
	var text strings.Builder
	if err := a.write(&text); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	b, err := readTable(path, a.columns)
	if err != nil {
		t.Fatal(err)
	}
	if b.machine != a.machine || !slices.Equal(b.numbers("value"), []float64{1.2346, 1234567, 3}) {
		t.Errorf("%q %v", b.machine, b.rows)
	}
	if _, err := readTable(path, []string{"other"}); err == nil {
		t.Error("other columns are no error")
	}
}

func TestRenew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := renew(path, "a", "text", "machine"); err != nil {
		t.Errorf("no page: %v", err)
	}
	os.WriteFile(path, []byte("before\n<!-- measured: a -->\nold\n<!-- end -->\nafter\n"), 0o666)
	for range 2 {
		if err := renew(path, "a", "new\n", "m"); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := os.ReadFile(path)
	want := "before\n<!-- measured: a -->\n```text\nnew\n```\n\nMeasured on m.\n<!-- end -->\nafter\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPictures(t *testing.T) {
	if got := bar(1.5, 3); got != strings.Repeat("█", wide/2) {
		t.Errorf("bar: %q", got)
	}
	if got := gantt(100, span{0, 50, '░'}, span{50, 100, '█'}); got != strings.Repeat("░", wide/2)+strings.Repeat("█", wide/2) {
		t.Errorf("gantt: %q", got)
	}
	if got := sparks([]float64{0, 1}, 1); got != "▁█" {
		t.Errorf("sparks: %q", got)
	}
	if got := si(1234567) + si(12345) + si(1.5); got != "1.23M12.3k1.5" {
		t.Errorf("si: %q", got)
	}
}

// A row of sizes keeps its ends, and is as wide as there is room.
func TestFields(t *testing.T) {
	data := newTable("bytes")
	for n := range 9 {
		data.add(n + 1)
	}
	for width, want := range map[int]string{
		19: "|1|2|3|4|5|6|7|8|9|", 18: "|1|2|3|4|…|7|8|9|", 17: "|1|2|3|4|…|7|8|9|", 15: "|1|2|3|…|7|8|9|", 5: "|1|…|",
	} {
		if got := fields(data, width); got != want {
			t.Errorf("%d columns: %s, want %s", width, got, want)
		}
	}
}

func TestUsage(t *testing.T) {
	fits(t, about)
	for args, want := range map[string]int{"-h": 0, "-only nothing": 2, "stray": 2, "-plot -out " + t.TempDir(): 1} {
		if got := run(strings.Fields(args)); got != want {
			t.Errorf("walls %s: exit status %d, want %d", args, got, want)
		}
	}
}
