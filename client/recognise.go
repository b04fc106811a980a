package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"example/tcpladder/shared/echotest"
)

// recogniseTime bounds all of recognise.
const recogniseTime = 45 * time.Second

// A pace says how long a prober waits. Silence decides nothing that an answer could:
// a slow server is not another protocol.
type pace struct {
	greeting time.Duration // for what is said unasked; what comes later is still recognised
	answer   time.Duration // for the first answer
	other    time.Duration // for an answer to another question, and at least this for the rest of one
}

var usualPace = pace{300 * time.Millisecond, 6 * time.Second, 2 * time.Second}

// A meeting is what a server turned out to be.
type meeting struct {
	bytes, frames bool   // it echoes that
	is            string // what it is, if neither: "it speaks HTTP"
	sent, came    string
	want          string // what an echo would have been, if that does not depend on the rung
}

// echoes says in a word what the server echoes.
func (m meeting) echoes() string {
	switch {
	case m.frames:
		return "frames"
	case m.bytes:
		return "bytes"
	}
	return "nothing that can be examined"
}

// cross tells why m cannot be held to what a rung promises.
func (m meeting) cross(want string) *echotest.Failure {
	if m.want != "" {
		want = m.want
	}
	return &echotest.Failure{Sent: m.sent, Want: want, Got: m.came, Cause: m.is, Chapter: "docs/protocol.md"}
}

// question is a frame and the beginning of another. A server of bytes sends all of
// it back. One of frames sends the first and, at the end of the input, end of file
// instead of the rest: what comes tells them apart, not how long it takes.
const (
	wholeFrame = "\x00\x00\x00\x05hello"
	question   = wholeFrame + "\x00\x00\x00\x05he"
)

// recognise finds out what the server at addr speaks. An error says that nobody
// could be reached.
func recognise(addr string, wait pace) (meeting, error) {
	ctx, cancel := context.WithTimeout(context.Background(), recogniseTime)
	defer cancel()
	p := &prober{ctx: ctx, addr: addr, pace: wait}
	first, err := p.first()
	if err != nil {
		return meeting{}, err
	}
	m := meeting{sent: "nothing", came: first.told()}
	if first.greeted {
		m.want = "nothing"
		m.is = "it speaks first, which an echo server never does: " + greeting(first.got)
		return m, nil
	}
	m.sent = fmt.Sprintf("%q, a frame and part of another", question)
	switch {
	case first.looksLike(len(question)-1, len(question)): // with a shorter header, no more than 12 come back
		m.frames = first.cut && p.endsAtTooLong(first.pause)
		m.bytes = !m.frames
	case first.looksLike(len(wholeFrame), len(wholeFrame)):
		m.frames = true
	case len(first.got) > 0 && !strings.HasPrefix(question, string(first.got)):
		m.is = p.stranger(first.got, question)
	default:
		p.askOn(&m, first)
	}
	return m, nil
}

// An answer is what came on one connection.
type answer struct {
	greeted bool // before anything was asked
	got     []byte
	end     error         // how it ended; nil: it fell silent
	cut     bool          // it kept back the second frame until the end of the input
	pause   time.Duration // how long a server so slow is waited for
}

// looksLike allows for a server that echoes with faults, which the checks describe
// better: only the first header and the length count.
func (a answer) looksLike(least, most int) bool {
	return least <= len(a.got) && len(a.got) <= most && bytes.HasPrefix(a.got, []byte(wholeFrame[:4]))
}

func (a answer) told() string {
	said := "nothing"
	if len(a.got) > 0 {
		said = fmt.Sprintf("%.100q", a.got)
	}
	switch {
	case errors.Is(a.end, io.EOF):
		return said + ", then end of file"
	case errors.Is(a.end, syscall.ECONNRESET), errors.Is(a.end, syscall.EPIPE):
		return said + ", then connection reset by peer (RST)"
	case a.end != nil:
		return said + ", then " + plain(a.end).Error()
	}
	return said + ", and nothing more for seconds"
}

// A prober asks one question on each connection, one after the other: a server
// may have one client at a time.
type prober struct {
	ctx  context.Context
	addr string
	pace
}

func (p *prober) dial() (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, fmt.Errorf("connect %s: %w", p.addr, plain(err))
	}
	return c.(*net.TCPConn), nil
}

