package echotest

import (
	"fmt"
	"math/bits"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A symptom is what came instead of what was expected.
type symptom string

const (
	otherBytes symptom = "other bytes"
	surplus    symptom = "bytes that nobody is owed"
	silence    symptom = "too few bytes, and then nothing"
	noEnd      symptom = "all bytes, and no end of file"
	earlyEnd   symptom = "too few bytes, and then end of file"
	wasReset   symptom = "a reset"
	takesNone  symptom = "the server takes no bytes"
	noWay      symptom = "no connection"
	burns      symptom = "CPU"
	measured   symptom = "a figure that is too large" // memory, time
)

// A cause is a row of the table: what a symptom means if the rest of the evidence
// agrees.
type cause struct {
	name    string // stable: the planted mistakes name it
	when    func(*evidence) bool
	says    string // {call}, {fd} and {fact} stand for what when has found
	chapter string // the text to read; "": the check's
	sure    bool   // it is seen, not guessed: no other candidate is needed
}

// causes is the table, likeliest first. client/mistakes_test.go has a learner's
// mistake for each row.
//
// The server's own last words come first, then what the process does, then what
// the bytes show.
var causes = []cause{
	{name: "fd-setsize", sure: true, chapter: chapter3,
		when: func(e *evidence) bool { return e.said("index out of range") && e.said("FdSet") },
		says: "FdSet.Set panics: an fd_set has no bit for a descriptor of FD_SETSIZE or more. Compare each new descriptor with unix.FD_SETSIZE after accept, and close one that does not fit"},
	{name: "panic", sure: true,
		when: func(e *evidence) bool { return e.said("panic: ") && e.findPanic() },
		says: "the server panics: {fact}"},
	{name: "not-removed", sure: true, chapter: chapter4,
		when: func(e *evidence) bool { return e.saidFact(loopWord) },
		says: "the loop still has the descriptor of a closed client ({fact}): call Remove before the descriptor is closed, on every path on which a client ends"},
	{name: "closed-not-removed", sure: true, chapter: chapter2,
		when: func(e *evidence) bool { return e.saidFact(badDescriptor) && !e.said("accept: bad") },
		says: "a descriptor is used after close(2) ({fact}): wherever a client is closed, delete it from the map and from the loop too, and stop its timers"},
	{name: "read-eagain", sure: true, chapter: chapter2,
		when: func(e *evidence) bool { return e.said("read: resource temporarily unavailable") },
		says: "EAGAIN from read(2) is treated as an error, and ends the client: it only means that there is nothing to read yet. Return no error, and read again later"},
	{name: "write-eagain", sure: true, chapter: chapter2,
		when: func(e *evidence) bool { return e.said("write: resource temporarily unavailable") },
		says: "EAGAIN from write(2) is treated as an error, and ends the client: it only means that there is no room now. Keep the bytes, and write them when there is room"},
	{name: "accept-eagain", sure: true, chapter: chapter2,
		when: func(e *evidence) bool { return e.said("accept: resource temporarily unavailable") },
		says: "EAGAIN from accept(2) is treated as an error: it only means that nobody else is waiting. Return, and accept again when the listener is ready"},
	{name: "eintr", sure: true,
		when: func(e *evidence) bool { return e.said("interrupted system call") },
		says: "EINTR is treated as an error: it only means that a signal came. Make the call again; after select, epoll_wait and kevent, go round the loop"},
	{name: "one-ends-all", sure: true, chapter: chapter1,
		when: func(e *evidence) bool {
			return e.ended() && (e.said("connection reset by peer") || e.said("broken pipe"))
		},
		says: "one client's error (ECONNRESET, or EPIPE when writing to one that has gone) ends the server: it must end only that client"},
	{name: "emfile-ends", sure: true, chapter: chapter1,
		when: func(e *evidence) bool { return e.ended() && e.said("too many open files") },
		says: "EMFILE from accept(2) ends the server: leave the listener alone for a moment, and accept again when a descriptor may be free"},
	{name: "reuse-address", sure: true, chapter: chapter1,
		when: func(e *evidence) bool { return e.said("address already in use") && e.check == "restart-at-once" },
		says: "SO_REUSEADDR is not set before bind(2): connections of the last run, in TIME_WAIT, keep the port"},
	{name: "leak", sure: true, chapter: chapter1,
		when: func(e *evidence) bool { return e.said("too many open files") && e.check == "churn" && e.countLost() },
		says: "descriptors leak: {fact}. close(2) is missing on some path on which a client ends: end of file, reset, or an error"},

	{name: "one-at-a-time", sure: true, chapter: chapter1,
		when: func(e *evidence) bool { return e.Concurrent && e.listens(false) && e.sleepsOn("read", "write") },
		says: "the server is asleep in {call} for one client, and all others wait: nobody calls accept for them. Serve each client in its own goroutine (go), or make all descriptors non-blocking"},
	{name: "blocking-read", sure: true, chapter: chapter2,
		when: func(e *evidence) bool { return e.Concurrent && e.listens(true) && e.sleepsOn("read") },
		says: "the accepted socket is in blocking mode: {call} blocks, and every other client waits. Set O_NONBLOCK with SetNonblock after accept"},
	{name: "blocking-write", sure: true, chapter: chapter2,
		when: func(e *evidence) bool { return e.Concurrent && e.listens(true) && e.sleepsOn("write") },
		says: "the accepted socket is in blocking mode: {call} blocks until its client reads, and every other client waits. Set O_NONBLOCK with SetNonblock after accept"},
	{name: "blocking-accept", sure: true, chapter: chapter2,
		when: func(e *evidence) bool { return e.Concurrent && e.blockedInAccept() },
		says: "the listener is in blocking mode: {call} blocks until another client comes, and those already here wait. Set O_NONBLOCK on the listener with SetNonblock before the loop"},

	{name: "nfds", sure: true, chapter: chapter3,
		when: func(e *evidence) bool { return e.quiet() && e.beyondNfds() },
		says: "select(2) is not asked about descriptor {fd}, which {fact}. Its first argument is the highest descriptor plus one"},
	{name: "edge", sure: true, chapter: chapter4,
		when: func(e *evidence) bool { return e.quiet() && e.leftAtEdge() },
		says: "descriptor {fd} is edge-triggered, and {fact}: there will be no further event for them. Only EAGAIN means drained: read until EAGAIN, a short read is not enough"},
	{name: "edge-accept", sure: true, chapter: chapter4,
		when: func(e *evidence) bool { return e.quiet() && e.edgeListener() },
		says: "the listener is edge-triggered, and {fact}: there will be no further event for them. Accept until EAGAIN, or come back without waiting for an event"},
	{name: "sets-not-rebuilt", sure: true, chapter: chapter3,
		when: func(e *evidence) bool { return e.quiet() && e.selects() && e.held <= 0 && e.unasked() },
		says: "select(2) is not asked about descriptor {fd}, which {fact}. It overwrites its sets with the answer: build them again from all clients, and the listener, before each call"},
	{name: "no-write-interest", chapter: chapter3,
		when: func(e *evidence) bool {
			return e.quiet() && e.scene.waits && e.holds() && !e.waited().read && !e.waited().write
		},
		says: "the server holds {fact} for this client and does not wait for room to write them: ask for writability while bytes are unsent"},
	{name: "frames-in-hand", chapter: chapter5,
		when: func(e *evidence) bool { return e.quiet() && e.Framed && e.holds() && e.waited().read && e.wasPaused() },
		says: "the server has read {fact} from this client and does not answer them: when the write buffer has drained, first answer the frames already in the read buffer; no event will come for them"},
	{name: "one-read-one-message", chapter: chapter5,
		when: func(e *evidence) bool {
			return e.Framed && (e.quiet() && e.holds() && e.waited().read || e.earlyEnds() && e.saidFact(dropsFrame) || e.inHeader && e.foundAt("later"))
		},
		says: "one read is taken for one message: {fact} were read and not answered. Keep the beginning of a frame until the rest has come, and answer every frame in a read"},
	{name: "little-endian", sure: true, chapter: chapter5,
		when: func(e *evidence) bool { return e.Framed && e.swapped() },
		says: "the header is little-endian: {fact}. The length is 4 bytes big-endian, the most significant first: binary.BigEndian"},
	{name: "counts-itself", sure: true, chapter: chapter5,
		when: func(e *evidence) bool { return e.Framed && e.offBy(4) },
		says: "the length counts the header: {fact}. It is the length of the payload alone, without its own 4 bytes"},
	{name: "not-a-frame", chapter: chapter5,
		when: func(e *evidence) bool {
			return e.Framed && (e.ends() || e.symptom == otherBytes) && e.said(", the maximum is ") && !e.onPurpose()
		},
		says: "the server takes bytes for a header that are not one ({fact}): it assumes that a read begins a message, or has lost its place in the stream"},
	{name: "lost-tail", chapter: chapter2,
		when: func(e *evidence) bool { return e.foundAt("later") || e.quiet() && e.holds() },
		says: "{fact} are missing: after a short write the rest is lost, or newer bytes overtake it. Keep p[n:], and send it before anything else"},
	{name: "not-read-again", chapter: chapter5,
		when: func(e *evidence) bool { return e.quiet() && e.unasked() },
		says: "nobody waits for descriptor {fd}, which {fact}: read interest was dropped while the client was paused and not restored, or never asked for"},

	{name: "spin-eof", sure: true,
		when: func(e *evidence) bool { return e.spins() && e.has(stateCloseWait) && !e.writesToAll() },
		says: "read(2) returns 0 for descriptor {fd}, whose client has sent its end of file, and the server takes that for 'nothing yet': the descriptor stays readable, and the loop spins. 0 is the end of the input: close the client"},
	{name: "spin-accept", sure: true, chapter: chapter1,
		when: func(e *evidence) bool { return e.symptom == burns && e.spins() && e.queued() },
		says: "accept(2) fails, and is called again at once: the listener stays readable, since {fact}. Leave it alone for 100 ms, or until a client leaves"},
	{name: "busy-write", sure: true, chapter: chapter2,
		when: func(e *evidence) bool {
			return e.Concurrent && e.symptom == silence && e.scene.spun() && e.blockedByOther()
		},
		says: "the server tries again and again to write to descriptor {fd}, whose client does not read, and serves nobody else: after EAGAIN keep the rest, and go on with the next client"},
	{name: "spin-paused", sure: true, chapter: chapter4,
		when: func(e *evidence) bool { return e.spins() && e.pausedReader() },
		says: "read interest is kept for a client that is not being read (descriptor {fd}, {fact}): it stays readable, and the loop spins. Drop the read interest while its bytes are unsent"},
	{name: "spin-write", chapter: chapter4,
		when: func(e *evidence) bool { return e.spins() && e.idleWriters() },
		says: "write interest is kept with nothing to write: a socket is nearly always writable, and the loop spins. Ask for writability only while bytes are unsent"},

	{name: "eof-ignored", chapter: chapter1,
		when: func(e *evidence) bool { return e.symptom == noEnd && e.has(stateCloseWait) },
		says: "read(2) returns 0 for descriptor {fd}, and the server does not close it (CLOSE_WAIT): 0 is not EAGAIN, it is the end of the input. Send what is owed, then close"},

	{name: "no-maximum", chapter: chapter5,
		when: func(e *evidence) bool { return e.Framed && e.symptom == noEnd && e.lingers() },
		says: "the length is not compared with -max-frame: the server waits for a frame that is too long. Compare it, as a uint32 or an int64, as soon as the header is complete"},

	{name: "foreign-bytes", chapter: chapter2,
		when: func(e *evidence) bool { return e.whose == "another client's" },
		says: "these are another client's bytes: two clients share a buffer. What is kept for later must be a copy, not part of the buffer that the next read fills; each goroutine needs its own buffer"},
	{name: "sent-twice", chapter: chapter2,
		when: func(e *evidence) bool { return e.foundAt("earlier") },
		says: "{fact} come a second time: after a short write everything is sent again, or more is written than the n bytes that read(2) returned. Write buf[:n], and after a short write only the rest"},
	{name: "whole-buffer", chapter: chapter1,
		when: func(e *evidence) bool { return e.whose == "zeros" },
		says: "zeros come that nobody sent: the whole buffer is written instead of the n bytes that read(2) returned. Write buf[:n]"},
	{name: "one-read-answered", chapter: chapter5,
		when: func(e *evidence) bool { return e.Framed && e.symptom == surplus && !e.halfClosed },
		says: "bytes come back before the frame is whole: one read is taken for one message. Answer only whole frames, and keep the rest"},

	{name: "closed-owing", chapter: chapter2,
		when: func(e *evidence) bool { return e.ends() && e.halfClosed && !e.ended() },
		says: "end of file (read(2) returned 0) is taken for 'close at once': the server still owed bytes. It only means that no more input will come: send what is unsent, then close"},
	{name: "reset-with-input", chapter: chapter5,
		when: func(e *evidence) bool { return e.Framed && e.symptom == wasReset && e.lingers() },
		says: "the server closes while there is unread input: the kernel sends a reset, which destroys replies still on their way. Shut down the sending side, read and discard for a while (linger), then close"},
	{name: "backlog", chapter: chapter1,
		when: func(e *evidence) bool { return e.symptom == noWay && !e.ended() && e.timedOut() },
		says: "the backlog of listen(2) is too small: the kernel drops a SYN when the queue is full, and the client tries again a second later. Use a backlog of thousands; the kernel lowers it to its own limit"},
}

// CauseNames lists the rows of the table.
func CauseNames() (names []string) {
	for _, c := range causes {
		names = append(names, c.name)
	}
	return names
}

// mostCauses is how many candidates a cross names.
const mostCauses = 3

// evidence is all that is known when a promise is broken.
type evidence struct {
	Promises
	*Failure
	check          string
	call, fd, fact string // what a row has found
}

// diagnose names the causes of f, likeliest first, and the text to read: what the
// table has for it, and what usually breaks the check.
func (f *Failure) diagnose(c Check) {
	if f.symptom == "" {
		f.symptom = symptomOf(f.Got)
	}
	e := &evidence{Promises: f.promises, Failure: f, check: c.Name}
	f.Seen = f.scene.tell(f.mine)
	var found []string
	for _, row := range causes {
		e.call, e.fd, e.fact = "", "", ""
		if len(found) == mostCauses || !row.when(e) {
			continue
		}
		words := strings.NewReplacer("{call}", e.call, "{fd}", e.fd, "{fact}", e.fact)
		found, f.Rows = append(found, words.Replace(row.says)), append(f.Rows, row.name)
		if len(found) == 1 && !c.Own {
			set(&f.Chapter, row.chapter)
		}
		if row.sure {
			break
		}
	}
	if n := len(f.Rows); n == 0 || n < mostCauses && !isSure(f.Rows[n-1]) {
		set(&f.Cause, c.usual(f.symptom))
		found = append(found, f.Cause)
	}
	f.Cause, f.Or = found[0], found[1:]
	set(&f.Chapter, c.Chapter)
}

func isSure(name string) bool {
	return slices.ContainsFunc(causes, func(row cause) bool { return row.name == name && row.sure })
}

// usual is what usually breaks the check. For one that measures, that says nothing
// about missing or wrong bytes.
func (c Check) usual(s symptom) string {
	if text := plainly[s]; c.Measures && text != "" {
		return text
	}
	return c.Cause
}

// plainly says what a symptom means by itself.
var plainly = map[symptom]string{
	otherBytes: "what is written is not what was read: other bytes, or the wrong order",
	surplus:    "the server writes before it is asked, or more than it was sent",
	silence:    "the bytes were not read, or read and not answered",
	noEnd:      "the server does not close a client whose input has ended",
	earlyEnd:   "the server closes a client to whom it still owes bytes",
	wasReset:   "the server ended, or closed a client while it still had unread input",
	takesNone:  "the server does not read",
	noWay:      "nobody is listening, or no longer",
}

// symptomOf reads a symptom from the words of plain, for failures that were not made
// by a client of this package.
func symptomOf(got string) symptom {
	switch {
	case strings.Contains(got, "other bytes"):
		return otherBytes
	case strings.Contains(got, "connection reset"), strings.Contains(got, "broken pipe"):
		return wasReset
	case strings.Contains(got, "connection refused"):
		return noWay
	case strings.Contains(got, "nothing more (timed out)"):
		return silence
	case strings.Contains(got, "end of file"):
		return earlyEnd
	}
	return ""
}

// said tells whether the server wrote these words.
func (e *evidence) said(words string) bool {
	return strings.Contains(e.log, words) || strings.Contains(e.Log, words)
}

var (
	loopWord      = regexp.MustCompile(`(?m)eventloop: \w+: descriptor .*$|epoll_ctl: file exists|epoll_ctl: no such file.*$`)
	badDescriptor = regexp.MustCompile(`(?m)\w*:? bad file descriptor$`)
	dropsFrame    = regexp.MustCompile(`\d+ bytes dropped`)
	tooLongWords  = regexp.MustCompile(`frame of (\d+) bytes, the maximum is \d+`)
	myLine        = regexp.MustCompile(`(?m)^\t(\S+\.go:\d+)`)
	panicWords    = regexp.MustCompile(`(?m)^panic: (.*)$`)
)

// saidFact finds words of the server, and keeps them.
func (e *evidence) saidFact(words *regexp.Regexp) bool {
	e.fact = words.FindString(e.log)
	return e.fact != ""
}

// findPanic keeps what a panic says, and the learner's first line in its trace.
func (e *evidence) findPanic() bool {
	e.fact = strings.TrimSpace(panicWords.FindStringSubmatch(e.log + "\npanic: ")[1])
	for _, m := range myLine.FindAllStringSubmatch(e.log, -1) {
		if !strings.Contains(m[1], "/pkg/mod/") && !strings.Contains(m[1], "/runtime/") && !strings.Contains(m[1], "/shared/") {
			e.fact += ", at " + filepath.Base(m[1])
			break
		}
	}
	return e.fact != ""
}

// ended reports whether the server has ended.
func (e *evidence) ended() bool {
	return strings.Contains(e.Got, "the server has ended") || strings.Contains(e.Got, "the program ended") || strings.Contains(e.Got, "the server ended")
}

// ends tells whether the connection ended too early.
func (e *evidence) ends() bool {
	return e.symptom == earlyEnd || e.symptom == wasReset
}

// earlyEnds tells whether a client that has sent whole messages got too little.
func (e *evidence) earlyEnds() bool { return e.symptom == earlyEnd && e.halfClosed }

// countLost counts the sockets that no longer have a client.
func (e *evidence) countLost() bool {
	lost, all := 0, 0
	for _, k := range e.sockets() {
		if all++; k.state == stateGone || k.state == stateCloseWait {
			lost++
		}
	}
	e.fact = "clients come and go until accept(2) has none left"
	if lost > 0 {
		e.fact = fmt.Sprintf("%d of its %d sockets no longer have a client", lost, all)
	}
	return true
}

func (e *evidence) sockets() []socketState {
	if e.scene == nil {
		return nil
	}
	return e.scene.sockets
}

// unserved tells whether this client waits while the server is at rest: it was not
// accepted, or its bytes were not read.
func (e *evidence) unserved() bool {
	still := e.quiet() || e.symptom == noWay || e.symptom == silence && e.scene != nil
	return still && (e.mine == nil || e.mine.unread > 0 || e.symptom == noEnd)
}

// sleepsOn finds a thread asleep in one of the calls, for another client.
func (e *evidence) sleepsOn(calls ...string) bool {
	other := func(k *socketState) bool {
		return !k.nonblock && k.state != stateListen && (e.mine == nil || k.fd != e.mine.fd)
	}
	for _, name := range calls {
		if b, found := e.scene.in(name, other); found && e.unserved() {
			e.call = b.String()
			return true
		}
	}
	return false
}

// listens tells whether there is a listener, with O_NONBLOCK or without.
func (e *evidence) listens(nonblock bool) bool {
	l := e.scene.listener()
	return l != nil && l.nonblock == nonblock
}

// blockedInAccept finds the only serving thread asleep in accept.
func (e *evidence) blockedInAccept() bool {
	b, found := e.scene.in("accept", func(k *socketState) bool { return !k.nonblock })
	waiting := e.scene.first(func(k socketState) bool { return k.state != stateListen && k.state != stateGone && k.nonblock })
	e.call = b.String()
	return found && waiting != nil
}

// quiet tells whether something did not come although the server is at rest.
func (e *evidence) quiet() bool {
	return (e.symptom == silence || e.symptom == noEnd || e.symptom == takesNone) && e.scene != nil && (e.scene.asleep() || !e.scene.waits)
}

// spins tells whether the server uses CPU where it should sleep.
func (e *evidence) spins() bool {
	return e.Sleeps && e.scene != nil && (e.symptom == burns || e.quietly() && e.scene.spun())
}

func (e *evidence) quietly() bool { return e.symptom == silence || e.symptom == noEnd }

// selects tells whether the server waits in select.
func (e *evidence) selects() bool {
	if e.scene != nil {
		for _, b := range e.scene.calls {
			if b.name == "select" {
				return true
			}
		}
	}
	return false
}

// unread finds a socket with something to read that match accepts, this client's
// first.
func (e *evidence) unread(match func(socketState) bool) bool {
	ready := func(k socketState) bool {
		return (k.unread > 0 || k.state == stateCloseWait) && k.state != stateGone && match(k)
	}
	k := e.mine
	if k == nil || !ready(*k) {
		if k = e.scene.first(ready); k == nil {
			return false
		}
	}
	e.fd = strconv.Itoa(k.fd)
	e.fact = fmt.Sprintf("has %d bytes to read", k.unread)
	switch {
	case k.state == stateListen:
		e.fact = fmt.Sprintf("has %d clients to accept", k.unread)
	case k.unread == 0:
		e.fact = "has an end of file to read"
	}
	return true
}

func (e *evidence) beyondNfds() bool {
	ok := e.selects() && e.unread(func(k socketState) bool { return k.fd >= e.scene.nfds })
	e.fact += fmt.Sprintf(": nfds is %d", e.scene.nfds)
	return ok
}

func (e *evidence) leftAtEdge() bool {
	ok := e.unread(func(k socketState) bool { return k.state != stateListen && e.scene.asked[k.fd].edge })
	e.fact = strings.Replace(e.fact, "has ", "was left with ", 1)
	return ok
}

func (e *evidence) edgeListener() bool {
	l := e.scene.listener()
	if l == nil || !e.scene.asked[l.fd].edge || l.unread == 0 {
		return false
	}
	e.fact = fmt.Sprintf("%d clients wait to be accepted", l.unread)
	return true
}

// unasked finds a socket with something to read that nobody waits for.
func (e *evidence) unasked() bool {
	return e.scene.waits && e.unread(func(k socketState) bool { return !e.scene.asked[k.fd].read && k.unsent == 0 })
}

// holds tells whether the server has read bytes of this client that it has not
// written.
func (e *evidence) holds() bool {
	e.fact = fmt.Sprintf("%d bytes", e.held)
	return e.held > 0
}

// waited is what the server waits for on this client's socket.
func (e *evidence) waited() interest {
	if e.mine == nil {
		return interest{}
	}
	return e.scene.asked[e.mine.fd]
}

// wasPaused tells whether this client can have filled the buffers on its way.
func (e *evidence) wasPaused() bool { return e.sentBytes > 128<<10 }

// has finds a socket in that state, this client's first.
func (e *evidence) has(state string) bool {
	k := e.mine
	if k == nil || k.state != state {
		k = e.scene.first(func(k socketState) bool { return k.state == state })
	}
	if k == nil {
		return false
	}
	e.fd = strconv.Itoa(k.fd)
	return true
}

// writesToAll reports whether every client at end of file is still owed bytes, and
// so rightly kept.
func (e *evidence) writesToAll() bool {
	return e.scene.first(func(k socketState) bool { return k.state == stateCloseWait && k.unsent == 0 }) == nil
}

func (e *evidence) queued() bool {
	l := e.scene.listener()
	if l == nil || l.unread == 0 || e.scene.waits && !e.scene.asked[l.fd].read {
		return false
	}
	e.fact = fmt.Sprintf("%d clients wait", l.unread)
	return true
}

// blockedByOther finds a client that takes nothing while this one is not read.
func (e *evidence) blockedByOther() bool {
	k := e.scene.first(func(k socketState) bool { return k.unsent > 0 && (e.mine == nil || k.fd != e.mine.fd) })
	if k == nil || e.mine != nil && e.mine.unread == 0 {
		return false
	}
	e.fd = strconv.Itoa(k.fd)
	return true
}

// pausedReader finds a client that has not taken its bytes, and has sent more.
func (e *evidence) pausedReader() bool {
	k := e.scene.first(func(k socketState) bool { return k.unsent > 0 && (k.unread > 0 || k.state == stateCloseWait) })
	if k == nil {
		return false
	}
	e.fd, e.fact = strconv.Itoa(k.fd), fmt.Sprintf("%d bytes unread, %d not taken by its client", k.unread, k.unsent)
	return true
}

// idleWriters reports whether nothing is left but readiness to write.
func (e *evidence) idleWriters() bool {
	if e.scene.waits {
		return e.scene.first(func(k socketState) bool { return k.unsent == 0 && e.scene.asked[k.fd].write }) != nil
	}
	return e.scene.first(func(k socketState) bool {
		return k.state != stateListen && (k.unread > 0 || k.state != stateEstablished)
	}) == nil
}

// foundAt reports whether the bytes are this client's own, from where: later or earlier.
func (e *evidence) foundAt(where string) bool {
	e.fact = "bytes"
	if e.distance > 0 {
		e.fact = fmt.Sprintf("%d bytes", e.distance)
	}
	return e.whose == where
}

// swapped finds a length with its bytes in the wrong order.
func (e *evidence) swapped() bool {
	if got, want, ok := e.headers(); ok && got == bits.ReverseBytes32(want) && got != want {
		e.fact = fmt.Sprintf("%d came as %d", want, got)
		return true
	}
	m := tooLongWords.FindStringSubmatch(e.log)
	if m == nil || !e.ends() || e.onPurpose() {
		return false
	}
	n, _ := strconv.ParseUint(m[1], 10, 32)
	if right := bits.ReverseBytes32(uint32(n)); right < 1<<16 {
		e.fact = fmt.Sprintf("a length of %d was read as %d", right, n)
		return true
	}
	return false
}

// offBy finds a length that is wrong by n.
func (e *evidence) offBy(n uint32) bool {
	got, want, ok := e.headers()
	if !ok || got != want+n && got+n != want {
		return false
	}
	e.fact = fmt.Sprintf("%d came as %d", want, got)
	return true
}

// headers returns the length that came and the one that was expected.
func (e *evidence) headers() (got, want uint32, ok bool) {
	if e.symptom != otherBytes || !e.inHeader {
		return 0, 0, false
	}
	return e.gotHeader, e.wantHeader, true
}

// onPurpose tells whether the check sends a length that is too great.
func (e *evidence) onPurpose() bool {
	return strings.HasPrefix(e.check, "too-long") || e.check == "linger-ends" || e.check == "lingers" || e.check == "small-limits" || !e.saidFact(tooLongWords)
}

// lingers reports whether the check keeps sending where the server has to close.
func (e *evidence) lingers() bool {
	return strings.HasPrefix(e.check, "too-long") || strings.HasPrefix(e.check, "stop-") || e.check == "linger-ends" || e.check == "lingers"
}

func (e *evidence) timedOut() bool { return strings.Contains(e.Got, "timeout") }
