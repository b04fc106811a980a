package echotest

import (
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// narrationChecks: what -v says is what happened, in the order in which it did.
var narrationChecks = []Check{
	{Name: "narration", Chapter: chapter1, Proof: On(narration, "-v"),
		Promise: "-v prints each system call in words; repeated calls that did nothing are counted",
		Cause:   "a system call that does not go through shared/socket or shared/narrate"},
	{Name: "narration-order", Chapter: chapter1, Proof: On(narrationOrder, "-v"),
		Promise: "the order of the lines is the order of the calls",
		Cause:   "lines that repeat are held back and printed later"},
	{Name: "narration-halves", Chapter: chapter1, when: sleeps, Proof: On(narrationHalves, "-v"),
		Promise: "the last text on the screen is the call in which the server sleeps",
		Cause:   "a call that may sleep is printed when it has returned: print its first half when it begins"},
	{Name: "narration-between", Chapter: chapter1, when: sleeps, Proof: On(narrationBetween, "-v"),
		Promise: "a log line ends the half-printed call on the screen, and the whole call is printed when it returns",
		Cause:   "the log and the narration do not know of each other"},
	{Name: "narration-folds", Alone: true, Chapter: chapter2, Proof: On(narrationFolds, "-v"),
		when:    func(p Promises) bool { return p.Concurrent && !p.Sleeps },
		Promise: "calls that keep returning EAGAIN make one line a second",
		Cause:   "a line for every call that did nothing"},
	{Name: "narration-bytes", Chapter: chapter1, Proof: On(narrationBytes, "-v"),
		Promise: "bytes that are a number, or not text, are shown as numbers",
		Cause:   "strconv.Quote writes the length 33 as an exclamation mark, and 7 as \\a"},
	{Name: "closed-once", Chapter: chapter1, Proof: On(closedOnce, "-v"),
		Promise: "a descriptor is closed once, whatever ends its client",
		Cause:   "close(2) on two ways out: the second time, the number may be another client's"},
	{Name: "narration-json", Chapter: chapter1, Proof: On(narrationJSON, "-v=json"),
		Promise: "-v=json prints each call as an object, in order, with time and place",
		Cause:   "a call that may sleep without its enter, a time that goes backwards, or a place outside the rung"},
	{Name: "narration-state", Alone: true, Chapter: chapter1, Proof: On(narrationState, "-v=json"),
		Promise: "the objects show which descriptors are open and how many bytes they carried, whatever was left out",
		Cause:   "a gap that does not list all descriptors, or another object left out unnoticed"},
}

// toldLine matches a line of the narration: call(number) = result, words.
var toldLine = regexp.MustCompile(`^\w+\(-?\d+\) = (-?\d+|\w+)(  ?.+)?$`)

func narration(s *Server) error {
	all, err := s.talkers()
	if err != nil {
		return err
	}
	defer all.close()
	for _, want := range []string{"accept(", "read(", "write("} {
		if _, ok := s.Stderr.Wait(patience, func(l string) bool { return strings.HasPrefix(l, want) }); !ok {
			return &Failure{Want: "with -v, lines that begin with " + want + "...)", Got: s.Stderr.Excerpt()}
		}
	}
	all.close()
	if _, ok := s.Stderr.Wait(patience, func(l string) bool { return strings.HasPrefix(l, "close(") }); !ok {
		return &Failure{Want: "with -v, lines that begin with close(...)", Got: s.Stderr.Excerpt()}
	}
	list := s.Stderr.All()
	for _, line := range list {
		if !toldLine.MatchString(line) && !folded(line) {
			return &Failure{Want: `lines like: read(7) = 6  "hello\n"`, Got: line}
		}
	}
	return s.shortLog(150)
}

func (s *Server) talkers() (clients, error) {
	n := 1
	if s.Concurrent {
		n = 2
	}
	return s.dialMany(n)
}

// folded matches the line that counts the calls which did nothing.
func folded(line string) bool { return foldedLine.MatchString(line) }

var foldedLine = regexp.MustCompile(`^… [0-9,]+ more calls? returned EAGAIN$`)

// waitCalls are the calls that wait for descriptors to become ready.
var waitCalls = []string{"select", "poll", "epoll_wait", "kevent"}

// narrationOrder has clients do one thing after the other, each when the one
// before it was answered, so there is one order, call by call. All say the same,
// and the second gets the first one's descriptor: each line has been there before.
func narrationOrder(s *Server) error {
	var want []string
	for _, who := range []string{"1", "2"} {
		c, err := s.parrot()
		if err == nil {
			err = errors.Join(c.ping(), c.ping(), c.finish())
			c.Close()
		}
		if err != nil {
			return err
		}
		want = append(want, s.ordered(who, "accept fcntl ctl", "read+ write", "read+ write", "read. close")...)
	}
	if s.Concurrent {
		pair, err := s.pairInTurn()
		if err != nil {
			return err
		}
		want = append(want, pair...)
	}
	var got []string
	ok := s.Stderr.WaitAll(patience, func(list []string) bool {
		got = order(list)
		return len(got) >= len(want)
	})
	if !ok || !slices.Equal(got, want) {
		return &Failure{Sent: "clients come, talk and leave, one step after the other",
			Want: strings.Join(want, " "), Got: strings.Join(got, " ")}
	}
	if s.Concurrent {
		if _, ok := s.Stderr.Wait(patience, func(l string) bool { return strings.Contains(l, ") = EAGAIN  ") }); !ok {
			return &Failure{Want: "a call that returned EAGAIN, under that name", Got: s.Stderr.Excerpt()}
		}
	}
	return nil
}

// pairInTurn has two clients there at once, and returns the calls in their order.
func (s *Server) pairInTurn() (want []string, err error) {
	third, err := s.parrot()
	if err != nil {
		return nil, err
	}
	defer third.Close()
	if err := third.ping(); err != nil {
		return nil, err
	}
	fourth, err := s.parrot()
	if err != nil {
		return nil, err
	}
	defer fourth.Close()
	if err := errors.Join(fourth.ping(), third.ping(), fourth.finish(), third.finish()); err != nil {
		return nil, err
	}
	return slices.Concat(
		s.ordered("3", "accept fcntl ctl", "read+ write"),
		s.ordered("4", "accept fcntl ctl", "read+ write"),
		s.ordered("3", "read+ write"),
		s.ordered("4", "read. close"),
		s.ordered("3", "read. close")), nil
}

// parrot is a client that says the same as every other one.
func (s *Server) parrot() (*client, error) { return s.dialWith(newStream(s.Promises, 1, sized(6), 1)) }

// ordered returns the calls of turns in which a server does something for one
// client, as far as its model has them: a wait begins each turn.
func (s *Server) ordered(who string, turns ...string) (calls []string) {
	waits := s.Concurrent && s.Sleeps
	for _, turn := range turns {
		if waits {
			calls = append(calls, "wait")
		}
		for _, c := range strings.Fields(turn) {
			switch {
			case c == "ctl" && waits && !s.FDSet:
				calls = append(calls, c)
			case c == "ctl" || c == "fcntl" && !s.Concurrent:
			default:
				calls = append(calls, c+who)
			}
		}
	}
	return calls
}

var callLine = regexp.MustCompile(`^(\w+)\((\d+)\) = (\w+)(?: ready)?(?:  (.*))?$`)

// order reduces a narration to the calls that did something for the clients, in
// the notation of narrationOrder: read+1 is a read of bytes from the first
// client, read.1 its end.
func order(list []string) (calls []string) {
	client, clients, began := map[string]string{}, 0, false
	for _, line := range list {
		m := callLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		call, fd, result, words := m[1], m[2], m[3], m[4]
		switch who := client[fd]; {
		case result == "EAGAIN" || result == "EINTR":
		case strings.HasPrefix(words, "descriptor "):
			if began {
				calls = append(calls, "ctl")
			}
		case slices.Contains(waitCalls, call):
			began = true
			calls = append(calls, "wait")
		case call == "accept":
			began = true
			clients++
			client[result] = strconv.Itoa(clients)
			calls = append(calls, call+client[result])
		case who == "":
		case call == "read" && result == "0":
			calls = append(calls, "read."+who)
		case call == "read":
			calls = append(calls, "read+"+who)
		default:
			calls = append(calls, call+who)
		}
	}
	return calls
}

var halfLine = regexp.MustCompile(`^(\w+)\((\d+)\)$`)

// sleepsIn waits until the last text is the first half of a call of these.
func (s *Server) sleepsIn(calls ...string) error {
	ok := s.Stderr.WaitTail(patience, func(tail string) bool {
		m := halfLine.FindStringSubmatch(tail)
		return m != nil && slices.Contains(calls, m[1])
	})
	if !ok {
		return &Failure{Want: fmt.Sprintf("an unfinished last line like: %s(8)", calls[0]), Got: fmt.Sprintf("%s\n%s", s.Stderr.Excerpt(), s.Stderr.Tail())}
	}
	return nil
}

// sleepsOn wants nothing to be said for a while. What was told before may come late,
// but not again and again.
func (s *Server) sleepsOn() error {
	const window, tries = 1100 * time.Millisecond, 3
	for range tries {
		n := len(s.Stderr.All())
		if !s.Stderr.WaitAll(window, func(list []string) bool { return len(list) > n }) {
			return nil
		}
	}
	return &Failure{Sent: "nothing, for some seconds", Want: "with -v, nothing narrated", Got: s.Stderr.Excerpt(),
		Cause: "the call that waits has a time limit it does not need, and wakes the server for nothing"}
}

// closedOnce has clients end in all ways, some before they have taken their answer.
func closedOnce(s *Server) error {
	for i := range 8 {
		if err := s.comeAndGo(i); err != nil {
			return err
		}
	}
	err := s.resetsUnread(false, "connection reset by peer")
	if err == nil {
		err = s.resetsUnread(true, "broken pipe")
	}
	if err == nil {
		err = s.settled()
	}
	if err != nil {
		return err
	}
	for _, line := range s.Stderr.All() {
		if m := callLine.FindStringSubmatch(line); m != nil && m[1] == "close" && m[3] != "0" {
			return &Failure{Sent: "messages, by clients that left in several ways", Want: "one close(2) for each, which works", Got: line}
		}
	}
	return nil
}

func narrationHalves(s *Server) error {
	idle, busy := waitCalls, waitCalls
	if !s.Concurrent {
		idle, busy = []string{"accept"}, []string{"read"}
	}
	if err := s.sleepsIn(idle...); err != nil {
		return err
	}
	first := s.Stderr.Tail()
	all, err := s.dialMany(1)
	if err != nil {
		return err
	}
	defer all.close()
	if _, ok := s.Stderr.Wait(patience, func(l string) bool { return strings.HasPrefix(l, first+" = ") }); !ok {
		return &Failure{Want: "the second half of " + first, Got: s.Stderr.Excerpt()}
	}
	if err := s.sleepsIn(busy...); err != nil {
		return After(err, "a client that says nothing more")
	}
	if err := s.sleepsOn(); err != nil {
		return err
	}
	all.close()
	return After(s.sleepsIn(idle...), "the client leaves")
}

// narrationBetween has more bad clients than are printed in a second. Their
// count comes while the server sleeps.
func narrationBetween(s *Server) error {
	for range 8 {
		if err := s.offend(); err != nil {
			return err
		}
	}
	if _, ok := s.Stderr.Wait(patience, moreLine.MatchString); !ok {
		return &Failure{Sent: "8 clients that reset", Want: "… 3 more like ...", Got: s.Stderr.Excerpt()}
	}
	list := s.Stderr.All()
	i := slices.IndexFunc(list, moreLine.MatchString)
	half, ended := strings.CutSuffix(list[i-1], "…")
	if !ended || !halfLine.MatchString(half) {
		return &Failure{Sent: "8 clients that reset", Want: "the half of a call, ended by …, before the count", Got: strings.Join(list[i-1:], "\n")}
	}
	if err := s.alive(); err != nil {
		return err
	}
	whole := func(l string) bool { return strings.HasPrefix(l, half+" = ") && strings.Contains(l, "  after ") }
	if !s.Stderr.WaitAll(patience, func(list []string) bool { return slices.ContainsFunc(list[i:], whole) }) {
		return &Failure{Sent: "a client, after the count was printed", Want: half + " = ... on one line, with the time that it slept", Got: s.Stderr.Excerpt()}
	}
	return nil
}

func narrationFolds(s *Server) error {
	all, err := s.dialMany(3)
	if err != nil {
		return err
	}
	defer all.close()
	var counts int
	if !s.Stderr.WaitAll(patience, func(list []string) bool {
		counts = 0
		for _, l := range list {
			if folded(l) {
				counts++
			}
		}
		return counts >= 2 && folded(list[len(list)-1])
	}) {
		return &Failure{Want: "a count of the calls that returned EAGAIN, once a second", Got: s.Stderr.Excerpt()}
	}
	return s.shortLog(100)
}

func narrationBytes(s *Server) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for _, size := range []int{7, 10, 33, 65} {
		payload := "\a\v\x01\ttab\r\n\x7f" + strings.Repeat("x", 60)
		wire := append([]byte{0, 0, 0, byte(size)}, payload[:size-1]+"."...)
		if _, err := c.Write(wire); err != nil {
			return err
		}
		shown := `\x07\x0b\x01\ttab\r\n\x7f` + strings.Repeat("x", 60)
		want := fmt.Sprintf(`= %d  "\x00\x00\x00\x%02x%s`, len(wire), size, shown[:12])
		if _, ok := s.Stderr.Wait(patience, func(l string) bool { return strings.HasPrefix(l, "read(") && strings.Contains(l, want) }); !ok {
			return &Failure{Sent: show(wire), Want: "with -v, a read " + want, Got: s.Stderr.Excerpt()}
		}
	}
	return nil
}

