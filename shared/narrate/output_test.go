package narrate

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A full is a pipe that is full to the brim, and what is read from it.
type full struct {
	t             *testing.T
	reader, write int
	filling       int // bytes
}

// openPipe returns a pipe whose writing end blocks, as standard error does.
func openPipe(t *testing.T) *full {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	p := &full{t: t, reader: fds[0], write: fds[1]}
	unix.SetNonblock(p.reader, true)
	t.Cleanup(func() {
		unix.Close(p.reader)
		unix.Close(p.write)
	})
	return p
}

func (p *full) fill() {
	unix.SetNonblock(p.write, true)
	for _, size := range []int{4096, 1} {
		for {
			n, err := unix.Write(p.write, []byte(strings.Repeat("#", size)))
			if err != nil {
				break
			}
			p.filling += n
		}
	}
	unix.SetNonblock(p.write, false)
}

// read returns what is in the pipe, without the filling.
func (p *full) read() string {
	p.t.Helper()
	var text []byte
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(p.reader, buf)
		if n <= 0 {
			if err != unix.EAGAIN {
				p.t.Fatalf("the end of the pipe: %v", err)
			}
			break
		}
		text = append(text, buf[:n]...)
	}
	if len(text) < p.filling {
		p.t.Fatalf("%d bytes, and %d of filling", len(text), p.filling)
	}
	text = text[p.filling:]
	p.filling = 0
	return string(text)
}

// narrateInto makes the process's narrator write to fd.
func narrateInto(t *testing.T, fd int, value string) *listener {
	t.Helper()
	l := listen(t, value)
	l.out.fd = fd
	return l
}

// within fails if f takes longer than any machine needs for what does not wait.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("still not done after %v", limit)
	}
}

