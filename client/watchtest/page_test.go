package watchtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// picture returns what the page shows of a moment.
const picture = `document.querySelector("header").outerHTML + document.querySelector("main").outerHTML + $("calls").outerHTML + $("when").textContent`

// TestThereAndBack: stepping back and then forward shows each moment the same way
// twice, and the page computes the same states as the server.
func TestThereAndBack(t *testing.T) {
	b := watch(t, "03")
	b.add("A")
	b.add("B")
	b.send("A", "hello")
	b.click("flood", "A")
	b.until(`events.some((e) => e.k === "key" && e.n > 0)`)
	b.click("deaf", "A")
	b.until("end.asked?.write && end.clients.A.left > 0")
	b.click("reset", "A")
	b.send("B", "hi")
	b.click("term", "")
	b.shows("#now", "ended")
	b.until("Object.values(end.clients).every((c) => c.over)")
	ask[bool](b, quiet)
	const steps = 25
	shown := []string{}
	b.run(chromedp.Evaluate(`document.activeElement.blur()`, nil))
	for range steps {
		b.run(chromedp.KeyEvent(kb.ArrowLeft))
		shown = append(shown, ask[string](b, picture))
	}
	for i := steps - 2; i >= 0; i-- {
		b.run(chromedp.KeyEvent(kb.ArrowRight))
		if got := ask[string](b, picture); got != shown[i] {
			t.Fatalf("%d steps back, the page differs from the way there: %s", i+1, difference(got, shown[i]))
		}
	}
	b.run(chromedp.KeyEvent(" "))
	b.until("moment === null")
	if wrong := ask[string](b, sameStates); wrong != "" {
		t.Error(wrong)
	}
}

// quiet waits until nothing has come for a while: a client's last update comes late.
const quiet = `new Promise((done) => {
	let had = -1;
	const timer = setInterval(() => {
		if (had === end.at) done(clearInterval(timer) ?? true);
		had = end.at;
	}, 500);
})`

// difference shows where two texts first differ.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(0, i-80)
	return fmt.Sprintf("%q and %q", a[from:min(len(a), i+80)], b[from:min(len(b), i+80)])
}

// sameStates compares the state in each key, which the server computed, with the one
// the page computes from the events before it.
const sameStates = `(() => {
	const sorted = (v) => v && typeof v === "object" && !Array.isArray(v) ? Object.fromEntries(Object.keys(v).sort().filter((k) => v[k] !== undefined).map((k) => [k, sorted(v[k])])) : v;
	const plain = ({ at, ...s }) => JSON.stringify(sorted({ ...s, inside: s.inside?.call, last: s.last?.call }));
	let s = fresh(), keys = 0;
	for (const e of events) {
		if (e.k === "key" && e.n > 0) {
			keys++;
			if (plain(s) !== plain(e.state)) return "before event " + e.n + ":\n" + plain(s) + "\n" + plain(e.state);
		}
		s = step(s, structuredClone(e));
	}
	return keys ? "" : "there is no key to compare: " + events.length + " events";
})()`

// TestSecondTab: another tab shows the same.
func TestSecondTab(t *testing.T) {
	b := watch(t, "01")
	b.add("A")
	b.send("A", "hello")
	second := open(t, chromium(t))
	second.run(chromedp.Navigate(b.url))
	second.until("end.clients.A?.got === 6")
	second.run(chromedp.Click(`[data-do="add"]`))
	b.until("end.clients.B")
	second.until("end.clients.B")
}

// TestHostile: a page from elsewhere can neither drive the watch nor read it.
func TestHostile(t *testing.T) {
	b := watch(t, "01")
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>evil</title>")
	}))
	defer elsewhere.Close()
	evil := open(t, chromium(t))
	evil.run(chromedp.Navigate(elsewhere.URL))
	for name, try := range map[string]string{
		"read the page":   `fetch(URL).then((r) => r.text())`,
		"read the source": `fetch(URL + "about").then((r) => r.text())`,
		"read events":     `new Promise((yes, no) => { const s = new EventSource(URL + "events"); s.onmessage = (m) => yes(m.data); s.onerror = no; })`,
		"run its script":  `new Promise((yes, no) => { const s = document.createElement("script"); s.src = URL + "app.js"; s.onload = yes; s.onerror = no; document.head.append(s); })`,
		"act":             `fetch(URL + "do", { method: "POST", body: '{"do":"add"}' }).then((r) => r.text())`,
		"frame it":        `new Promise((yes, no) => { const f = document.createElement("iframe"); f.src = URL; f.onload = () => { try { f.contentWindow.location.href; no(); } catch { setTimeout(() => f.contentWindow.length === 0 ? no() : yes(), 200); } }; document.body.append(f); })`,
	} {
		got := ask[string](evil, "("+strings.ReplaceAll(try, "URL", `"`+b.url+`"`)+`).then((text) => "did: " + text, () => "refused")`)
		if got != "refused" {
			t.Errorf("%s: %.100s", name, got)
		}
	}
	// A form may post to any site; what it lacks is the token.
	evil.run(chromedp.Evaluate(`{ const f = document.createElement("form"); f.method = "post"; f.enctype = "text/plain"; f.action = "`+b.url+`do";
		const i = document.createElement("input"); i.name = '{"do":"add","x":"'; i.value = '"}'; f.append(i); document.body.append(f); f.submit(); }`, nil))
	evil.shows("body", "elsewhere")
	if ask[bool](b, "!!end.clients.A") {
		t.Error("a page from elsewhere has added a client")
	}
}

