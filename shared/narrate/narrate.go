// Package narrate prints system calls and their results, and keeps whatever a
// program says on standard error from stopping it.
//
// With -v each call is one line:
//
//	accept(3) = 7  127.0.0.1:51514
//	read(7) = 6  "hello\n"
//	read(7) = EAGAIN  nothing there yet
//	select(8) = 2 ready  after 3.2 s
//
// The number in brackets is the call's first argument: for most calls a
// descriptor, for select(2) the highest descriptor plus one.
//
// The order of the lines is the order of the calls. A call that may sleep is
// printed in two halves on one line: the first half when it begins, the second
// when it returns. So the last line on the screen shows where a program sleeps.
// Only calls that did nothing, those that returned EAGAIN, are folded: after the
// first few they are counted, and the count is printed before the next call
// that did something, and once a second.
//
// With -v=json each call is a JSON object, for other programs: see [Flag].
package narrate

import (
	"flag"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	_ "example/tcpladder/shared/system"
)

// On reports whether the narration has been switched on. A caller looks at it
// before it prepares what to say, so that a silent server pays for one
// comparison and no more.
var On bool

// A Call is a system call: what it was asked, and what it returned.
type Call struct {
	Name    string
	Arg     int           // the first argument
	Result  int           // what it returned, unless
	Err     error         // it failed
	Words   string        // what the result means
	Bytes   []byte        // that were read or written
	FD      int           // the descriptor that a registration is about; 0: no registration
	Want    *Set          // what a wait or a registration asks for
	Ready   *Set          // what a wait reports
	Timeout time.Duration // how long the call may sleep; negative: until there is something to do

	waits bool      // for descriptors to become ready: Result is their number
	began time.Time // when it was entered, if it may sleep
	place place
}

// A Set names descriptors, by what is wanted of them or reported about them.
type Set struct {
	Read  []int `json:"read,omitempty"`
	Write []int `json:"write,omitempty"`
}

// Add adds fd.
func (s *Set) Add(fd int, read, write bool) {
	if read {
		s.Read = append(s.Read, fd)
	}
	if write {
		s.Write = append(s.Write, fd)
	}
}

// A narrator prints for one process. Its methods need the mutex.
type narrator struct {
	mu   sync.Mutex
	out  output
	log  limiter
	json bool

	half   *Call // its first half is the last thing printed
	folds  folds
	record record
}

var story = &narrator{out: output{fd: 2}}

// Flag defines the flag -name, which switches the narration on: in words, or as
// JSON with -name=json. It must be called by package main, which is how the
// places in the JSON objects become relative to the program's own folder.
func Flag(name, usage string) {
	_, file, _, _ := runtime.Caller(1)
	flag.Var(&mode{folder: filepath.Dir(file)}, name, usage)
}

// A mode is the value of the flag.
type mode struct {
	value, folder string
}

func (m *mode) IsBoolFlag() bool { return true }

func (m *mode) String() string { return m.value }

func (m *mode) Set(s string) error {
	on, err := strconv.ParseBool(s)
	if err != nil && s != "json" {
		return fmt.Errorf("not true, false or json")
	}
	story.mu.Lock()
	defer story.mu.Unlock()
	On, m.value = on || s == "json", s
	story.out.announce = nil
	if story.json = s == "json"; story.json {
		story.record = newRecord(m.folder)
		story.out.announce = story.announce
	}
	return nil
}

// Done narrates a call that could not sleep and has returned.
func Done(c Call) {
	if !On {
		return
	}
	story.mu.Lock()
	defer story.mu.Unlock()
	call := c // if c itself went to the heap, it would go there when the narration is off, too
	story.settle(&call)
}

// Registration narrates a call that changed what a poller watches fd for.
func Registration(name string, poller, fd int, read, write bool, err error) {
	if !On {
		return
	}
	words := "nothing"
	switch {
	case read && write:
		words = "read, write"
	case read:
		words = "read"
	case write:
		words = "write"
	}
	want := &Set{}
	want.Add(fd, read, write)
	Done(Call{Name: name, Arg: poller, Err: err, FD: fd, Want: want, Words: fmt.Sprintf("descriptor %d: %s", fd, words)})
}

// Enter narrates that a call which may sleep begins. Its Return must follow.
func Enter(c Call) *Call {
	c.began = time.Now()
	story.mu.Lock()
	defer story.mu.Unlock()
	if story.json {
		c.place = here()
		story.enter(&c)
		return &c
	}
	story.unfold()
	if story.text(c.head()) {
		story.half = &c
	}
	return &c
}

// Return narrates that the call has returned: n, or err if that is not nil.
func (c *Call) Return(n int, err error) {
	c.Result, c.Err = n, err
	story.mu.Lock()
	defer story.mu.Unlock()
	story.settle(c)
}

// Wait is Enter for a call that waits for descriptors to become ready. Fill in
// Ready before Return.
func Wait(c Call) *Call {
	c.waits, c.Ready = true, &Set{}
	return Enter(c)
}

