package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// An outcome is what a run of talk left behind.
type outcome struct {
	stdout, stderr string
	status         int
	from           string // the address that it says it is connected from
}

// connected is the first line of standard error, if there is a server.
var connected = regexp.MustCompile(`\Atalk: connected to 127\.0\.0\.1:\d+ from (127\.0\.0\.1:\d+)\n`)

// runTalk runs the built client with the given input until it ends.
func runTalk(t *testing.T, client string, input io.Reader, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, client, append([]string{"talk"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &stdout, &stderr
	cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("talk did not end within %v\nstandard output: %.200q\nstandard error: %s", patience, &stdout, &stderr)
	}
	fits(t, stderr.String())
	got := outcome{stdout: stdout.String(), stderr: flat(stderr.String()), status: cmd.ProcessState.ExitCode()}
	if first := connected.FindStringSubmatch(stderr.String()); first != nil {
		got.from, got.stderr = first[1], flat(strings.TrimPrefix(stderr.String(), first[0]))
	}
	return got
}

// wantOutcome compares a run with its expectation: the whole of standard
// output, the error on standard error or none, and the exit status.
func wantOutcome(t *testing.T, got outcome, stdout, stderr string, status int) {
	t.Helper()
	if got.stdout != stdout {
		t.Errorf("standard output: %d bytes %.200q, want %d bytes %.200q", len(got.stdout), got.stdout, len(stdout), stdout)
	}
	if got.stderr != stderr {
		t.Errorf("standard error: %q, want %q", got.stderr, stderr)
	}
	if got.status != status {
		t.Errorf("exit status %d, want %d", got.status, status)
	}
}

// serveOne serves one connection with the given function and returns the
// address.
func serveOne(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		serve(conn.(*net.TCPConn))
	}()
	return listener.Addr().String()
}

// echo gives every byte back, which is an echo of frames too.
func echo(conn *net.TCPConn) { io.Copy(conn, conn) }

func TestTalk(t *testing.T) {
	t.Parallel()
	client := goBuild(t, ".")
	for name, test := range map[string]func(*testing.T, string){
		"echo":        talkEcho,
		"megabytes":   talkMegabytes,
		"anyone":      talkToAnyServer,
		"hang-ups":    talkHangUps,
		"not frames":  talkNotFrames,
		"operator":    talkOperator,
		"frames sent": talkFramesSent,
		"rungs":       talkRungs,
		"connected":   talkConnected,
		"bytes lost":  talkBytesLost,
	} {
		t.Run(name, func(t *testing.T) { test(t, client) })
	}
}

func talkEcho(t *testing.T, client string) {
	for input, output := range map[string]string{
		"":             "",
		"a\nb\n":       "a\nb\n",
		"a\nlast":      "a\nlast\n",
		"\n\n":         "\n\n",
		"dos\r\n\r\n":  "dos\r\n\r\n",
		"\xff\x00\x1b": "\xff\x00\x1b\n", // not a terminal: as it came
	} {
		got := runTalk(t, client, strings.NewReader(input), "-addr", serveOne(t, echo))
		wantOutcome(t, got, output, "", 0)
		got = runTalk(t, client, strings.NewReader(input), "-raw", "-addr", serveOne(t, echo))
		wantOutcome(t, got, input, "", 0)
	}
}

// randomLines returns size bytes of lines of all lengths.
func randomLines(size int) string {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, size)
	for i := range text {
		if text[i] = byte('a' + random.IntN(26)); random.IntN(100) == 0 {
			text[i] = '\n'
		}
	}
	text[size-1] = '\n'
	return string(text)
}

// More than the buffers on the way can hold: talk must print while it sends.
func talkMegabytes(t *testing.T, client string) {
	input := randomLines(8 << 20)
	for _, flags := range [][]string{nil, {"-raw"}} {
		args := append(flags, "-addr", serveOne(t, echo))
		wantOutcome(t, runTalk(t, client, strings.NewReader(input), args...), input, "", 0)
	}
}

