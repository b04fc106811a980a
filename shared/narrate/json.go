package narrate

import (
	"cmp"
	"encoding/json"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxObjects is how many objects are printed in a second: about as many as a
// page in a browser can draw.
const maxObjects = 2000

// An object is one line of -v=json. docs/narration.md describes it.
type object struct {
	Time    int64  `json:"t"` // microseconds
	Kind    string `json:"kind"`
	Call    string `json:"call,omitempty"`
	Arg     *int   `json:"arg,omitempty"`
	Result  *int   `json:"result,omitempty"`
	Errno   string `json:"errno,omitempty"`
	Words   string `json:"words,omitempty"`
	Bytes   []byte `json:"bytes,omitempty"`
	FD      int    `json:"fd,omitempty"`
	Want    *Set   `json:"want,omitempty"`
	Ready   *Set   `json:"ready,omitempty"`
	Timeout *int64 `json:"timeout,omitempty"` // microseconds
	Slept   *int64 `json:"slept,omitempty"`   // microseconds
	place

	Counts      []count       `json:"counts,omitempty"`
	Count       int           `json:"count,omitempty"`
	Inside      *object       `json:"inside,omitempty"`
	Descriptors *[]descriptor `json:"descriptors,omitempty"`
	Text        string        `json:"text,omitempty"`
}

// A place is a line of source.
type place struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// A count is how often a call returned EAGAIN.
type count struct {
	Call  string `json:"call"`
	Arg   int    `json:"arg"`
	Count int    `json:"count"`
}

// A descriptor is what is known of an open one.
type descriptor struct {
	FD      int    `json:"fd"`
	Peer    string `json:"peer,omitempty"`
	Read    int64  `json:"read"`    // bytes, since it was opened
	Written int64  `json:"written"` // bytes
	Want    *want  `json:"want,omitempty"`
}

// A want is a registration.
type want struct {
	Read  bool `json:"read,omitempty"`
	Write bool `json:"write,omitempty"`
}

// A record is what has to be remembered so that a reader who has missed
// something can go on from there.
type record struct {
	folder string // of package main
	began  time.Time

	second      time.Time // when the current one began
	printed     int       // objects in it
	gap         int       // objects that were left out
	timer       bool      // is set, to fill the gap
	counts      map[call]int
	descriptors map[int]*descriptor
	inside      *object       // the call that has been entered and has not returned
	closing     map[int]place // of those that are closed later: who asked for it
}

func newRecord(folder string) record {
	return record{folder: folder, began: time.Now(), counts: map[call]int{},
		descriptors: map[int]*descriptor{}, closing: map[int]place{}}
}

// now is the time that objects carry.
func (r *record) now() int64 { return time.Since(r.began).Microseconds() }

// Closing remembers that the caller of the caller wants fd to be closed, which
// will happen later.
func Closing(fd int) {
	if !On {
		return
	}
	story.mu.Lock()
	defer story.mu.Unlock()
	if story.json {
		story.record.closing[fd] = frame(func(frames *runtime.Frames) runtime.Frame {
			frames.Next() // our caller, which closes later
			f, _ := frames.Next()
			return f
		})
	}
}

// here is the innermost line outside of shared/.
func here() place {
	return frame(func(frames *runtime.Frames) runtime.Frame {
		for {
			f, more := frames.Next()
			if !more || !strings.HasPrefix(f.Function, "example/tcpladder/shared/") {
				return f
			}
		}
	})
}

// frame returns the place of the frame that choose takes of the caller's callers.
func frame(choose func(*runtime.Frames) runtime.Frame) place {
	var pcs [16]uintptr
	f := choose(runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])]))
	file := f.File
	if inside, err := filepath.Rel(story.record.folder, file); err == nil && !strings.HasPrefix(inside, "..") {
		file = filepath.ToSlash(inside)
	}
	return place{file, f.Line}
}

// enter prints the beginning of a call that may sleep.
func (n *narrator) enter(c *Call) {
	n.again()
	o := n.describe(c, "enter")
	o.Time, o.Want, o.place = n.record.now(), c.Want, c.place
	n.emit(o)
	n.record.inside = o
}