// first listens for a greeting and then asks the question. Once the frame is
// back, it half-closes, which makes either kind of server say what it is.
func (p *prober) first() (answer, error) {
	var a answer
	c, err := p.dial()
	if errors.Is(err, syscall.ECONNRESET) { // right after it connected
		a.end = err
		return a, nil
	}
	if err != nil {
		return a, err
	}
	defer c.Close()
	p.read(c, &a, 1<<10, p.greeting)
	if a.greeted = len(a.got) > 0; a.greeted || a.end != nil {
		return a, nil
	}
	start := time.Now()
	if _, a.end = io.WriteString(c, question); a.end != nil {
		return a, nil
	}
	p.read(c, &a, 1, p.answer)
	if len(a.got) == 0 {
		return a, nil
	}
	a.pause = max(p.other, 3*time.Since(start))
	p.read(c, &a, len(wholeFrame), a.pause)
	if a.cut = a.looksLike(len(wholeFrame), len(wholeFrame)) && a.end == nil; a.cut {
		c.CloseWrite()
	}
	p.read(c, &a, len(question)+64, a.pause)
	return a, nil
}

// endsAtTooLong tells a server of frames that sends back a broken one at the end of
// the input from one of bytes that came in two parts: the latter echoes this too.
func (p *prober) endsAtTooLong(pause time.Duration) bool {
	const tooLong = "\xff\xff\xff\xffhello"
	a := p.ask(tooLong, len(tooLong), pause)
	return len(a.got) == 0
}