// A server need not be an echo: it may speak first, and more than it is told.
func talkToAnyServer(t *testing.T, client string) {
	addr := serveOne(t, func(conn *net.TCPConn) {
		conn.Write([]byte("\x00\x00\x00\x07welcome"))
		io.Copy(io.Discard, conn)
		conn.Write([]byte("\x00\x00\x00\x00\x00\x00\x00\x04bye\n"))
	})
	got := runTalk(t, client, strings.NewReader("hello\n"), "-addr", addr)
	wantOutcome(t, got, "welcome\n\nbye\n\n", "", 0)
}

// endless is an input that says one line and then nothing, forever. It is a
// real pipe: package exec would wait for the end of any other reader.
func endless(t *testing.T) io.Reader {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	io.WriteString(w, "hello\n")
	return r
}

// readHello reads the frame of "hello".
func readHello(conn *net.TCPConn) []byte {
	hello := make([]byte, 9)
	io.ReadFull(conn, hello)
	return hello
}

func talkHangUps(t *testing.T, client string) {
	const gone = "talk: the server closed the connection"
	for name, test := range map[string]struct {
		serve  func(*net.TCPConn)
		input  io.Reader
		stdout string
		stderr string
	}{
		"after an echo": {func(conn *net.TCPConn) {
			conn.Write(readHello(conn))
		}, endless(t), "hello\n", gone},
		"reset": {func(conn *net.TCPConn) {
			readHello(conn)
			conn.SetLinger(0)
		}, endless(t), "", gone + ": connection reset by peer: 0 of 1 frames came back"},
		"inside a frame": {func(conn *net.TCPConn) {
			conn.Write(readHello(conn)[:8])
		}, endless(t), "", "talk: framing: the stream ended after 4 of 5 payload bytes: unexpected EOF"},
		"owing a frame": {func(conn *net.TCPConn) {
			conn.Write(readHello(conn))
			io.Copy(io.Discard, conn)
		}, strings.NewReader("hello\nhello\n"), "hello\n", gone + ": 1 of 2 frames came back"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runTalk(t, client, test.input, "-addr", serveOne(t, test.serve))
			wantOutcome(t, got, test.stdout, test.stderr, 1)
		})
	}
}

func talkNotFrames(t *testing.T, client string) {
	addr := serveOne(t, func(conn *net.TCPConn) {
		conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n"))
		io.Copy(io.Discard, conn)
	})
	got := runTalk(t, client, endless(t), "-addr", addr)
	want := "talk: framing: frame of 1213486160 bytes, the maximum is 67108864: " +
		"does the server speak frames? -raw is for those that do not"
	wantOutcome(t, got, "", want, 1)
}

// The one who talks learns which of the server's clients it is.
func talkConnected(t *testing.T, client string) {
	seen := make(chan string, 1)
	addr := serveOne(t, func(conn *net.TCPConn) {
		seen <- conn.RemoteAddr().String()
		echo(conn)
	})
	if got := runTalk(t, client, strings.NewReader("a\n"), "-addr", addr); got.from != <-seen {
		t.Errorf("it says that it is connected from %q", got.from)
	}
}

// With -raw, a server that keeps bytes, as one of frames does, is not left without a
// word.
func talkBytesLost(t *testing.T, client string) {
	const lost = "talk: the server closed the connection: %d of 6 bytes came back; if it speaks frames, leave out -raw"
	for _, n := range []int64{0, 4} {
		addr := serveOne(t, func(conn *net.TCPConn) {
			io.CopyN(conn, conn, n)
			io.Copy(io.Discard, conn)
		})
		got := runTalk(t, client, strings.NewReader("hello\n"), "-raw", "-addr", addr)
		wantOutcome(t, got, "hello\n"[:n], fmt.Sprintf(lost, n), 1)
	}
	hasty := serveOne(t, func(conn *net.TCPConn) { io.ReadFull(conn, make([]byte, 6)) })
	wantOutcome(t, runTalk(t, client, endless(t), "-raw", "-addr", hasty), "", fmt.Sprintf(lost, 0), 1)
}