// settle narrates a call that has returned.
func (n *narrator) settle(c *Call) {
	if n.json {
		n.object(c)
		return
	}
	if c.Err == unix.EAGAIN {
		if n.folds.fold(c) {
			n.folds.arm(n)
			return
		}
	} else {
		n.unfold()
		n.folds.shown = n.folds.shown[:0]
	}
	if n.half == c {
		n.half = nil
		if n.out.finish(c.tail()) {
			return
		}
	}
	n.line(c.head() + c.tail())
}

// head is the first half of a line, tail the second.
func (c *Call) head() string { return fmt.Sprintf("%s(%d)", c.Name, c.Arg) }

func (c *Call) tail() string {
	result, words := c.result()
	text := " = " + result
	if words != "" {
		text += "  " + words
	}
	if slept := time.Since(c.began); !c.began.IsZero() && slept >= 10*time.Millisecond {
		text += fmt.Sprintf("  after %.9g s", slept.Round(10*time.Millisecond).Seconds())
	}
	return text + "\n"
}

// result is what the call returned, and in words what that means to the caller.
func (c *Call) result() (result, words string) {
	switch {
	case c.Err != nil:
		return errorWords(c.Name, c.Err)
	case c.waits:
		return fmt.Sprintf("%d ready", c.Result), c.Words
	case c.Bytes != nil:
		return strconv.Itoa(c.Result), quote(c.Bytes)
	}
	return strconv.Itoa(c.Result), c.Words
}

func errorWords(name string, err error) (result, words string) {
	errno, ok := err.(unix.Errno)
	switch {
	case !ok:
		return "error", err.Error()
	case errno == unix.EINTR:
		return "EINTR", "a signal came first"
	case errno == unix.EAGAIN && name == "accept": // which some systems also call EWOULDBLOCK
		return "EAGAIN", "nobody is waiting"
	case errno == unix.EAGAIN && name == "write":
		return "EAGAIN", "no room for more yet"
	case errno == unix.EAGAIN:
		return "EAGAIN", "nothing there yet"
	}
	return unix.ErrnoName(errno), errno.Error()
}

// clip is how many bytes of a payload are shown.
const clip = 32

// quote returns a payload as a Go string. Four bytes that begin with NUL are
// most likely a binary number, so none of them is shown as a letter.
func quote(p []byte) string {
	end := `"`
	if len(p) > clip {
		p, end = p[:clip], `"...`
	}
	var b strings.Builder
	b.WriteByte('"')
	for len(p) > 0 {
		if p[0] == 0 {
			number := p[:min(4, len(p))]
			for _, c := range number {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
			p = p[len(number):]
			continue
		}
		quoted, rest := quoteRune(p)
		b.WriteString(quoted)
		p = rest
	}
	return b.String() + end
}

// quoteRune quotes the first character of p. Control characters are numbers,
// except those that text is full of.
func quoteRune(p []byte) (quoted string, rest []byte) {
	r, size := utf8.DecodeRune(p)
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r >= ' ' && r != 0x7f && r != utf8.RuneError:
		quoted = strconv.Quote(string(p[:size]))
		return quoted[1 : len(quoted)-1], p[size:]
	}
	return fmt.Sprintf(`\x%02x`, p[0]), p[1:]
}

// folds counts the calls that returned EAGAIN.
type folds struct {
	shown []call // since the last call that did something
	more  int    // not shown
	timer bool   // is set
}

// A call identifies what may repeat itself: one system call on one descriptor.
type call struct {
	name string
	arg  int
}

// fold counts c, unless it is among the first since a call that did something,
// or has been entered: its beginning has been printed already.
func (f *folds) fold(c *Call) (folded bool) {
	if !c.began.IsZero() {
		return false
	}
	this := call{c.Name, c.Arg}
	for _, shown := range f.shown {
		if shown == this {
			f.more++
			return true
		}
	}
	if len(f.shown) == 4 {
		f.more++
		return true
	}
	f.shown = append(f.shown, this)
	return false
}

// arm sees to it that what is folded now is printed within a second.
func (f *folds) arm(n *narrator) {
	if f.timer {
		return
	}
	f.timer = true
	time.AfterFunc(time.Second, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		f.timer = false
		n.unfold()
	})
}

// unfold prints how many calls were folded.
func (n *narrator) unfold() {
	if n.json {
		n.again()
		return
	}
	if n.folds.more == 0 {
		return
	}
	calls := "calls"
	if n.folds.more == 1 {
		calls = "call"
	}
	n.line(fmt.Sprintf("… %s more %s returned EAGAIN\n", thousands(n.folds.more), calls))
	n.folds.more = 0
}

// thousands writes n with a comma after every three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// line prints a whole line. A first half before it stays one.
func (n *narrator) line(s string) bool {
	n.half = nil
	return n.text(s)
}

// text prints s, which begins a line.
func (n *narrator) text(s string) bool {
	return n.out.begin(s, 0)
}