func narrationJSON(s *Server) error {
	if err := s.offend(); err != nil { // a log line
		return err
	}
	all, err := s.talkers()
	if err != nil {
		return err
	}
	defer all.close()
	if err := all.each((*client).finish); err != nil {
		return err
	}
	j := s.Journal()
	for what, match := range map[string]func(*Object) bool{
		"a log line":                 func(o *Object) bool { return o.Kind == "log" && isReset(o.Text) },
		"an accept with the peer":    func(o *Object) bool { return o.did("accept") && o.Words == all[0].LocalAddr().String() },
		"a read with its bytes":      func(o *Object) bool { return o.did("read") && len(o.Bytes) > 0 && len(o.Bytes) <= *o.Result },
		"a write with its bytes":     func(o *Object) bool { return o.did("write") && len(o.Bytes) > 0 },
		"a close":                    func(o *Object) bool { return o.did("close") },
		"a read at the end of input": func(o *Object) bool { return o.did("read") && *o.Result == 0 },
	} {
		if _, ok := j.Wait(patience, match); !ok {
			return errors.Join(j.err, &Failure{Want: "with -v=json, an object for " + what, Got: s.Stderr.Excerpt()})
		}
	}
	if err := s.judge(j.read()); err != nil {
		return err
	}
	return s.waitsInJSON(j)
}