// What an operator does wrong is one sentence.
func talkOperator(t *testing.T, client string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()

	refused := "talk: dial %s: connection refused is a rung running? go run ./%s"
	wantOutcome(t, runTalk(t, client, nil, "-addr", nobody), "", fmt.Sprintf(refused, nobody, "05-framing"), 1)
	wantOutcome(t, runTalk(t, client, nil, "-raw", "-addr", nobody), "", fmt.Sprintf(refused, nobody, "04-kqueue"), 1)
	wantOutcome(t, runTalk(t, client, nil, "-addr", "nowhere"), "", "talk: dial nowhere: address nowhere: missing port in address", 1)
	wantOutcome(t, runTalk(t, client, nil, "-port", "9"), "", "talk: flag provided but not defined: -port (-h lists the flags)", 2)
	wantOutcome(t, runTalk(t, client, nil, "hello"), "", "talk: unexpected argument \"hello\" (-h lists the flags)", 2)
	if got := runTalk(t, client, nil, "-h"); got.status != 0 || got.stderr != "" || !strings.HasPrefix(got.stdout, "usage: ") {
		t.Errorf("-h: status %d, standard error %q, standard output %q", got.status, got.stderr, got.stdout)
	}
}

// What is on the wire: the length, then the line without its newline.
func talkFramesSent(t *testing.T, client string) {
	said := make(chan []byte, 1)
	addr := serveOne(t, func(conn *net.TCPConn) {
		sent, _ := io.ReadAll(conn)
		said <- sent
		conn.Write(sent)
	})
	runTalk(t, client, strings.NewReader("one\n\nthree"), "-addr", addr)
	var want []byte
	for _, line := range []string{"one", "", "three"} {
		want = append(binary.BigEndian.AppendUint32(want, uint32(len(line))), line...)
	}
	if got := <-said; !bytes.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func talkRungs(t *testing.T, client string) {
	input := randomLines(2 << 20)
	t.Run("04", func(t *testing.T) {
		addr := serveRung(t, "../04-kqueue")
		wantOutcome(t, runTalk(t, client, strings.NewReader("a\nb\n"), "-raw", "-addr", addr), "a\nb\n", "", 0)
		wantOutcome(t, runTalk(t, client, strings.NewReader(input), "-raw", "-addr", addr), input, "", 0)
	})
	t.Run("05", func(t *testing.T) {
		addr := serveRung(t, "../05-framing")
		wantOutcome(t, runTalk(t, client, strings.NewReader("a\nb\n"), "-addr", addr), "a\nb\n", "", 0)
		wantOutcome(t, runTalk(t, client, strings.NewReader(input), "-addr", addr), input, "", 0)
		if got := runTalk(t, client, strings.NewReader("hello\n"), "-raw", "-addr", addr); got.status != 1 || !strings.Contains(got.stderr, "0 of 6 bytes came back") {
			t.Errorf("-raw: exit status %d, standard error %q", got.status, got.stderr)
		}
	})
}

// On a terminal each line of a reply has a mark, wherever the reads end; in a pipe
// there is none.
func TestReplies(t *testing.T) {
	for _, marked := range []bool{true, false} {
		var out strings.Builder
		r := &replies{out: &out, marked: marked}
		for _, piece := range []string{"he", "llo\n", "", "\nworld\n\xff", "?"} {
			if n, err := r.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Errorf("%q: %d bytes, %v", piece, n, err)
			}
		}
		r.endLine()
		want := map[bool]string{true: "← hello\n← \n← world\n← \xff?\n", false: "hello\n\nworld\n\xff?"}[marked]
		if out.String() != want {
			t.Errorf("marked %v: %q, want %q", marked, &out, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for payload, want := range map[string]string{
		"plain\ttext é 世界": "plain\ttext é 世界",
		"two\nlines\r":     `two\nlines\r`,
		"\x1b[31mred\x00":  `\x1b[31mred\x00`,
		"\xff\xfe":         `\xff\xfe`,
		"\u2028\u202e":     `\u2028\u202e`, // a line break, a right-to-left override
		"�":                "�",
		`C:\new`:           `C:\new`,
		"":                 "",
	} {
		if got := string(printable([]byte(payload))); got != want {
			t.Errorf("printable(%q) = %q, want %q", payload, got, want)
		}
	}
}

func TestDispatch(t *testing.T) {
	for _, args := range [][]string{nil, {"sing"}, {"-x"}} {
		if status := dispatch(args); status != 2 {
			t.Errorf("client %q: exit status %d, want 2", args, status)
		}
	}
	if status := dispatch([]string{"-h"}); status != 0 {
		t.Errorf("client -h: exit status %d, want 0", status)
	}
}
