package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/watch"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// A watched is the command watch, and what a page that it serves would know.
type watched struct {
	*proc.Process
	url, token string
	events     chan watchEvent

	// what is known so far
	pid    int
	addr   string
	inside *watchCall
	ports  map[string]int // by client
	pipes  map[string]watchPipe
	said   []string
	is     string
}

type watchCall struct {
	Call string
	Arg  int
	File string
	Line int
}

type watchPipe struct {
	Send, Receive, Reply, Take int64
	Queued                     bool
}

type watchEvent struct {
	K string
	watchCall
	Slept  *float64
	Inside *watchCall
	Client *struct {
		ID   string
		Port int
	}
	Server *struct {
		Is, Addr string
		Pid      int
		Said     []string
	}
	Sample struct{ Pipes map[string]watchPipe }
}

// startWatch watches a rung, or what follows --, and opens its page. It is interrupted at the end of the
// test, and must then be gone with all that it started.
func startWatch(t *testing.T, args ...string) *watched {
	t.Helper()
	p, err := proc.Command{Args: append([]string{goBuild(t, "."), "watch", "-open=false"}, args...), Stderr: os.Stderr}.Start()
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Process: p, events: make(chan watchEvent, 1000), ports: map[string]int{}, pipes: map[string]watchPipe{}}
	t.Cleanup(func() { w.interrupt(t) })
	line, ok := p.Stdout.First(patience)
	if w.url = regexp.MustCompile(`http://127\.0\.0\.1:\d+/`).FindString(line); !ok || w.url == "" {
		t.Fatalf("no address in %q", line)
	}
	page := w.get(t, "")
	defer page.Close()
	text, _ := io.ReadAll(page)
	w.token = regexp.MustCompile(`name="token" content="(\w+)"`).FindStringSubmatch(string(text))[1]
	go w.follow(w.get(t, "events"))
	w.await(t, "the server runs", func() bool { return w.is == "runs" })
	return w
}

func (w *watched) get(t *testing.T, path string) io.ReadCloser {
	t.Helper()
	r, err := http.Get(w.url + path)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("GET /%s: %v", path, err)
	}
	return r.Body
}

// follow reads the events until the watch ends.
func (w *watched) follow(body io.ReadCloser) {
	defer close(w.events)
	defer body.Close()
	for lines := bufio.NewReader(body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		var list []watchEvent
		if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &list) == nil {
			for _, e := range list {
				w.events <- e
			}
		}
	}
}

// await takes events until ok says that the state is right.
func (w *watched) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	for !ok() {
		select {
		case e, more := <-w.events:
			if !more {
				t.Fatalf("the watch ended before this: %s", what)
			}
			w.take(e)
		case <-late:
			t.Fatalf("not within %v: %s; known is %+v", patience, what, w)
		}
	}
}

func (w *watched) take(e watchEvent) {
	switch {
	case e.K == "enter":
		w.inside = &e.watchCall
	case e.K == "call" && e.Slept != nil:
		w.inside = nil
	case e.K == "gap", e.K == "seen":
		w.inside = e.Inside
	}
	if e.Client != nil {
		w.ports[e.Client.ID] = e.Client.Port
	}
	if e.Server != nil {
		w.is, w.said = e.Server.Is, e.Server.Said
		if e.Server.Addr != "" {
			w.addr, w.pid = e.Server.Addr, e.Server.Pid
		}
	}
	if e.Sample.Pipes != nil {
		w.pipes = maps.Clone(e.Sample.Pipes)
	}
}

// do has the page do something.
func (w *watched) do(t *testing.T, action, id, text string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"do": action, "id": id, "text": text})
	r, _ := http.NewRequest("POST", w.url+"do", strings.NewReader(string(body)))
	r.Header.Set("X-Token", w.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if why, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusNoContent {
		t.Fatalf("%s %s: %s", action, id, why)
	}
}

// interrupt ends the watch as Ctrl-C does.
func (w *watched) interrupt(t *testing.T) {
	w.Signal(unix.SIGINT)
	if code, err := w.Wait(patience); err != nil || code != 0 {
		t.Errorf("Ctrl-C: exit status %d, %v", code, err)
	}
	w.Kill()
	if w.pid != 0 {
		awaitThat(t, func() bool { // it has ended, and soon somebody knows
			state, err := (&proc.Process{Pid: w.pid}).RunState()
			return err != nil || strings.HasPrefix(state, "Z") || state == ""
		})
	}
}

