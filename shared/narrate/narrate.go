// Package narrate tells system calls and their results in words, one line
// each:
//
//	accept(3) = 7  127.0.0.1:51514
//	read(7) = 6  "hello\n"
//	read(7) = EAGAIN  nothing there yet
//	select(8) = 2 ready
//
// The number in brackets is the call's first argument: for most calls a
// descriptor, for select(2) the highest descriptor plus one.
//
// Repetition is folded. A call that ends as it did the last time is counted, not
// printed; the count follows when that call ends differently, and once a second.
package narrate

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// On tells whether the narration has been started. A caller looks at it before
// it prepares what to say, so that a server that runs silently pays for one
// comparison and no more.
var On bool

// clip is the number of bytes of a payload that are shown.
const clip = 32

// Start begins to narrate to w. It must be called before the first narrated
// call, and once.
func Start(w io.Writer) {
	On = true
	story = &folder{out: w, known: map[call]*line{}}
	go func() {
		for range time.Tick(time.Second) {
			story.tick()
		}
	}()
}

var story *folder

// Call narrates a system call whose first argument is arg. Its result is n, or
// err if that is not nil; note is added in words.
func Call(name string, arg, n int, err error, note string) {
	if !On {
		return
	}
	result := strconv.Itoa(n)
	if err != nil {
		result, note = errorWords(name, err)
	}
	text := fmt.Sprintf("%s(%d) = %s", name, arg, result)
	if note != "" {
		text += "  " + note
	}
	story.tell(call{name, arg}, text)
}

// Ready narrates the return of a call that waits for descriptors (select,
// epoll_wait, kevent) and reported n of them.
func Ready(name string, arg, n int, err error) {
	if !On {
		return
	}
	if err != nil {
		Call(name, arg, n, err, "")
		return
	}
	story.tell(call{name, arg}, fmt.Sprintf("%s(%d) = %d ready", name, arg, n))
}

// Bytes returns a payload as it is narrated: quoted, and cut after 32 bytes.
func Bytes(p []byte) string {
	if len(p) > clip {
		return strconv.Quote(string(p[:clip])) + "..."
	}
	return strconv.Quote(string(p))
}

// errorWords names an error and says what it means to the one who called.
func errorWords(name string, err error) (result, note string) {
	errno, ok := err.(unix.Errno)
	if !ok {
		return "error", err.Error()
	}
	note = errno.Error()
	switch {
	case errno == unix.EINTR:
		note = "a signal came first"
	case errno == unix.EAGAIN && name == "accept":
		note = "nobody is waiting"
	case errno == unix.EAGAIN && name == "write":
		note = "no room for more yet"
	case errno == unix.EAGAIN:
		note = "nothing there yet"
	}
	return unix.ErrnoName(errno), note
}

// A call is what may repeat itself: one system call on one descriptor.
type call struct {
	name string
	arg  int
}

// A line is how a call ended the last time.
type line struct {
	text   string
	folded int // how often since it was last printed
}

// A folder prints lines and folds those that repeat.
type folder struct {
	mu    sync.Mutex
	out   io.Writer
	known map[call]*line
	order []call // the known calls, in the order in which they were first told
}

// tell prints text unless c ended in the same way the last time. Before it come
// the calls that were folded just once: these are no cycle but led up to it.
func (f *folder) tell(c call, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.known[c]
	if l != nil && l.text == text {
		l.folded++
		return
	}
	if l == nil {
		l = &line{}
		f.known[c] = l
		f.order = append(f.order, c)
	}
	for _, other := range f.order {
		if f.known[other].folded == 1 {
			f.unfold(f.known[other])
		}
	}
	f.unfold(l)
	l.text = text
	fmt.Fprintln(f.out, text)
}

// tick prints the counts of a second and forgets the calls that were silent,
// so that their next line is printed at once.
func (f *folder) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	var busy []call
	for _, c := range f.order {
		if f.known[c].folded == 0 {
			delete(f.known, c)
			continue
		}
		f.unfold(f.known[c])
		busy = append(busy, c)
	}
	f.order = busy
}

// unfold prints l with its count, if it was folded.
func (f *folder) unfold(l *line) {
	switch l.folded {
	case 0:
	case 1:
		fmt.Fprintln(f.out, l.text)
	default:
		fmt.Fprintf(f.out, "%s  [%d times]\n", l.text, l.folded)
	}
	l.folded = 0
}
