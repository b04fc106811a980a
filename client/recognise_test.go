package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"example/tcpladder/shared/echotest"
)

// later passes what a client sends on after d, and the end of it too.
func later(d time.Duration, serve func(*net.TCPConn, io.Reader)) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		r, w := io.Pipe()
		go func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := c.Read(buf)
				time.Sleep(d) // the server that is slow
				if w.Write(buf[:n]); err != nil {
					w.CloseWithError(err)
					return
				}
			}
		}()
		serve(c, r)
		r.Close()
	}
}

func bytesFrom(c *net.TCPConn, r io.Reader) { io.Copy(struct{ io.Writer }{c}, r) }

func framesFrom(c *net.TCPConn, r io.Reader) { headed(4, binary.BigEndian, 0)(c, r) }

// shouted answers each frame in upper case.
func shouted(c *net.TCPConn, r io.Reader) {
	echo := make([]byte, len(wholeFrame))
	if _, err := io.ReadFull(r, echo); err == nil {
		c.Write(bytes.ToUpper(echo))
		io.Copy(io.Discard, r)
	}
}

// headed echoes frames with a header of size bytes, which counts extra bytes more
// than the payload.
func headed(size int, order binary.ByteOrder, extra int) func(*net.TCPConn, io.Reader) {
	return func(c *net.TCPConn, r io.Reader) {
		header := make([]byte, size)
		for {
			if _, err := io.ReadFull(r, header); err != nil {
				return
			}
			n := map[int]func() int{
				1: func() int { return int(header[0]) },
				2: func() int { return int(order.Uint16(header)) },
				4: func() int { return int(order.Uint32(header)) },
			}[size]() - extra
			if n < 0 || n > 1<<20 {
				return
			}
			payload := make([]byte, n)
			if _, err := io.ReadFull(r, payload); err != nil {
				return
			}
			c.Write(append(bytes.Clone(header), payload...))
		}
	}
}

// now is a server that reads what it answers straight from the connection.
func now(serve func(*net.TCPConn, io.Reader)) func(*net.TCPConn) {
	return func(c *net.TCPConn) { serve(c, c) }
}

// says sends text unasked, and then echoes.
func says(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		io.WriteString(c, text)
		echoBytes(c)
	}
}

// each answers each read with what f makes of it.
func each(f func([]byte) []byte) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		buf := make([]byte, 64<<10)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			c.Write(f(buf[:n]))
		}
	}
}

// lineEcho sends back whole lines, or what was before the newline.
func lineEcho(keep bool) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		lines := bufio.NewReader(c)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if !keep {
				line = strings.TrimSpace(line)
			}
			io.WriteString(c, line)
		}
	}
}

// silent reads and says nothing.
func silent(c *net.TCPConn) { io.Copy(io.Discard, c) }

func reset(c *net.TCPConn) { c.SetLinger(0) }

// garbage sends until the client has left.
func garbage(c *net.TCPConn) {
	for {
		if _, err := c.Write(bytes.Repeat([]byte("\xb7\x00\x19\xfe"), 1000)); err != nil {
			return
		}
	}
}

// trickle sends what came a byte at a time, d apart.
func trickle(d time.Duration) func(*net.TCPConn, io.Reader) {
	return func(c *net.TCPConn, r io.Reader) {
		in := bufio.NewReader(r)
		for {
			b, err := in.ReadByte()
			if err != nil {
				return
			}
			time.Sleep(d) // the server that is slow
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
		}
	}
}

// oneShot answers one read and closes.
func oneShot(c *net.TCPConn) {
	buf := make([]byte, 1000)
	n, _ := c.Read(buf)
	c.Write(buf[:n])
}

// deaf echoes frames, and at the end of the input does not close.
func deaf(c *net.TCPConn) {
	framesFrom(c, c)
	c.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 1)
	for n, err := c.Read(buf); n > 0 || err == nil; n, err = c.Read(buf) {
	}
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	<-timer.C
}

// flushedFrames echoes what it has of a frame at the end of the input.
func flushedFrames(c *net.TCPConn) { (&frameServer{broken: true}).serve(c) }

