package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"example/tcpladder/client/framing"
	"example/tcpladder/shared/cli"
)

const aboutTalk = `usage: go run ./client talk [flags]

Connects, and prints both addresses on standard error: its own is the one that
ss and the server's log show. Then it sends each line typed as one frame (a
4-byte big-endian length, then the line without its newline) and prints each
frame received as one line. The end of the input (Ctrl-D) is the end of what is
sent; what the server still owes is printed.

  printf 'a\nb\n' | go run ./client talk

On a terminal, "← " marks each line that came from the server, and what is not
printable in a frame is shown as \n, \x00, ...; in a pipe or a file there is no
mark, and every frame is written as it came, with a newline after it.

With -raw there are no frames, as in the rungs 01 to 04: bytes go, bytes come.

Exit status: 0; 1 if the server cannot be reached, closes the connection before
the input has ended, or sends back less than it was sent; 2 for a wrong command
line.

`

// maxLine is the longest line sent and the longest frame printed, in bytes. It
// is far over what a rung takes by default, so that the rung's own limit can be
// tried out; and it stops a stream that is not made of frames, of which the
// first 4 bytes, read as a length, usually say far more.
const maxLine = 64 << 20

// dialTimeout is how long talk waits for a host that does not answer at all.
const dialTimeout = 10 * time.Second

// talk is the command of that name.
func talk(args []string) int {
	flags := flag.NewFlagSet("talk", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9999", "connect to this `host:port`")
	raw := flags.Bool("raw", false, "send and print bytes, not frames (the rungs 01 to 04)")
	if status, done := parse(flags, aboutTalk, args); done {
		return status
	}
	s, err := dialTalk(*addr, *raw)
	if err == nil {
		err = converse(s)
	}
	if err != nil {
		cli.Complain("talk", err)
		return 1
	}
	return 0
}

// A talkStream moves bytes between the terminal and one server.
type talkStream struct {
	send       func() error // the input, up to its end
	recv       func() error // what comes, up to the end of the stream: nil
	closeWrite func() error

	sent, received atomic.Int64 // frames, or bytes
	lost           string       // what to say if fewer came back; two %d
}

// dialTalk connects to addr and says so. Its errors have no system calls' names in
// them, and name a likely cause.
func dialTalk(addr string, raw bool) (*talkStream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w%s", addr, plain(err), dialHint(err, raw))
	}
	connected := fmt.Sprintf("talk: connected to %v from %v", conn.RemoteAddr(), conn.LocalAddr())
	fmt.Fprintln(os.Stderr, cli.Wrap(connected, len("talk: ")))
	out := &replies{out: os.Stdout, marked: cli.IsTerminal(os.Stdout)}
	if raw {
		return rawStream(conn.(*net.TCPConn), out), nil
	}
	return frameStream(framing.New(conn, framing.MaxFrame(maxLine)), out), nil
}

// dialHint names the likely cause of a refused connection.
func dialHint(err error, raw bool) string {
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return ""
	}
	folder := "05-framing"
	if raw {
		folder = "04-kqueue"
	}
	return fmt.Sprintf("\nis a rung running? go run ./%s", folder)
}

// converse sends and receives at once, until the server closes the connection.
// Sending everything first would never end: a server stops reading when its
// echoes are not taken.
func converse(s *talkStream) error {
	var sentAll atomic.Bool
	broken := make(chan error, 1)
	go func() {
		err := s.send()
		if err == nil {
			sentAll.Store(true)
			err = s.closeWrite()
		}
		if err != nil {
			broken <- err
		}
	}()
	closed := make(chan error, 1)
	go func() { closed <- s.recv() }()

	select {
	case err := <-closed:
		return s.outcome(err, sentAll.Load())
	case err := <-broken:
		return s.orLost(sendError(err, closed))
	}
}

// outcome judges the conversation when receiving has ended.
func (s *talkStream) outcome(err error, sentAll bool) error {
	switch {
	case err != nil:
		err = hangUp(err)
	case !sentAll || s.received.Load() < s.sent.Load():
		err = errGone
	}
	return s.orLost(err)
}

// orLost adds to errGone how much did not come back.
func (s *talkStream) orLost(err error) error {
	received, sent := s.received.Load(), s.sent.Load()
	if !errors.Is(err, errGone) || received >= sent {
		return err
	}
	return fmt.Errorf("%w: "+s.lost, err, received, sent)
}

// errGone is what the one typing wants to know, however it came about.
var errGone = errors.New("the server closed the connection")