// read reads on until there are n bytes or more, or the end, or nothing for d.
func (p *prober) read(c *net.TCPConn, a *answer, n int, d time.Duration) {
	buf := make([]byte, 4<<10)
	limit, _ := p.ctx.Deadline()
	for len(a.got) < n && a.end == nil {
		deadline := time.Now().Add(d)
		if limit.Before(deadline) {
			deadline = limit
		}
		c.SetReadDeadline(deadline)
		read, err := c.Read(buf)
		a.got = append(a.got, buf[:read]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		a.end = err
	}
}

// ask asks one question on a connection of its own and half-closes when enough
// bytes have come back.
func (p *prober) ask(message string, enough int, pause time.Duration) answer {
	var a answer
	c, err := p.dial()
	if err != nil {
		a.end = err
		return a
	}
	defer c.Close()
	if _, a.end = io.WriteString(c, message); a.end != nil {
		return a
	}
	p.read(c, &a, enough, pause)
	if len(a.got) == enough {
		c.CloseWrite()
		p.read(c, &a, enough+64, p.other)
	}
	return a
}

// request is a question that HTTP answers, and so does whoever waits for whole lines.
const request = "GET / HTTP/1.0\r\n\r\n"

// askOn asks more questions of a server that sent back only a part of the first, or
// nothing.
func (p *prober) askOn(m *meeting, first answer) {
	var second answer
	if len(first.got) == 0 {
		second = p.ask(request, 1<<10, p.answer)
	}
	if len(second.got) > 0 {
		m.sent, m.want, m.came = fmt.Sprintf("%q", request), "the same", second.told()
		m.is = p.stranger(second.got, request)
	} else if header, frame := p.header(); header != "" {
		m.is = fmt.Sprintf("it echoes frames with a different header, such as %q: %s. "+
			"Here the header is a 4-byte big-endian length, which does not count itself", frame, header)
	} else if len(first.got) > 0 {
		m.is = fmt.Sprintf("it sends back %d of %d bytes, which is neither all of them nor the whole frame", len(first.got), len(question))
	} else if p.speaksTLS() {
		m.sent, m.want, m.came = "the beginning of a TLS handshake", "the same", "the server's part of it"
		m.is = "this is not an echo server: it speaks TLS"
	} else {
		m.is = p.silence(first, second)
	}
}

// silence names the two ways of saying nothing.
func (p *prober) silence(first, second answer) string {
	if first.end != nil && second.end != nil {
		return "it closes every connection at once: it accepts and hangs up, or fails at the first read"
	}
	if first.end != nil {
		return "it closes the connection without an answer"
	}
	return fmt.Sprintf("it says nothing, for %v: it never accepts, never reads, or waits for something other than what was sent", p.answer)
}

// stranger names a server whose answer is not what was asked, nor a part of it.
func (p *prober) stranger(got []byte, asked string) string {
	text, sent := string(got), strings.TrimSpace(asked)
	switch at := strings.Index(text, sent); {
	case known(got) != "":
		return "this is not an echo server: " + known(got)
	case at > 0:
		return fmt.Sprintf("it echoes with a prefix, %.40q: an echo is the bytes that were sent and no others", text[:at])
	case asked == request && (at == 0 || strings.HasPrefix(request, text)):
		return "it echoes only whole lines: it keeps back what does not end in a newline, and a byte stream has no lines"
	case at == 0:
		return fmt.Sprintf("it echoes and adds %.40q: an echo is the bytes that were sent and no others", text[len(sent):])
	case len(got) > 4 && int64(binary.BigEndian.Uint32(got)) == int64(len(got)-4):
		return fmt.Sprintf("it answers the frame %q with another one: an echo has the payload that was sent", wholeFrame)
	}
	if a, err := p.listen(); err == nil && a.greeted {
		return "it speaks first, which an echo server never does: " + greeting(a.got)
	}
	return "it answers, but not with an echo of what was sent"
}

// listen waits a few seconds for what a server says unasked.
func (p *prober) listen() (answer, error) {
	c, err := p.dial()
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	var a answer
	p.read(c, &a, 1, p.other)
	p.read(c, &a, 1<<10, p.greeting)
	a.greeted = len(a.got) > 0
	return a, nil
}

// greeting names what was said unasked.
func greeting(got []byte) string {
	if name := known(got); name != "" {
		return name
	}
	if len(got) < 1<<10 && isText(got) {
		return fmt.Sprintf("%.60q is a banner", got)
	}
	return fmt.Sprintf("%d bytes or more, garbage to an echo client", len(got))
}

func isText(p []byte) bool {
	return bytes.IndexFunc(p, func(r rune) bool { return r < ' ' && r != '\r' && r != '\n' && r != '\t' || r == 0xfffd }) < 0
}

// known names a protocol by how its servers begin: RFC 9112 (HTTP), 5321 (SMTP),
// 959 (FTP), 4253 (SSH), 1939 (POP3), 9051 (IMAP), 8446 (TLS), 6143 (RFB), 854
// (Telnet). An HTTP server may answer what it takes for HTTP/0.9 with a page alone.
func known(got []byte) string {
	begins := func(with ...string) bool {
		for _, w := range with {
			if bytes.HasPrefix(got, []byte(w)) {
				return true
			}
		}
		return false
	}
	text := strings.ToUpper(string(got))
	switch {
	case begins("HTTP/", "<!DOCTYPE", "<html", "<!doctype"):
		return "it speaks HTTP"
	case begins("\x15\x03", "\x16\x03"):
		return "it speaks TLS"
	case begins("SSH-"):
		return "it is an SSH server"
	case begins("220 ", "220-", "421 ", "554 ") && strings.Contains(text, "FTP"):
		return "it is an FTP server"
	case begins("220 ", "220-", "421 ", "554 ") && strings.Contains(text, "SMTP"):
		return "it is an SMTP server"
	case begins("220 ", "220-"):
		return "it is an SMTP or FTP server"
	case begins("+OK"):
		return "it is a POP3 server"
	case begins("* OK", "* PREAUTH"):
		return "it is an IMAP server"
	case begins("RFB "):
		return "it is a VNC server"
	case begins("-ERR"):
		return "it takes commands, as Redis does"
	case begins("ERROR\r\n"):
		return "it takes commands, as memcached does"
	case begins("\xff\xfb", "\xff\xfd"):
		return "it is a Telnet server"
	}
	return ""
}

// header tries the other headers in use: a server that has one of them sends back
// a frame with it, and not the beginning of the next.
func (p *prober) header() (name, frame string) {
	for _, h := range []struct{ name, header, payload string }{
		{"the length is little-endian", "\x05\x00\x00\x00", "hello"},
		{"the length counts its own 4 bytes", "\x00\x00\x00\x09", "hello"},
		{"the length has 2 bytes, big-endian", "\x00\x05", "hello"},
		{"the length has 2 bytes, little-endian", "\x05\x00", "hello"},
		{"the length has 1 byte, or is a varint", "\x05", "hello"},
		{"there is none, a zero byte ends a frame", "", "hello\x00"},
	} {
		frame = h.header + h.payload
		begun := frame[:len(frame)-3]
		a := p.ask(frame+begun, len(frame), p.other)
		if string(a.got) == frame {
			return h.name, frame
		}
	}
	return "", ""
}

// speaksTLS sends the shortest ClientHello there is (RFC 8446, 4.1.2). A server
// that refuses it answers with an alert.
func (p *prober) speaksTLS() bool {
	hello := "\x03\x03" + strings.Repeat("r", 32) + "\x00" + "\x00\x04\xc0\x2f\x00\x2f" + "\x01\x00"
	handshake := "\x01\x00\x00" + string(rune(len(hello))) + hello
	record := "\x16\x03\x01\x00" + string(rune(len(handshake))) + handshake
	a := p.ask(record, 2, p.other)
	return len(a.got) >= 2 && (a.got[0] == 0x15 || a.got[0] == 0x16) && a.got[1] == 3
}