// TestRecognise: a server of bytes or of frames is told, however slow. They are
// asked all at once: nearly all of the time is spent waiting.
func TestRecognise(t *testing.T) {
	t.Parallel()
	var together sync.WaitGroup
	defer together.Wait()
	for name, test := range map[string]struct {
		serve  func(*net.TCPConn)
		frames bool
	}{
		"bytes":             {echoBytes, false},
		"bytes, late":       {later(1200*time.Millisecond, bytesFrom), false},
		"bytes, very late":  {later(3*time.Second, bytesFrom), false},
		"bytes, dribbled":   {now(trickle(150 * time.Millisecond)), false},
		"bytes, one answer": {oneShot, false},
		"bytes, upper case": {each(bytes.ToUpper), false},
		"frames":            {now(framesFrom), true},
		"frames, late":      {later(1200*time.Millisecond, framesFrom), true},
		"frames, no end":    {deaf, true},
		"frames, flushed":   {flushedFrames, true},
		"frames, changed":   {now(shouted), true},
	} {
		if name == "bytes, very late" && !echotest.LongRun() {
			continue
		}
		addr := listen(t, test.serve)
		together.Go(func() {
			m, err := recognise(addr, usualPace)
			if err != nil || m.is != "" || m.frames != test.frames || m.bytes == test.frames {
				t.Errorf("%s: frames %v wanted, met %+v, %v", name, test.frames, m, err)
			}
		})
	}
}

// TestStrangers: whatever else answers is named.
func TestStrangers(t *testing.T) {
	long(t)
	t.Parallel()
	web := unserved(t)
	go http.Serve(web, nil)
	strangers := map[string]string{
		"it speaks HTTP":   web.Addr().String(),
		"it never accepts": unserved(t).Addr().String(),
	}
	for want, serve := range map[string]func(*net.TCPConn){
		"it is an SSH server":                        says("SSH-2.0-OpenSSH_9.2p1\r\n"),
		"it is an SMTP server":                       says("220 mail.example.com ESMTP ready\r\n"),
		"it is an FTP server":                        says("220 (vsFTPd 3.0.3)\r\n"),
		"it speaks first":                            says("welcome to the echo server\n"),
		"garbage":                                    garbage,
		"says nothing":                               silent,
		"closes every connection at once":            reset,
		"hangs up":                                   func(*net.TCPConn) {},
		"only whole lines":                           lineEcho(true),
		"only whole lines: it keeps back":            lineEcho(false),
		`a prefix, "echo: "`:                         each(func(p []byte) []byte { return append([]byte("echo: "), p...) }),
		`adds " (15 bytes)"`:                         each(func(p []byte) []byte { return append(bytes.Clone(p), " (15 bytes)"...) }),
		"another one":                                each(func([]byte) []byte { return []byte("\x00\x00\x00\x02ok") }),
		"not with an echo of what was sent":          each(func([]byte) []byte { return []byte("what?\n") }),
		"is little-endian":                           now(headed(4, binary.LittleEndian, 0)),
		"counts its own 4 bytes":                     now(headed(4, binary.BigEndian, 4)),
		"2 bytes, big-endian":                        now(headed(2, binary.BigEndian, 0)),
		"2 bytes, little-endian":                     now(headed(2, binary.LittleEndian, 0)),
		"1 byte":                                     now(headed(1, binary.BigEndian, 0)),
		"neither all of them nor":                    each(func(p []byte) []byte { return p[:4] }),
		"it speaks TLS":                              speaksTLS,
		"it takes commands, as Redis does":           onLine("-ERR unknown command\r\n"),
		"this is not an echo server: it speaks HTTP": onLine("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		strangers[want] = listen(t, serve)
	}
	// What never comes is not worth waiting for; what comes late is not tested here.
	quick := pace{greeting: 300 * time.Millisecond, answer: 700 * time.Millisecond, other: 2 * time.Second}
	var together sync.WaitGroup
	defer together.Wait()
	for want, addr := range strangers {
		together.Go(func() {
			m, err := recognise(addr, quick)
			if err != nil || m.bytes || m.frames || !strings.Contains(m.is, want) {
				t.Errorf("%q wanted, met %+v, %v", want, m, err)
			}
		})
	}
}

// onLine gives one answer to a line.
func onLine(answer string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		if _, err := bufio.NewReader(c).ReadString('\n'); err == nil {
			io.WriteString(c, answer)
		}
	}
}

// speaksTLS is a server that has no certificate to show: it answers with an alert.
func speaksTLS(c *net.TCPConn) { tls.Server(c, &tls.Config{}).Handshake() }

// unserved is a listener from which nobody accepts: the kernel makes the connection.
func unserved(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