// TestAccessible: axe-core, in the file that TCPLADDER_AXE names, finds nothing.
func TestAccessible(t *testing.T) {
	script, err := os.ReadFile(os.Getenv("TCPLADDER_AXE"))
	if err != nil {
		t.Skip("TCPLADDER_AXE names no axe.min.js")
	}
	for _, rung := range []string{"01", "03", "05"} {
		b := watch(t, rung)
		b.add("A")
		b.send("A", "hello")
		b.add("B")
		b.send("B", "hi")
		b.click("close", "A")
		b.click("idle-100", "")
		b.run(chromedp.Evaluate(string(script), nil))
		for _, when := range []string{"live", "back"} {
			b.run(chromedp.Evaluate(`go("`+when+`")`, nil))
			b.noViolations(rung + ", " + when)
		}
	}
}

// TestRecorded: the page in docs opens on each wall, from disk alone, plays, goes back,
// and fits on a phone.
func TestRecorded(t *testing.T) {
	b := open(t, chromium(t))
	file, err := filepath.Abs("../../docs/watch.html")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Skip(err)
	}
	b.run(network.Enable(), network.EmulateNetworkConditions(true, 0, 0, 0)) // offline
	axe, _ := os.ReadFile(os.Getenv("TCPLADDER_AXE"))
	for rung, wall := range map[string]string{
		"01": `read\(\d+\)[^]*B waits for A`,
		"02": `awake[^]*It never sleeps`,
		"03": `select\(1024\)`,
		"04": `frozen`,
		"05": `epoll_wait`,
	} {
		b.run(chromedp.Navigate("about:blank"), chromedp.Navigate("file://"+file+"#"+rung))
		b.shows("#now", wall)
		first := ask[string](b, picture)
		for range 5 {
			b.run(chromedp.KeyEvent(kb.ArrowLeft))
		}
		for range 5 {
			b.run(chromedp.KeyEvent(kb.ArrowRight))
		}
		if got := ask[string](b, picture); got != first {
			t.Errorf("%s: five steps back and five forward, the page differs: %s", rung, difference(got, first))
		}
		b.run(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(" "))
		b.until("playing && momentRow() > 3")
		b.run(chromedp.KeyEvent(" "))
		b.until("!playing")
		if len(axe) > 0 {
			b.run(chromedp.Evaluate(string(axe), nil))
			b.noViolations(rung)
		}
		b.run(chromedp.EmulateViewport(390, 844))
		if width := ask[int](b, "document.documentElement.scrollWidth"); width > 390 {
			t.Errorf("%s: it is %d pixels wide on a 390-pixel phone", rung, width)
		}
		b.run(chromedp.EmulateViewport(1280, 720))
		b.run(chromedp.Navigate("about:blank"), chromedp.Navigate("file://"+file+"#"+rung))
		b.shoot("recorded-" + rung)
	}
}

// noViolations runs axe-core, which has been loaded into the page.
func (b *tab) noViolations(what string) {
	b.Helper()
	found := ask[[]string](b, `axe.run({ resultTypes: ["violations"] }).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + " " + n.failureSummary)))`)
	for _, violation := range found {
		b.Errorf("%s: %s", what, violation)
	}
}

// TestNoGrowth: neither the watch nor the page grows while watching 02 for ten minutes.
func TestNoGrowth(t *testing.T) {
	b := watch(t, "02")
	b.add("A")
	const minutes = 10
	var resident, heap []float64
	measure := func() {
		b.run(chromedp.Evaluate("globalThis.gc?.()", nil))
		r, _, err := (&proc.Process{Pid: b.watch.Pid}).Memory()
		if err != nil {
			t.Fatal(err)
		}
		resident = append(resident, float64(r)/(1<<20))
		heap = append(heap, ask[float64](b, "performance.memory.usedJSHeapSize")/(1<<20))
	}
	for range minutes {
		time.Sleep(time.Minute) // the time being measured, not a wait
		measure()
	}
	t.Logf("resident %.1f MiB, heap of the page %.1f MiB", resident, heap)
	if last := len(resident) - 1; resident[last] > resident[0]+5 || heap[last] > heap[0]+10 {
		t.Error("memory grows")
	}
}

// TestEnd: when the watch is gone, the page says so.
func TestEnd(t *testing.T) {
	b := watch(t, "04")
	b.watch.Signal(unix.SIGINT)
	b.until(`/the watch has ended/.test($("status").textContent)`)
	if ok, _ := regexp.MatchString("epoll|kevent", ask[string](b, "document.body.innerText")); !ok {
		t.Error("the last picture is gone")
	}
}