// waitsInJSON wants a call that waits to tell what for, and what it got.
func (s *Server) waitsInJSON(j *Journal) error {
	if !s.Sleeps || !s.Concurrent {
		return nil
	}
	list := j.read()
	i := slices.IndexFunc(list, func(o Object) bool { return o.did("accept") })
	for i--; i >= 0 && !slices.Contains(waitCalls, list[i].Call); i-- {
	}
	accept := list[slices.IndexFunc(list, func(o Object) bool { return o.did("accept") })]
	if i < 0 || list[i].Kind != "call" || list[i].Ready == nil || !slices.Contains(list[i].Ready.Read, accept.Arg) || list[i].Slept == nil {
		return &Failure{Want: fmt.Sprintf("before an accept, a call with ready: descriptor %d, and slept", accept.Arg), Got: s.Stderr.Excerpt()}
	}
	return nil
}

// judge looks at what every object must have.
func (s *Server) judge(list []Object) error {
	var last int64
	var inside *Object
	for i := range list {
		o := &list[i]
		if o.Kind == "" || o.T < last {
			return Failf("object %d has no kind, or its time is before the last one's, %d: %+v", i, last, *o)
		}
		last = o.T
		switch {
		case o.Kind == "enter":
			inside = o
		case o.Kind == "gap":
			inside = o.Inside
		case o.Kind == "call" && (o.Slept != nil || slices.Contains(waitCalls, o.Call) && o.FD == 0):
			if inside == nil || inside.Call != o.Call || inside.Arg != o.Arg {
				return Failf("%s(%d), which may sleep, has no enter before it; object %d", o.Call, o.Arg, i)
			}
			inside = nil
		}
		if o.Kind == "call" || o.Kind == "enter" {
			if err := place(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// place wants file and line to be in the rung. Where the sources are, as in go
// test, the line must exist.
func place(o *Object) error {
	if o.File == "" || path.IsAbs(o.File) || strings.HasPrefix(o.File, "..") || strings.Contains(o.File, "shared/") || o.Line < 1 {
		return Failf("%s(%d) has the place %s:%d, which is not in the rung", o.Call, o.Arg, o.File, o.Line)
	}
	if _, err := os.Stat("main.go"); err != nil {
		return nil
	}
	source, err := os.ReadFile(o.File)
	if err != nil || o.Line > strings.Count(string(source), "\n") {
		return Failf("%s(%d) has the place %s:%d, which does not exist (%v)", o.Call, o.Arg, o.File, o.Line, err)
	}
	return nil
}

// narrationState talks until objects were left out, and then compares what they
// tell with what was sent.
func narrationState(s *Server) error {
	n := 1
	if s.Concurrent {
		n = 6
	}
	all, err := s.dialMany(n)
	if err != nil {
		return err
	}
	defer all.close()
	j := s.Journal()
	gap := func(list []Object) bool {
		return slices.ContainsFunc(list, func(o Object) bool { return o.Kind == "gap" })
	}
	deadline := time.Now().Add(patience)
	for !gap(j.read()) && time.Now().Before(deadline) && j.err == nil {
		if err := all.each(talk); err != nil {
			return err
		}
	}
	if s.Concurrent { // one leaves, one comes
		if err := all[0].finish(); err != nil {
			return err
		}
		all[0].Close()
		if all[0], err = s.dial(); err != nil {
			return err
		}
		if err := all[0].ping(); err != nil {
			return err
		}
	}
	if !j.WaitAll(patience, func(list []Object) bool { return all.toldExactly(state(list)) }) {
		return errors.Join(j.err, &Failure{Sent: all.sums(), Want: "objects that say the same, and show no other client", Got: fmt.Sprintf("%+v", state(j.read()))})
	}
	list := j.read()
	if seconds := list[len(list)-1].T/1e6 + 2; int64(len(list)) > seconds*2100 {
		return &Failure{Want: "at most 2000 objects in a second", Got: fmt.Sprintf("%d in %d s", len(list), seconds)}
	}
	if !gap(list) {
		return Skipf("this machine does not make enough calls in a second for any to be left out")
	}
	return s.judge(list)
}

// talk sends small messages: each makes calls of its own.
func talk(c *client) error {
	for range 50 {
		if err := c.ping(); err != nil {
			return err
		}
	}
	return nil
}

// toldExactly compares a state with what the clients sent and received.
func (list clients) toldExactly(open map[int]Descriptor) bool {
	peers := 0
	for _, d := range open {
		if d.Peer != "" {
			peers++
		}
	}
	for _, c := range list {
		d, ok := ofPeer(open, c)
		if !ok || d.Read != c.out.Load() || d.Written != c.in.Load() {
			return false
		}
	}
	return peers == len(list)
}

func (list clients) sums() string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%v sent %d bytes and got %d; ", c.LocalAddr(), c.out.Load(), c.in.Load())
	}
	return b.String()
}
