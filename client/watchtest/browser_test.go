package watchtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// patience bounds every wait in these tests.
const patience = 30 * time.Second

// A tab is a page in a browser, and the watch that serves it.
type tab struct {
	*testing.T
	ctx   context.Context
	watch *proc.Process
	url   string
}

// chromium finds the browser. It skips short runs: a browser takes a second core.
func chromium(t *testing.T) string {
	t.Helper()
	if !echotest.LongRun() {
		t.Skip("set TCPLADDER_LONG=1")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no chromium")
	return ""
}

// watch starts client watch with args, and opens its page.
func watch(t *testing.T, args ...string) *tab {
	t.Helper()
	browser := chromium(t)
	program, remove, err := proc.Build("..", ".")
	if errors.Is(err, proc.ErrCannotBuild) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	p, err := proc.Command{Args: append([]string{program, "watch", "-open=false"}, args...), Stderr: os.Stderr}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(unix.SIGINT)
		if code, err := p.Wait(patience); err != nil || code != 0 {
			t.Errorf("Ctrl-C: exit status %d, %v", code, err)
		}
		p.Kill()
	})
	line, _ := p.Stdout.First(patience)
	b := open(t, browser)
	b.watch, b.url = p, regexp.MustCompile(`http://\S+`).FindString(line)
	b.run(chromedp.Navigate(b.url))
	b.until(`end.server?.is === "runs" && end.sampleAt > 0`)
	return b
}

// open opens a browser with an empty page, the size of a projector's.
func open(t *testing.T, browser string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox,
		chromedp.Flag("js-flags", "--expose-gc"), chromedp.Flag("enable-precise-memory-info", true))
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(all)
	t.Cleanup(end)
	chromedp.ListenTarget(ctx, func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the page: %s", e.ExceptionDetails.Error())
		}
	})
	if err := chromedp.Run(ctx); err != nil { // the browser lives as long as its first context
		t.Skipf("chromium does not start: %v", err)
	}
	b := &tab{T: t, ctx: ctx}
	b.run(chromedp.EmulateViewport(1280, 720))
	return b
}

// run carries out actions.
func (b *tab) run(actions ...chromedp.Action) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

// ask evaluates an expression in the page.
func ask[T any](b *tab, expression string) (v T) {
	b.Helper()
	b.run(chromedp.Evaluate(expression, &v, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// until polls until an expression is true: the page has no event for it.
func (b *tab) until(expression string) {
	b.Helper()
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	for deadline := time.Now().Add(patience); !ask[bool](b, "!!("+expression+")"); <-beat.C {
		if time.Now().After(deadline) {
			b.shoot("failed")
			b.Fatalf("not within %v: %s; the page says:\n%s", patience, expression, ask[string](b, `["error", "lanes", "asks", "now", "calls"].map((id) => $(id).innerText).join("\n")`))
		}
	}
}

// click clicks the button for an action: of a client, or of the page if client is "".
func (b *tab) click(does, client string) {
	b.Helper()
	button := fmt.Sprintf(`[data-do="%s"]`, does)
	if client != "" {
		b.choose(client)
		button = "#lane-" + client + " " + button
	}
	b.until(`document.querySelector('` + button + `:enabled')`)
	b.run(chromedp.Click(button))
}

// add adds a client, which the page then chooses.
func (b *tab) add(name string) {
	b.Helper()
	b.click("add", "")
	b.until(`chosen === "` + name + `" && end.sample.pipes?.` + name)
}

func (b *tab) choose(client string) {
	b.Helper()
	if !ask[bool](b, `chosen === "`+client+`"`) {
		b.run(chromedp.Click("#lane-" + client + " .who"))
		b.until(`chosen === "` + client + `" && document.querySelector("#lane-` + client + ` .deeds")`)
	}
}

// send types a line and waits until the client begins to send it.
func (b *tab) send(client, line string) {
	b.Helper()
	b.choose(client)
	sent := ask[int](b, "end.clients."+client+".sent")
	b.run(chromedp.SendKeys("#lane-"+client+" input", line+"\n"))
	b.until(fmt.Sprintf("end.clients.%s.sent > %d", client, sent))
}

// shows waits until the text of a part of the page matches a pattern.
func (b *tab) shows(part, pattern string) {
	b.Helper()
	b.until(fmt.Sprintf("/%s/.test(document.querySelector(%q)?.innerText)", pattern, part))
}

// shoot takes screenshots, if TCPLADDER_SHOTS names a folder for them.
func (b *tab) shoot(name string) {
	folder := os.Getenv("TCPLADDER_SHOTS")
	if folder == "" {
		return
	}
	for _, size := range [][2]int64{{1280, 720}, {1920, 1080}, {390, 844}} {
		for _, scheme := range []string{"light", "dark"} {
			var picture []byte
			b.run(chromedp.EmulateViewport(size[0], size[1]),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
				chromedp.CaptureScreenshot(&picture))
			file := filepath.Join(folder, fmt.Sprintf("%s-%d-%s.png", name, size[0], scheme))
			if err := os.WriteFile(file, picture, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.run(chromedp.EmulateViewport(1280, 720))
}