// TestWatch: the wall of 01, and what the page says of it is what /proc says.
func TestWatch(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the queues are compared with /proc")
	}
	w := startWatch(t, "01")
	w.do(t, "add", "", "")
	w.do(t, "send", "A", "hello")
	w.do(t, "add", "", "")
	w.do(t, "send", "B", "hi")
	w.await(t, "B is in the queue with 3 bytes, and the server in read", func() bool {
		return w.inside != nil && w.inside.Call == "read" && w.pipes["B"].Queued && w.pipes["B"].Receive == 3
	})
	if w.inside.File != "conn.go" || w.inside.Line == 0 {
		t.Errorf("read is called in %s:%d", w.inside.File, w.inside.Line)
	}
	expectInQueue(t, w.addr, w.ports["B"], 3)
	expectAsleep(t, w.pid, fmt.Sprintf("%d %#x ", unix.SYS_READ, w.inside.Arg))

	w.do(t, "close", "A", "")
	w.await(t, "B has its echo", func() bool { return !w.pipes["B"].Queued && w.pipes["B"].Receive == 0 })

	w.do(t, "stop", "", "")
	w.do(t, "send", "B", "frozen")
	w.await(t, "B's bytes wait", func() bool { return w.pipes["B"].Receive == 7 })
	w.do(t, "cont", "", "")
	w.do(t, "term", "", "")
	w.await(t, "the server ends", func() bool { return w.is == "ended" })
	w.do(t, "start", "", "")
	w.await(t, "the server runs again", func() bool { return w.is == "runs" })
	w.do(t, "remove", "A", "")
	w.do(t, "add", "", "")
	w.await(t, "it has read A", func() bool { return w.inside != nil && w.inside.Call == "read" })
}

// TestWatchStranger: of a server that is no rung the kernel tells enough to see a wall.
func TestWatchStranger(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("that takes /proc")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip(err)
	}
	// Its log says what nobody has asked for, and the server is a child of the shell.
	const server = `
import socket, sys
l = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("hello from python", file=sys.stderr, flush=True)
while True:
    c, _ = l.accept()
    while data := c.recv(4096):
        c.sendall(data)
    c.close()
`
	w := startWatch(t, "--", "sh", "-c", `python3 -c "$0" "$1" "$2"; exit 1`, server, "{host}", "{port}")
	w.await(t, "it sleeps in accept", func() bool { return w.inside != nil && w.inside.Call == "accept" })
	w.do(t, "add", "", "")
	w.do(t, "send", "A", "hello")
	w.do(t, "add", "", "")
	w.do(t, "send", "B", "hi")
	w.await(t, "B is in the queue with 3 bytes, and the server in recv", func() bool {
		return w.inside != nil && w.inside.Call == "recv" && w.pipes["B"].Queued && w.pipes["B"].Receive == 3
	})
	expectInQueue(t, w.addr, w.ports["B"], 3)
	expectAsleep(t, w.pid, fmt.Sprintf("%d %#x ", unix.SYS_RECVFROM, w.inside.Arg))
	w.do(t, "close", "A", "")
	w.await(t, "B has its echo", func() bool { return !w.pipes["B"].Queued && w.pipes["B"].Receive == 0 })
	w.do(t, "term", "", "")
	w.await(t, "the server ends", func() bool { return w.is == "ended" })
}

// expectInQueue looks into /proc/net/tcp for a connection that nobody has accepted.
func expectInQueue(t *testing.T, addr string, peer, unread int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	var port int
	fmt.Sscanf(addr, "127.0.0.1:%d", &port)
	want := fmt.Sprintf("0100007F:%04X 0100007F:%04X 01 00000000:%08X", port, peer, unread)
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, want) {
			if inode := strings.Fields(line)[9]; inode != "0" {
				t.Errorf("its inode is %s: it was accepted", inode)
			}
			return
		}
	}
	t.Errorf("/proc/net/tcp has no row %q", want)
}

// expectAsleep looks for a thread that sleeps in a call.
func expectAsleep(t *testing.T, pid int, call string) {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	var seen []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Skip(err)
		}
		if strings.HasPrefix(string(text), call) {
			return
		}
		seen = append(seen, string(text))
	}
	t.Errorf("no thread is in %q: %q", call, seen)
}