// sendError reports that nothing more can be sent, once what the server said
// before it hung up is printed; that is on this machine already, or takes
// moments.
func sendError(err error, closed <-chan error) error {
	if err = hangUp(err); errors.Is(err, errGone) {
		select {
		case <-closed:
		case <-time.After(time.Second):
		}
	}
	return err
}

// hangUp words the errors of a connection; a line that is too long, or input
// that cannot be read, is not the server's doing and stays as it is.
func hangUp(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("%w: %w", errGone, plain(err))
	}
	return err
}

// plain strips the address and the system call that package net put around an
// error; the caller has named what it did.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// rawStream copies bytes as they come.
func rawStream(conn *net.TCPConn, out *replies) *talkStream {
	s := &talkStream{
		closeWrite: conn.CloseWrite,
		lost:       "%d of %d bytes came back; if it speaks frames, leave out -raw",
	}
	s.send = func() error { _, err := io.Copy(counter{conn, &s.sent}, os.Stdin); return err }
	s.recv = func() error {
		_, err := io.Copy(counter{out, &s.received}, conn)
		out.endLine()
		return err
	}
	return s
}

// A counter counts bytes before it writes them: their echo may come back before
// Write has returned.
type counter struct {
	io.Writer
	n *atomic.Int64
}

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n - len(p)))
	return n, err
}

// frameStream makes frames of lines and lines of frames.
func frameStream(conn *framing.Conn, out *replies) *talkStream {
	s := &talkStream{closeWrite: conn.CloseWrite, lost: "%d of %d frames came back"}
	s.send = func() error { return sendLines(conn, os.Stdin, &s.sent) }
	s.recv = func() error { return printFrames(out, conn, &s.received) }
	return s
}

// replies is standard output. On a terminal, where what is typed stands too, each
// line of what came has a mark.
type replies struct {
	out    io.Writer
	marked bool
	inside bool // of a line, on a terminal
}

const replyMark = "← "

func (r *replies) Write(p []byte) (int, error) {
	if !r.marked {
		return r.out.Write(p)
	}
	var marked []byte
	for line := range bytes.Lines(p) {
		if !r.inside {
			marked = append(marked, replyMark...)
		}
		marked = append(marked, line...)
		r.inside = !bytes.HasSuffix(line, []byte("\n"))
	}
	if _, err := r.out.Write(marked); err != nil {
		return 0, err
	}
	return len(p), nil
}

// endLine ends a last line without a newline: what follows is not a reply.
func (r *replies) endLine() {
	if r.inside {
		fmt.Fprintln(r.out)
	}
}

// sendLines sends each line of in, without its newline, as a frame; the last
// one may lack the newline. A frame is counted before it is sent: its echo may come
// back before Send has returned.
func sendLines(conn *framing.Conn, in io.Reader, sent *atomic.Int64) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine+1) // the newline is counted as well
	lines.Split(splitLine)
	for lines.Scan() {
		sent.Add(1)
		if err := conn.Send(lines.Bytes()); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line is longer than %d bytes", maxLine)
	}
	return lines.Err()
}

// splitLine is bufio.ScanLines, except that a carriage return stays in its
// line: what comes back is what was sent.
func splitLine(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// printFrames prints each frame as a line until the stream ends between two.
func printFrames(out *replies, conn *framing.Conn, received *atomic.Int64) error {
	for {
		payload, err := conn.Recv()
		if err == io.EOF {
			return nil
		}
		var tooLong *framing.TooLongError
		if errors.As(err, &tooLong) {
			return fmt.Errorf("%w: does the server speak frames? -raw is for those that do not", err)
		}
		if err != nil {
			return err
		}
		received.Add(1)
		if out.marked {
			payload = printable(payload)
		}
		if _, err := out.Write(append(payload, '\n')); err != nil {
			return err
		}
	}
}

// printable spells out whatever would not stay on one line of a terminal, or
// would command the terminal instead of being shown.
func printable(payload []byte) []byte {
	line := make([]byte, 0, len(payload)+1)
	for len(payload) > 0 {
		r, size := utf8.DecodeRune(payload)
		switch {
		case r == utf8.RuneError && size == 1:
			line = fmt.Appendf(line, `\x%02x`, payload[0])
		case r == '\t' || strconv.IsPrint(r):
			line = append(line, payload[:size]...)
		default:
			quoted := strconv.AppendQuoteRune(nil, r)
			line = append(line, quoted[1:len(quoted)-1]...)
		}
		payload = payload[size:]
	}
	return line
}
