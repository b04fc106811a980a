package main

import (
	"fmt"
	"net"
	"regexp"
	"time"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
)

// examineTime is how long the checks of a server that somebody else runs may take
// together. With the time to recognise it and to end, that makes the 4 minutes of -h.
const examineTime = 3 * time.Minute

// running examines the server at addr, with the checks that need no more than its
// address, one after the other: they share the server.
func (e *examination) running(chosen []echotest.Rung, addr string) error {
	met, err := recognise(addr, usualPace)
	if err != nil {
		return err
	}
	r := echotest.Rungs[3]
	if met.frames {
		r = echotest.Rungs[4]
	}
	if len(chosen) > 0 {
		r = chosen[0]
	}
	var list []echotest.Check
	for _, c := range echotest.Checks(r.Promises) {
		if c.OnWire && e.match.MatchString(c.Name) {
			list = append(list, c)
		}
	}
	if cross := met.against(r, len(chosen) > 0); cross != nil {
		e.begin("%s, to be held to what %s promises on the wire", addr, r.Folder)
		e.tell(echotest.Check{Name: "protocol", Promise: "it echoes " + kinds[r.Promises.Framed]}, cross, 0)
		e.leave(list, "what they send would not be understood")
		return nil
	}
	e.begin("%s, which echoes %s, held to what %s promises on the wire", addr, met.echoes(), r.Folder)
	t := echotest.Listening(addr, r.Promises)
	t.Until(time.Now().Add(examineTime))
	e.inTurn(t, addr, list)
	return nil
}

// kinds says what is echoed, by Promises.Framed.
var kinds = map[bool]string{true: "frames", false: "bytes"}

// against is nil if m speaks what r does, and otherwise says what it speaks instead.
func (m meeting) against(r echotest.Rung, named bool) error {
	if m.is == "" && m.frames == r.Promises.Framed {
		return nil
	}
	want := "the frame alone, and end of file after the half-close, as from " + r.Folder
	switch {
	case !named:
		want = "all of it (bytes, rungs 01 to 04), or the frame alone (frames, rung 05)"
	case !r.Promises.Framed:
		want = "all of it, as from " + r.Folder
	}
	if m.is == "" {
		m.is = fmt.Sprintf("it echoes %s: name another rung, or none", kinds[m.frames])
	}
	return m.cross(want)
}

// A weariness counts crosses of the same kind.
type weariness struct {
	late   int           // that took longer than anything is waited for
	waited time.Duration // by these
	last   string        // what came at the last one
	alike  int           // how many in a row said the same
}

// A few crosses of a kind: more would tell nothing new.
const enoughAlike = 5

func enoughWaited() time.Duration { return 4 * echotest.Patience() }

// ended has the ways in which a connection can end against a client's will. Which
// of them it is depends on what the client was doing.
var ended = regexp.MustCompile("end of file|connection reset|broken pipe")

var number = regexp.MustCompile(`[0-9]+`)

// enough takes note of the failure of a check and tells why no more are run.
func (w *weariness) enough(err error, took time.Duration) string {
	came := err.Error()
	if f, ok := err.(*echotest.Failure); ok {
		came = f.Got
	}
	if ended.MatchString(came) {
		came = "the connection ended"
	}
	if came = number.ReplaceAllString(came, "N"); came == w.last {
		w.alike++
	} else {
		w.last, w.alike = came, 1
	}
	if took > echotest.Patience() {
		w.late++
		w.waited += took
	}
	switch {
	case w.waited >= enoughWaited():
		return fmt.Sprintf("%d checks have waited in vain, %v in all", w.late, w.waited.Round(time.Second))
	case w.alike >= enoughAlike:
		return fmt.Sprintf("%d in a row ended the same way: %s", w.alike, came)
	}
	return ""
}

// inTurn runs the checks until all are done, or more of them would be useless.
func (e *examination) inTurn(t *echotest.Target, addr string, list []echotest.Check) {
	var w weariness
	end := time.Now().Add(examineTime)
	for i, c := range list {
		start := time.Now()
		if start.After(end) {
			e.leave(list[i:], fmt.Sprintf("out of time after %v", examineTime))
			return
		}
		err := c.Run(t)
		e.tell(c, err, time.Since(start))
		if _, skipped := echotest.Skipped(err); err == nil || skipped {
			continue
		}
		if e.stops() {
			e.leave(list[i+1:], "-failfast")
			return
		}
		why := w.enough(err, time.Since(start))
		if gone := nobody(addr); gone != nil {
			why = fmt.Sprintf("nobody answers at %s any more: %v", addr, plain(gone))
		}
		if why != "" {
			e.leave(list[i+1:], why)
			return
		}
	}
}

// leave counts checks that are not run, and says why unless that is plain to see.
func (e *examination) leave(list []echotest.Check, why string) {
	if len(list) > 0 && why != "" {
		fmt.Fprintln(e.out, cli.Wrap(fmt.Sprintf("  %d checks not run: %s", len(list), why), 4))
	}
	e.left += len(list)
	for _, c := range list {
		r := report.Judge(c, nil, 0)
		r.Outcome, r.Why = report.NotRun, why
		e.add(r)
	}
}

// nobody returns the error if no connection to addr can be made.
func nobody(addr string) error {
	c, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err == nil {
		c.Close()
	}
	return err
}
