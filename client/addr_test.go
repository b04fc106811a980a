package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"example/tcpladder/shared/echotest"
)

// A wrong server, and the check that has to notice it.
type wrong struct {
	check, name string
	serve       func(*net.TCPConn)
}

// wrongBytes are plausible servers of bytes with one defect each.
func wrongBytes() []wrong {
	served := func(s *byteServer) func(*net.TCPConn) { return s.serve }
	after := func(least int64, change func([]byte) []byte) func(int64, []byte) []byte {
		return func(total int64, p []byte) []byte {
			if total >= least {
				return change(p)
			}
			return p
		}
	}
	return []wrong{
		{"quiet-clients", "drops clients after 3 s of silence", served(&byteServer{readTime: 3 * time.Second})},
		{"quiet-clients", "drops who has taken nothing for 3 s", served(&byteServer{writeTime: 3 * time.Second})},
		{"quiet-clients", "says something every 3 s", served(&byteServer{heartbeat: 3 * time.Second})},
		{"bounded-queue", "queues 64 MiB per client", served(&byteServer{queue: 64 << 20})},
		{"bounded-queue", "queues 24 MiB per client", served(&byteServer{queue: 24 << 20})},
		{"long-stream", "loses a byte after 50 MiB", served(&byteServer{change: after(50<<20, func(p []byte) []byte { return p[:max(len(p)-1, 0)] })})},
		{"any-segmentation", "changes a byte after 64 KiB", served(&byteServer{change: after(64<<10, flip)})},
		{"any-segmentation", "makes newlines of carriage returns", served(&byteServer{change: after(0, func(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\r"), []byte("\n")) })})},
		{"many-clients", "is wrong for the 700th client", served(&byteServer{nth: 700})},
		{"side-by-side", "has one buffer for all clients", served(&byteServer{shared: new([4 << 10]byte)})},
		{"many-clients", "serves one client after the other", served(&byteServer{alone: true})},
		{"half-close", "resets at the end of the input", served(&byteServer{atEOF: reset})},
		{"half-close", "does not close at the end of the input", served(&byteServer{atEOF: stay})},
		{"half-close-queued", "drops what is unsent at the end of the input", (&dropper{}).serve},
		{"reset", "serves nobody after a reset", served(dies())},
	}
}

// stay keeps the connection open after the end of the input.
func stay(*net.TCPConn) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	<-timer.C
}

// dies is a server that hangs once a client has reset.
func dies() *byteServer {
	s := &byteServer{alone: true}
	s.onReset = func() {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		<-timer.C
	}
	return s
}

// A dropper reads all it can, and closes at the end of the input.
type dropper struct{}

func (dropper) serve(c *net.TCPConn) {
	q := newQueue(c, 1<<30)
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		q.Write(buf[:n])
		if err != nil {
			c.SetLinger(0)
			return
		}
	}
}

// wrongFrames are plausible servers of frames with one defect each.
func wrongFrames() []wrong {
	served := func(s *frameServer) func(*net.TCPConn) { return s.serve }
	from := func(least, most int, change func([]byte) []byte) func([]byte) []byte {
		return func(p []byte) []byte {
			if least <= len(p) && len(p) <= most {
				return change(p)
			}
			return p
		}
	}
	closes := func(*net.TCPConn) {}
	signed := func(p []byte) uint32 {
		return uint32(int32(int8(p[0]))<<24 + int32(int8(p[1]))<<16 + int32(int8(p[2]))<<8 + int32(p[3]))
	}
	return []wrong{
		{"quiet-clients", "drops clients after 3 s of silence", served(&frameServer{readTime: 3 * time.Second})},
		{"every-size", "corrupts frames of the maximum less 3", served(&frameServer{change: from(1<<20-3, 1<<20-3, flip)})},
		{"every-size", "corrupts frames of 1,000,000 bytes and more", served(&frameServer{change: from(1e6, 1<<20-1, flip)})},
		{"every-size", "corrupts frames of 65,536 bytes", served(&frameServer{change: from(1<<16, 1<<16, flip)})},
		{"every-size", "takes the bytes of a length for signed", served(&frameServer{decode: signed})},
		{"greatest-frame", "has a maximum of 64 KiB", served(&frameServer{max: 1 << 16})},
		{"greatest-frame", "corrupts the greatest frame", served(&frameServer{change: from(1<<20, 1<<20, flip)})},
		{"too-long", "takes one byte more than the maximum", served(&frameServer{max: 1<<20 + 1})},
		{"header-in-pieces", "takes one byte more than the maximum", served(&frameServer{max: 1<<20 + 1})},
		{"header-in-pieces", "takes a read for a whole header", served(&frameServer{hasty: true})},
		{"header-in-pieces", "looks at a header only when more has come", served(&frameServer{needs: 1})},
		{"lingers", "does not linger", served(&frameServer{bad: closes})},
		{"lingers", "lingers one time in two", served(&frameServer{bad: func(c *net.TCPConn) {
			if rand.IntN(2) == 0 {
				linger(c)
			}
		}})},
		{"lingers", "says so, and closes", served(&frameServer{bad: func(c *net.TCPConn) { c.CloseWrite() }})},
		{"linger-ends", "lingers forever", served(&frameServer{bad: func(c *net.TCPConn) { c.CloseWrite(); silent(c) }})},
		{"too-long", "answers nothing, and stays", served(&frameServer{bad: stay})},
		{"empty-frames", "takes an empty frame for nothing", served(&frameServer{skip: true})},
		{"protocol", "echoes a header before its payload is there", served(&frameServer{cut: true})},
		{"half-frame-waits", "puts all clients' frames together in one place", served(&frameServer{assembly: new(sync.Mutex)})},
		{"side-by-side", "puts all clients' frames together in one place", served(&frameServer{assembly: new(sync.Mutex)})},
		{"many-frames-at-once", "answers one frame for each read", served(&frameServer{lazy: true})},
		{"ends-anywhere", "does not close at the end of the input", served(&frameServer{endless: true})},
		{"half-frame-ends", "echoes a broken frame at the end", served(&frameServer{broken: true})},
		{"half-frame-ends", "resets at an end inside a frame", served(&frameServer{partial: reset})},
		{"ends-anywhere", "forgets an empty frame at the end", (&forgetful{}).serve},
	}
}

// A forgetful server looks for the next byte before it answers an empty frame.
type forgetful struct{}

func (forgetful) serve(c *net.TCPConn) {
	header := make([]byte, 4)
	owed := 0
	for {
		n, err := c.Read(header[:1])
		if n == 0 || err != nil {
			return
		}
		c.Write(make([]byte, owed))
		owed = 0
		if _, err := io.ReadFull(c, header[1:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(header))
		if len(payload) == 0 {
			owed = 4
			continue
		}
		if len(payload) > 1<<20 {
			linger(c)
			return
		}
		if _, err := io.ReadFull(c, payload); err != nil {
			return
		}
		c.Write(append(bytes.Clone(header), payload...))
	}
}

// TestWrongServers: the check whose promise is broken says so. They are examined a
// few at a time, since nearly all of the time is spent waiting.
func TestWrongServers(t *testing.T) {
	long(t)
	t.Parallel()
	var together sync.WaitGroup
	defer together.Wait()
	free := make(chan bool, 16)
	for rung, list := range map[string][]wrong{"04": wrongBytes(), "05": wrongFrames()} {
		for _, w := range list {
			addr := listen(t, w.serve)
			together.Go(func() {
				free <- true
				defer func() { <-free }()
				report, status := examine(t, addr, "^("+w.check+"|protocol)$", rung)
				if status != 1 || !strings.Contains(report, "✗ "+w.check) {
					t.Errorf("%s: no cross for a server that %s: status %d\n%s", w.check, w.name, status, report)
				}
			})
		}
	}
}

// TestWholeRuns takes half an hour: a whole run has a cross for each wrong server, that of the right
// check unless it was given up before, and ends in time.
func TestWholeRuns(t *testing.T) {
	long(t)
	for rung, list := range map[string][]wrong{"04": wrongBytes(), "05": wrongFrames()} {
		for _, w := range list {
			addr := listen(t, w.serve)
			t.Run(rung+"/"+strings.ReplaceAll(w.name, " ", "-"), func(t *testing.T) {
				began := time.Now()
				report, status := examine(t, addr, "", rung)
				t.Logf("%v\n%s", time.Since(began), report)
				found := strings.Contains(report, "✗ "+w.check) || strings.Contains(flat(report), "waited in vain")
				if status != 1 || !strings.Contains(report, "✗") || !found {
					t.Errorf("%s: no cross, status %d", w.check, status)
				}
				if took := time.Since(began); took > 4*time.Minute {
					t.Errorf("took %v", took)
				}
			})
		}
	}
}

// TestEnough: a few crosses of a kind are enough, different ones are not.
func TestEnough(t *testing.T) {
	cross := func(got string) error { return &echotest.Failure{Got: got} }
	var late, alike, other weariness
	for i := range 4 {
		if why := late.enough(cross(string(rune('a'+i))), echotest.Patience()+1); (why != "") != (i == 3) {
			t.Errorf("after %d that waited in vain: %q", i+1, why)
		}
	}
	for i := range enoughAlike {
		if why := alike.enough(cross([]string{"7 bytes, then end of file", "write: broken pipe"}[i%2]), 0); (why != "") != (i == enoughAlike-1) {
			t.Errorf("after %d that say the same: %q", i+1, why)
		}
	}
	for i := range 20 {
		if why := other.enough(cross(string(rune('a'+i))), 0); why != "" {
			t.Errorf("after %d different ones: %q", i+1, why)
		}
	}
}

// TestStrangersGetACross: what was met is told as a cross, and ends the run.
func TestStrangersGetACross(t *testing.T) {
	t.Parallel()
	report, status := examine(t, listen(t, says("220 mail.example.com ESMTP\r\n")), "")
	for _, want := range []string{"✗ protocol", "an SMTP server", "checks not run", "0 passed, 1 failed"} {
		if status != 1 || !strings.Contains(flat(report), want) {
			t.Errorf("status %d, no %q in\n%s", status, want, report)
		}
	}
	report, status = examine(t, listen(t, echoBytes), "", "05")
	if status != 1 || !strings.Contains(flat(report), "it echoes bytes: name another rung") {
		t.Errorf("status %d\n%s", status, report)
	}
}

// TestServerEnds: nobody is asked who is not there any more.
func TestServerEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for range 4 {
			if c, err := l.Accept(); err == nil {
				echoBytes(c.(*net.TCPConn))
				c.Close()
			}
		}
		l.Close()
	}()
	report, status := examine(t, l.Addr().String(), "")
	if status != 1 || !strings.Contains(flat(report), "nobody answers at") {
		t.Errorf("status %d\n%s", status, report)
	}
}

// TestAwkward: whatever a server does, a run ends, within the time that -h states,
// and has a cross. Most of the time is that of checks that wait in vain.
func TestAwkward(t *testing.T) {
	long(t)
	var together sync.WaitGroup
	defer together.Wait()
	for name, serve := range map[string]func(*net.TCPConn){
		"a byte every 0.3 s":               now(trickle(300 * time.Millisecond)),
		"a byte every 0.3 s, asked or not": func(c *net.TCPConn) { unasked(c, 300*time.Millisecond) },
		"an answer after 4 s":              later(4*time.Second, bytesFrom),
		"an answer after 1 s":              later(time.Second, framesFrom),
		"nothing":                          silent,
		"garbage":                          garbage,
		"resets":                           reset,
		"an answer, and then nothing":      afterwards(silent),
		"an answer, and then garbage":      afterwards(garbage),
		"an answer, and then a reset":      afterwards(reset),
		"answers, 1 KiB/s":                 now(slowly),
	} {
		addr := listen(t, serve)
		together.Go(func() {
			began := time.Now()
			report, status := examine(t, addr, "")
			took := time.Since(began)
			t.Logf("%s: %v\n%s", name, took, report)
			if status != 1 || !strings.Contains(report, "✗") || took > 4*time.Minute {
				t.Errorf("%s: status %d after %v", name, status, took)
			}
		})
	}
}

func unasked(c *net.TCPConn, every time.Duration) {
	beat := time.NewTicker(every)
	defer beat.Stop()
	for range beat.C {
		if _, err := c.Write([]byte{0}); err != nil {
			return
		}
	}
}

// afterwards echoes a little and then does something else.
func afterwards(then func(*net.TCPConn)) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		buf := make([]byte, 15)
		n, _ := c.Read(buf)
		c.Write(buf[:n])
		then(c)
	}
}

// slowly echoes 1 KiB in a second.
func slowly(c *net.TCPConn, r io.Reader) {
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	buf := make([]byte, 100)
	for {
		n, err := r.Read(buf)
		if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
			return
		}
		<-beat.C
	}
}