// TestWatchUsage: a wrong command line is told in one line.
func TestWatchUsage(t *testing.T) {
	t.Parallel()
	client := goBuild(t, ".")
	for _, args := range [][]string{{"06"}, {"01", "02"}, {"-nonsense"}, {"--"}, {"01", "--", "true"}, {"-record", "x"}, {"-publish", "x", "01"}} {
		p, err := proc.Command{Args: append([]string{client, "watch"}, args...)}.Start()
		if err != nil {
			t.Fatal(err)
		}
		if code, _ := p.Wait(patience); code != 2 || len(p.Stderr.All()) != 1 {
			t.Errorf("%v: exit status %d and %q, want 2 and one line", args, code, p.Stderr.All())
		}
		p.Kill()
	}
}

// TestPublished: the page in docs is made of the recordings and of the page as they are
// now, and the recordings of the rungs as they are now.
func TestPublished(t *testing.T) {
	const docs = "../docs"
	want, err := os.ReadFile(docs + "/watch.html")
	if err != nil {
		t.Skip(err)
	}
	const again = "make it again: go run ./client watch -publish docs"
	var all []*watch.Recording
	for _, rung := range echotest.Rungs {
		text, err := os.ReadFile(docs + "/recordings/" + rung.Folder + ".json")
		if err != nil {
			t.Fatal(err)
		}
		r, err := watch.ParseRecording(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		sources, err := sourcesOf(rung.Folder)
		if err != nil {
			t.Skip(err)
		}
		if !r.Current(sources, watch.Scenes(rung.Folder)) {
			t.Errorf("%s, or its script, has changed since it was recorded: %s", rung.Folder, again)
		}
	}
	got, err := watch.Page(all)
	if err != nil || string(got) != string(want) {
		t.Errorf("docs/watch.html is not of these recordings and this page (%v): %s", err, again)
	}
	if len(want) > 1<<20 {
		t.Errorf("docs/watch.html has %d bytes, over 1 MB", len(want))
	}
}

// TestRecordedAgain: a rung that is recorded again makes the same calls.
func TestRecordedAgain(t *testing.T) {
	long(t)
	for _, rung := range echotest.Rungs {
		t.Run(rung.Folder, func(t *testing.T) {
			text, err := os.ReadFile("../docs/recordings/" + rung.Folder + ".json")
			if err != nil {
				t.Skip(err)
			}
			before, err := watch.ParseRecording(text)
			if err != nil {
				t.Fatal(err)
			}
			want, err := before.Outline()
			if err != nil {
				t.Fatal(err)
			}
			subject, err := subjectOf(rung)
			if err != nil {
				t.Skip(err)
			}
			r, err := watch.Record(t.Context(), subject, watch.Scenes(rung.Folder))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.Outline(); err != nil || got != want {
				t.Errorf("recorded again (%v), it is\n%s\nand was\n%s", err, got, want)
			}
		})
	}
}

// TestRecord: a script is played, and what cannot be is told in one line.
func TestRecord(t *testing.T) {
	t.Parallel()
	client, file := goBuild(t, "."), filepath.Join(t.TempDir(), "wall.json")
	for script, want := range map[string]string{
		`A+ A:hello A=\x00\x41 B+ B>hi 100ms A- B< B!reset term`: "",
		"B+":      "watch: step B+: clients are named A, B, ... in the order they connect",
		"A:hi":    "watch: step A:hi: not understood",
		"A+ A?x":  "watch: step A?x: '?' is not understood",
		`A+ A=\q`: `watch: step A=\q: invalid syntax`,
	} {
		p, err := proc.Command{Args: []string{client, "watch", "-record", file, "-script", script, "01"}}.Start()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Wait(patience); err != nil || strings.Join(p.Stderr.All(), "\n") != want {
			t.Errorf("%s: %v, %q, want %q", script, err, p.Stderr.All(), want)
		}
		p.Kill()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := watch.ParseRecording(text)
	if err != nil {
		t.Fatal(err)
	}
	outline, err := r.Outline()
	if want := "A connects\nA sends \"hello\"\nA sends the bytes \"\\x00A\"\nB connects\nB sends \"hi\"\nA half-closes: it will send no more\nB resets the connection\nserver: stops \nserver: ended exit status 0\n"; err != nil || !strings.Contains(outline, want) {
		t.Errorf("its outline is %v\n%s\nwhich has no\n%s", err, outline, want)
	}
	if !strings.Contains(outline, "read conn.go:") || !strings.Contains(outline, "accept server.go:") {
		t.Errorf("the calls are missing: %s", outline)
	}
}
