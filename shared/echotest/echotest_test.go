package echotest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestStream(t *testing.T) {
	s := newStream(Promises{Framed: true}, 1, sized(6), 25) // three frames of 10 bytes
	for _, c := range []struct{ offset, boundary, next int64 }{
		{0, 0, 10}, {9, 0, 10}, {10, 10, 20}, {29, 20, 30}, {30, 30, 40}, {75, 70, 80},
	} {
		if b, n := s.boundary(c.offset), s.next(c.offset); b != c.boundary || n != c.next {
			t.Errorf("at %d: boundary %d, next %d; want %d, %d", c.offset, b, n, c.boundary, c.next)
		}
	}
	got := append(append([]byte{}, s.block[25:]...), s.block[:15]...)
	if i := s.differ(25, got); i != -1 {
		t.Errorf("equal bytes differ at %d", i)
	}
	got[7]++
	if i := s.differ(25, got); i != 7 {
		t.Errorf("differ = %d, want 7", i)
	}
}

// A handler serves one connection. faulty is what it does to the bytes.
type handler func(c *net.TCPConn, faulty func([]byte) []byte)

func honest(p []byte) []byte { return p }

func echoBytes(c *net.TCPConn, faulty func([]byte) []byte) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if _, werr := c.Write(faulty(buf[:n])); err != nil || werr != nil {
			return
		}
	}
}

func echoFrames(c *net.TCPConn, faulty func([]byte) []byte) {
	header := make([]byte, 4)
	for {
		if _, err := io.ReadFull(c, header); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(header)
		if n > defaultMaxFrame {
			c.CloseWrite()
			c.SetReadDeadline(time.Now().Add(time.Second))
			io.CopyN(io.Discard, c, 1<<20)
			return
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(c, p); err != nil {
			return
		}
		if _, err := c.Write(faulty(frame(p))); err != nil {
			return
		}
	}
}

// listening serves on package net, a goroutine for each client.
func listening(t *testing.T, p Promises, serve handler, faulty func([]byte) []byte) *Target {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				go func() {
					defer c.Close()
					serve(c.(*net.TCPConn), faulty)
				}()
			}
		}
	}()
	return Listening(l.Addr().String(), p)
}

var (
	bytesPromises  = Promises{Concurrent: true, Sleeps: true}
	framesPromises = Promises{Concurrent: true, Sleeps: true, Framed: true}
)

// TestHonest: servers that are built in another way keep the promises too.
func TestHonest(t *testing.T) {
	for name, target := range map[string]*Target{
		"bytes":  listening(t, bytesPromises, echoBytes, honest),
		"frames": listening(t, framesPromises, echoFrames, honest),
	} {
		for _, c := range Checks(target.Promises) {
			if !c.OnWire || c.Name == "many-clients" { // both ends of those are in this process
				continue
			}
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				if err := c.Run(target); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestFaulty: a fault is noticed, and told in full.
func TestFaulty(t *testing.T) {
	total := 0
	faults := map[string]func([]byte) []byte{
		"any-segmentation": func(p []byte) []byte { // one byte is wrong
			if total += len(p); total > 300_000 && len(p) > 0 {
				p[0] ^= 1
			}
			return p
		},
		"half-close": func(p []byte) []byte { // the end is cut off
			if len(p) > 1 {
				p = p[:len(p)-1]
			}
			return p
		},
	}
	for name, faulty := range faults {
		target := listening(t, bytesPromises, echoBytes, faulty)
		for _, c := range Checks(target.Promises) {
			if c.Name != name {
				continue
			}
			var f *Failure
			if err := c.Run(target); !errors.As(err, &f) {
				t.Errorf("%s: %v, want a Failure", name, err)
			} else if f.Sent == "" || f.Want == "" || f.Got == "" || f.Cause == "" || !strings.HasPrefix(f.Chapter, "docs/0") {
				t.Errorf("%s: the failure does not tell everything:\n%v", name, err)
			}
		}
	}
}

// TestChecks: names are the names of subtests, and every check says why it is there.
func TestChecks(t *testing.T) {
	for _, p := range []Promises{{}, {Sleeps: true}, {Concurrent: true}, bytesPromises, framesPromises} {
		seen := map[string]bool{}
		for _, c := range Checks(p) {
			if seen[c.Name] || strings.ContainsAny(c.Name, " /_") {
				t.Errorf("%+v: the name %q is used twice or is not a subtest's name", p, c.Name)
			}
			seen[c.Name] = true
			if c.Promise == "" || c.Cause == "" || c.Chapter == "" || c.Proof == nil {
				t.Errorf("%s: promise, cause, chapter or function is missing", c.Name)
			}
		}
	}
}