// object prints a call that has returned.
func (n *narrator) object(c *Call) {
	r := &n.record
	if c.Err == unix.EAGAIN && n.folds.fold(c) {
		r.counts[call{c.Name, c.Arg}]++
		n.folds.arm(n)
		return
	}
	n.again()
	if c.Err != unix.EAGAIN {
		n.folds.shown = n.folds.shown[:0]
	}
	o := n.describe(c, "call")
	o.FD, o.Want, o.Ready, o.Bytes = c.FD, c.Want, c.Ready, c.Bytes[:min(clip, len(c.Bytes))]
	_, o.Words = c.result()
	if c.Err != nil {
		o.Errno, _ = c.result()
	} else {
		o.Result = &c.Result
	}
	asked, later := r.closing[c.Arg]
	switch {
	case !c.began.IsZero():
		slept := time.Since(c.began).Microseconds()
		o.Slept, o.place = &slept, c.place
	case c.Name == "close" && later:
		o.place = asked
		delete(r.closing, c.Arg)
	default:
		o.place = here()
	}
	n.emit(o) // before it a gap may be filled, with what was so before this call
	if !c.began.IsZero() {
		r.inside = nil
	}
	r.track(c)
}

func (n *narrator) describe(c *Call, kind string) *object {
	o := &object{Kind: kind, Call: c.Name, Arg: &c.Arg}
	if c.waits && c.Timeout >= 0 {
		timeout := c.Timeout.Microseconds()
		o.Timeout = &timeout
	}
	return o
}

// track keeps account of the descriptors that are open.
func (r *record) track(c *Call) {
	d := r.descriptors[c.Arg]
	switch {
	case c.Name == "close":
		delete(r.descriptors, c.Arg)
	case c.Err != nil:
	case c.Name == "socket":
		r.descriptors[c.Result] = &descriptor{FD: c.Result}
	case c.Name == "accept":
		r.descriptors[c.Result] = &descriptor{FD: c.Result, Peer: c.Words}
	case c.Name == "read" && d != nil:
		d.Read += int64(c.Result)
	case c.Name == "write" && d != nil:
		d.Written += int64(c.Result)
	case c.FD != 0 && c.Want != nil:
		if d = r.descriptors[c.FD]; d == nil {
			d = &descriptor{FD: c.FD}
			r.descriptors[c.FD] = d
		}
		d.Want = &want{len(c.Want.Read) > 0, len(c.Want.Write) > 0}
	}
}

// emit prints an object, if there is room for one more in this second.
func (n *narrator) emit(o *object) {
	r := &n.record
	if time.Since(r.second) >= time.Second {
		r.second, r.printed = time.Now(), 0
	}
	if r.printed >= maxObjects || r.gap > 0 && !n.fill() {
		r.gap++
		n.armGap()
		return
	}
	r.printed++
	if !n.print(o, 0) {
		r.gap++
		n.armGap()
	}
}

// armGap sees to it that a gap is filled when the second is over, even if
// nothing more happens.
func (n *narrator) armGap() {
	if n.record.timer {
		return
	}
	n.record.timer = true
	time.AfterFunc(time.Second-time.Since(n.record.second), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.record.timer = false
		if n.record.gap > 0 {
			n.record.second, n.record.printed = time.Now(), 0
			n.fill()
		}
	})
}

// fill prints what a reader who has missed some objects has to know, and
// reports whether that worked. If it did not, it is not tried again in this
// second, because its cost grows with the number of descriptors.
func (n *narrator) fill() bool {
	r := &n.record
	list := make([]descriptor, 0, len(r.descriptors))
	for _, d := range r.descriptors {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b descriptor) int { return cmp.Compare(a.FD, b.FD) })
	if !n.print(&object{Kind: "gap", Count: r.gap, Descriptors: &list, Inside: r.inside}, 0) {
		r.printed = maxObjects
		return false
	}
	r.gap = 0
	r.printed++
	return true
}

// again prints which calls have returned EAGAIN and how often.
func (n *narrator) again() {
	r := &n.record
	if n.folds.more == 0 {
		return
	}
	n.folds.more = 0
	var counts []count
	for _, c := range slices.SortedFunc(maps.Keys(r.counts), func(a, b call) int {
		return cmp.Or(cmp.Compare(a.arg, b.arg), cmp.Compare(a.name, b.name))
	}) {
		counts = append(counts, count{c.name, c.arg, r.counts[c]})
	}
	clear(r.counts)
	n.emit(&object{Kind: "again", Counts: counts})
}

// print prints an object, and reports whether that worked.
func (n *narrator) print(o *object, patience time.Duration) bool {
	n.half = nil
	o.Time = n.record.now()
	text, _ := json.Marshal(o) // no field can fail
	return n.out.begin(string(text)+"\n", patience)
}

// announce is the object that says that lines were dropped.
func (n *narrator) announce(dropped int) string {
	o := object{Kind: "dropped", Count: dropped, Time: n.record.now()}
	text, _ := json.Marshal(o)
	return string(text) + "\n"
}