func TestAFullPipeDropsAndCounts(t *testing.T) {
	p := openPipe(t)
	o := &output{fd: p.write}
	for dropped, notice := range map[int]string{
		1:    "… 1 line dropped: nobody was reading\n",
		1234: "… 1,234 lines dropped: nobody was reading\n",
	} {
		p.fill()
		within(t, 30*time.Second, func() {
			for i := range dropped {
				if o.begin(fmt.Sprintln("line", i), 0) {
					t.Error("a line has got into a full pipe")
				}
				if o.begin("half a line, which counts when it is whole", 0) || o.finish("") {
					t.Error("half a line has got into a full pipe")
				}
			}
		})
		if o.open {
			t.Error("a line is open that was not begun")
		}
		if text := p.read(); text != "" {
			t.Errorf("behind the filling: %q", text)
		}
		o.begin("next\n", 0)
		o.begin("and one more\n", 0)
		if got, want := p.read(), notice+"next\nand one more\n"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// Whatever is written and whenever it is read: each line is there once, or
// counted.
func TestNoLineIsLost(t *testing.T) {
	p := openPipe(t)
	o := &output{fd: p.write}
	const lines = 5000
	text := ""
	for i := range lines {
		o.begin(fmt.Sprintf("line %d%s\n", i, strings.Repeat("=", i%700)), 0)
		if i%1000 == 900 {
			text += p.read()
		}
	}
	text += p.read()
	o.begin("", 0)
	text += p.read()
	whole := len(regexp.MustCompile(`(?m)^line \d+=*$`).FindAllString(text, -1))
	dropped := 0
	for _, notice := range regexp.MustCompile(`(?m)^… ([0-9,]+) lines? dropped`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(strings.ReplaceAll(notice[1], ",", ""))
		dropped += n
	}
	if whole+dropped != lines || dropped == 0 || whole == 0 {
		t.Errorf("%d lines are there and %d were dropped, of %d", whole, dropped, lines)
	}
}

// makeRoom takes as little out of a full pipe as poll needs to call it writable.
func (p *full) makeRoom(o *output) {
	for buf := make([]byte, 256); !o.ready(0); {
		n, err := unix.Read(p.reader, buf)
		if err != nil {
			p.t.Fatal(err)
		}
		p.filling -= n
	}
}

func TestATornLine(t *testing.T) {
	p := openPipe(t)
	o := &output{fd: p.write}
	p.fill()
	p.makeRoom(o)
	long := strings.Repeat("x", 1<<20) + "\n"
	start := time.Now()
	within(t, 10*time.Second, func() {
		if o.begin(long, 0) {
			t.Error("a line of 1 MiB has got into the pipe")
		}
	})
	if waited := time.Since(start); waited < tearing*3/4 {
		t.Errorf("the rest has waited %v for a reader who is busy", waited)
	}
	if torn := p.read(); torn == "" || strings.Trim(torn, "x") != "" {
		t.Errorf("the beginning of the line: %.50q", torn)
	}
	o.begin("next\n", 0)
	if got, want := p.read(), "…\n… 1 line dropped: nobody was reading\nnext\n"; got != want {
		t.Errorf("behind a torn line: %q, want %q", got, want)
	}
}

// The notice is out and the line behind it is not: then the notice is not
// repeated, and the line is counted.
func TestALineTornBehindANotice(t *testing.T) {
	p := openPipe(t)
	o := &output{fd: p.write, dropped: 7}
	p.fill()
	p.makeRoom(o)
	o.begin(strings.Repeat("x", 1<<20)+"\n", 0)
	told := p.read()
	o.begin("next\n", 0)
	told += p.read()
	const want = `^… 7 lines dropped: nobody was reading\n(x+…\n)?… 1 line dropped: nobody was reading\nnext\n$`
	if !regexp.MustCompile(want).MatchString(told) {
		t.Errorf("told %.60q to %q", told, told[max(0, len(told)-120):])
	}
}

func TestALongLineInPieces(t *testing.T) {
	p := openPipe(t)
	o := &output{fd: p.write}
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 4000} {
		line := strings.Repeat("x", size) + "\n"
		if !o.begin(line, 0) || p.read() != line {
			t.Errorf("a line of %d bytes is not there as it was", size)
		}
	}
}

func TestHalvesOfALineInAPipe(t *testing.T) {
	p := openPipe(t)
	o := &output{fd: p.write}
	if o.finish(" = 1\n") {
		t.Error("the second half of no line")
	}
	o.begin("read(7)", 0)
	if !o.finish(" = 1\n") || o.finish(" = 1\n") {
		t.Error("a line is not finished once")
	}
	o.begin("read(8)", 0)
	p.fill()
	if o.finish(" = 2\n") || o.begin("read(8) = 2\n", 0) {
		t.Error("something has got into a full pipe")
	}
	if got := strings.Trim(p.readAll(), "#"); got != "read(7) = 1\nread(8)" {
		t.Errorf("told %q", got)
	}
	if o.finish(" = 2\n") {
		t.Error("a line was finished behind others that were dropped")
	}
	o.begin("read(9)", 0)
	o.finish(" = 3\n")
	if got, want := p.read(), "…\n… 1 line dropped: nobody was reading\nread(9) = 3\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	o.begin("read(9)", 0)
	o.begin("", 0) // ends it
	o.begin("", 0)
	o.begin("last\n", 0)
	if got, want := p.read(), "read(9)…\nlast\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// readAll returns what is in the pipe, with the filling.
func (p *full) readAll() string {
	p.filling = 0
	return p.read()
}

// The narrator goes on where it was when it was last read.
func TestNarrationIntoAFullPipe(t *testing.T) {
	p := openPipe(t)
	narrateInto(t, p.write, "true")
	call := Enter(Call{Name: "read", Arg: 7})
	p.fill()
	within(t, 10*time.Second, func() {
		call.Return(1, nil)
		Enter(Call{Name: "read", Arg: 7}).Return(2, nil)
		Done(Call{Name: "close", Arg: 7})
		logLine("client: gone")
	})
	p.readAll()
	call = Enter(Call{Name: "read", Arg: 8})
	call.Return(3, nil)
	if got, want := p.read(), "…\n… 4 lines dropped: nobody was reading\nread(8) = 3\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestCloseSaysWhatWasDropped(t *testing.T) {
	p := openPipe(t)
	narrateInto(t, p.write, "false")
	p.fill()
	logLine("a line")
	p.read()
	Close()
	if got, want := p.read(), "… 1 line dropped: nobody was reading\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestCloseAndFatalIntoAFullPipe(t *testing.T) {
	p := openPipe(t)
	p.fill()
	narrateInto(t, p.write, "true")
	logLine("a line")
	within(t, 10*time.Second, Close)
	narrateInto(t, p.write, "true")
	logLine("a line")
	start := time.Now()
	within(t, 10*time.Second, func() { Fatal("it is over") })
	if waited := time.Since(start); waited < 900*time.Millisecond {
		t.Errorf("Fatal has waited %v for a reader, want a second", waited)
	}
	if got := p.read(); got != "" {
		t.Errorf("told %q", got)
	}
}

func TestFatalWaitsForALateReader(t *testing.T) {
	for _, value := range []string{"false", "json"} {
		p := openPipe(t)
		p.fill()
		narrateInto(t, p.write, value)
		logLine("a line")
		text := make(chan string)
		time.AfterFunc(100*time.Millisecond, func() { text <- p.read() })
		done := make(chan struct{})
		go func() {
			defer close(done)
			Fatal("it is over")
		}()
		told := <-text
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(told, "it is over"); {
			if time.Now().After(deadline) {
				t.Fatalf("told %q, want the last line", told)
			}
			unix.Poll([]unix.PollFd{{Fd: int32(p.reader), Events: unix.POLLIN}}, 1000)
			told += p.read()
		}
		<-done
		if value == "false" && told != "… 1 line dropped: nobody was reading\nit is over\n" {
			t.Errorf("told %q", told)
		}
	}
}

// What cannot be written at all is dropped: a pipe whose reader has gone, a
// descriptor that is closed, a disk that is full.
func TestNobodyThere(t *testing.T) {
	p := openPipe(t)
	folder, err := os.Open(t.TempDir()) // open for reading
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	unix.Close(p.reader)
	for _, fd := range []int{p.write, 99999, int(folder.Fd())} {
		o := &output{fd: fd}
		if o.begin("a line\n", time.Second) || o.begin("a line\n", 0) || o.dropped != 2 || o.open {
			t.Errorf("descriptor %d: %d lines dropped, want 2", fd, o.dropped)
		}
	}
	p.reader = -1
}
