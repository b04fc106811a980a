package echotest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
	"weak"
)

// A testimony is what a failure's causes are chosen by.
type testimony struct {
	promises Promises
	symptom  symptom
	scene    *scene       // what the server's process did
	log      string       // all that it wrote to standard error
	mine     *socketState // the server's end of the connection that failed
	held     int64        // bytes it has read from there and not written

	sentBytes, came int64
	halfClosed      bool
	whose           string // other bytes: another client's, later, earlier, zeros
	inHeader        bool   // they begin in the header of a frame
	distance        int    // how many bytes later or earlier
	gotHeader       uint32
	wantHeader      uint32
}

// CloseWrite is that of package net, and remembers that no more input comes.
func (c *Conn) CloseWrite() error {
	c.halfClosed.Store(true)
	return c.TCPConn.CloseWrite()
}

// broken completes a failure of this connection with what can be seen right now.
func (c *Conn) broken(what symptom, f *Failure) error {
	f.symptom, f.halfClosed = what, c.halfClosed.Load()
	if f.scene = c.seen.Load(); f.scene == nil {
		f.scene = c.server.look()
	}
	theirs, mine := procAddr(c.RemoteAddr().String()), procAddr(c.LocalAddr().String())
	f.mine = f.scene.of(mine)
	if f.mine == nil || c.flow == nil {
		return f
	}
	f.sentBytes, f.came = c.flow.out.Load(), c.flow.in.Load()
	ours := connections("/proc/self")[mine+" "+theirs]
	f.held = f.sentBytes - f.came - f.mine.unread - f.mine.unsent - ours.unsent - ours.unread
	return f
}

// whatEnded names what err says about a connection; quiet is the answer if nothing
// came or went for too long.
func whatEnded(err error, quiet symptom) symptom {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return earlyEnd
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed): // closed by us: the time is over
		return quiet
	}
	return wasReset // or a broken pipe, which is a reset that came before
}

// look sees the server's process, if it is ours.
func (s *Server) look() *scene {
	if s == nil || s.Process == nil || s.Exited() {
		return nil
	}
	sc := look(s.Pid)
	// A signal of the Go runtime cuts a call short for a moment, after which it is
	// made again.
	for i := 0; i < 10 && sc != nil && sc.runs && len(sc.calls) == 0; i++ {
		sc = look(s.Pid)
	}
	return sc
}

// patient reads with patience.
type patient struct{ *Conn }

func (p patient) Read(b []byte) (int, error) { return p.wait(b) }

// wait reads, and gives up when patience is over or when the server can be seen to
// be stuck: it sleeps and nothing will wake it, or it uses CPU and gets nowhere.
func (c *Conn) wait(p []byte) (n int, err error) {
	return c.until(func(limit time.Time) (int, error) {
		c.SetReadDeadline(limit)
		return c.Read(p)
	})
}

// take is wait for a write.
func (c *Conn) take(p []byte) (n int, err error) {
	return c.until(func(limit time.Time) (int, error) {
		c.SetWriteDeadline(limit)
		return c.Write(p)
	})
}

// until tries up to the end of patience, and looks at the server after a fifth of
// it and then often. A server that is slow, and not stuck, has all of the time.
func (c *Conn) until(try func(limit time.Time) (int, error)) (n int, err error) {
	end := time.Now().Add(patience)
	var begin, before *scene
	var moved int64
	for step := patience / 5; ; step = patience / 30 {
		limit := time.Now().Add(step)
		last := !limit.Before(end)
		if last {
			limit = end
		}
		n, err = try(limit)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		now := c.server.look()
		if m := c.moved(); begin == nil || m != moved {
			begin, moved = now, m
		}
		much := patience / 10
		if last { // on a busy machine it got little
			much = patience / 200
		}
		if now.stuckSince(before) || now.blocksSince(before) || now.spunSince(begin, much) || last {
			c.seen.Store(now)
			return n, err
		}
		before = now
	}
}

// moved counts the bytes that went and came.
func (c *Conn) moved() int64 {
	if c.flow == nil {
		return 0
	}
	return c.flow.out.Load() + c.flow.in.Load()
}

// spunSince tells whether the server has used that much CPU time.
func (s *scene) spunSince(begin *scene, much time.Duration) bool {
	if s == nil || begin == nil || s.cpu-begin.cpu < much {
		return false
	}
	s.useless = true
	return true
}

// spun tells whether the server used CPU, and nothing came of it.
func (s *scene) spun() bool { return s != nil && s.useless }

// trace finds out where bytes that are not those of st at offset come from.
func (f *Failure) trace(st *stream, offset int64, got []byte) {
	const least, most = 8, 64 // few may be alike by chance
	got = got[:min(len(got), most)]
	f.traceHeader(st, offset, got)
	if len(got) < least {
		return
	}
	here, size := int(offset%int64(len(st.block))), len(st.block)
	later := bytes.Index(append(bytes.Clone(st.block[here:]), st.block...), got)
	switch {
	case len(bytes.Trim(got, "\x00")) == 0:
		f.whose = "zeros"
	case later >= 0 && later <= size/2:
		f.whose, f.distance = "later", later
	case later >= 0:
		f.whose, f.distance = "earlier", size-later
	case ofAnother(st, got):
		f.whose = "another client's"
	}
}

// traceHeader keeps the length that came and the one that was expected, if the wrong
// bytes begin in a header.
func (f *Failure) traceHeader(st *stream, offset int64, got []byte) {
	start := st.boundary(offset)
	right := int(offset - start)
	want := st.at(start, 4)
	if right >= 4 || len(want) < 4 || len(got) < 4-right {
		return
	}
	came := append(bytes.Clone(want[:right]), got[:4-right]...)
	f.inHeader, f.gotHeader, f.wantHeader = true, binary.BigEndian.Uint32(came), binary.BigEndian.Uint32(want)
}

// streams are those that clients send, as long as the clients are there.
var streams struct {
	sync.Mutex
	list []weak.Pointer[stream]
}

func remember(st *stream) {
	streams.Lock()
	defer streams.Unlock()
	if n := len(streams.list); n == cap(streams.list) { // before it grows
		live := streams.list[:0]
		for _, p := range streams.list {
			if p.Value() != nil {
				live = append(live, p)
			}
		}
		streams.list = live
	}
	streams.list = append(streams.list, weak.Make(st))
}

// ofAnother tells whether another client sends these bytes.
func ofAnother(st *stream, got []byte) bool {
	streams.Lock()
	defer streams.Unlock()
	for _, p := range streams.list {
		if other := p.Value(); other != nil && other != st && bytes.Contains(other.block, got) {
			return true
		}
	}
	return false
}
