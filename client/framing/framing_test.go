package framing_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"example/tcpladder/client/framing"
)

// A tape is a peer that says given bytes in given pieces, then ends. A piece that
// is nil is a deadline that passes. What is written to it is kept, one entry per
// Write, and it breaks when there is no more room.
type tape struct {
	net.Conn
	pieces  [][]byte
	written [][]byte
	room    int // in bytes; 0: no end of it
}

var errTorn = errors.New("the tape is torn")

func (t *tape) Read(p []byte) (int, error) {
	if len(t.pieces) == 0 {
		return 0, io.EOF
	}
	if t.pieces[0] == nil {
		t.pieces = t.pieces[1:]
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, t.pieces[0])
	if t.pieces[0] = t.pieces[0][n:]; len(t.pieces[0]) == 0 {
		t.pieces = t.pieces[1:]
	}
	return n, nil
}

func (t *tape) Write(p []byte) (int, error) {
	t.written = append(t.written, bytes.Clone(p))
	if t.room > 0 && t.room < len(p) {
		return t.room, errTorn
	}
	return len(p), nil
}

// patience is for what must come at once.
const patience = 10 * time.Second

// recv is conn.Recv, but for one that never ends.
func recv(t *testing.T, conn *framing.Conn) (payload []byte, err error) {
	t.Helper()
	done := make(chan bool)
	go func() {
		payload, err = conn.Recv()
		close(done)
	}()
	select {
	case <-done:
		return payload, err
	case <-time.After(patience):
		t.Fatalf("Recv has not returned after %v", patience)
		return nil, nil
	}
}

// frame spells a frame by hand.
func frame(payload string) []byte {
	header := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	return append(header, payload...)
}

// claim is a header alone.
func claim(length uint32) []byte { return binary.BigEndian.AppendUint32(nil, length) }

func TestRecvInAnyPieces(t *testing.T) {
	want := []string{"", "a", "line\nbreak", "", string(bytes.Repeat([]byte("x"), 70_000))}
	var stream []byte
	for _, payload := range want {
		stream = append(stream, frame(payload)...)
	}
	for _, size := range []int{1, 2, 3, 4, 5, 4095, 4096, 4097, len(stream)} {
		var pieces [][]byte
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		conn := framing.New(&tape{pieces: pieces})
		for i, payload := range want {
			got, err := recv(t, conn)
			if err != nil || string(got) != payload {
				t.Fatalf("pieces of %d, frame %d: %d bytes, %v, want %d bytes", size, i, len(got), err, len(payload))
			}
		}
		if _, err := recv(t, conn); err != io.EOF {
			t.Errorf("pieces of %d: at the end %v, want io.EOF", size, err)
		}
	}
}

func TestRecvKeepsFramesApart(t *testing.T) {
	conn := framing.New(&tape{pieces: [][]byte{frame("first"), frame("again")}})
	first, _ := recv(t, conn)
	recv(t, conn)
	if string(first) != "first" {
		t.Errorf("the first payload became %q: it belongs to the caller", first)
	}
}

func TestEndInsideFrame(t *testing.T) {
	whole := frame("payload")
	for cut := 1; cut < len(whole); cut++ {
		conn := framing.New(&tape{pieces: [][]byte{frame("before"), whole[:cut]}})
		if got, err := recv(t, conn); string(got) != "before" || err != nil {
			t.Fatalf("cut at %d: the whole frame before it: %q, %v", cut, got, err)
		}
		_, err := recv(t, conn)
		if !errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
			t.Errorf("cut at %d: %v, want io.ErrUnexpectedEOF", cut, err)
		}
		if _, again := recv(t, conn); again != err {
			t.Errorf("cut at %d: %v, then %v: the error is final", cut, err, again)
		}
	}
}

// A deadline between the last bytes and the end does not make it a clean end.
func TestEndInsideFrameAfterADeadline(t *testing.T) {
	whole := make([]byte, 4+3)
	whole[3] = 3
	for cut := 1; cut < len(whole); cut++ {
		conn := framing.New(&tape{pieces: [][]byte{whole[:cut], nil}})
		if _, err := recv(t, conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("cut at %d: %v, want os.ErrDeadlineExceeded", cut, err)
		}
		got, err := recv(t, conn)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %q, %v, want io.ErrUnexpectedEOF", cut, got, err)
		}
	}
}

func TestTooLongReceived(t *testing.T) {
	for _, length := range []uint32{9, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff} {
		conn := framing.New(&tape{pieces: [][]byte{frame("12345678"), claim(length), frame("more")}}, framing.MaxFrame(8))
		if got, err := recv(t, conn); string(got) != "12345678" || err != nil {
			t.Fatalf("exactly the maximum: %q, %v", got, err)
		}
		var first error
		for range 2 { // what follows is no frame, whatever it looks like
			_, err := recv(t, conn)
			if first == nil {
				first = err
			}
			if err != first {
				t.Errorf("a claim of %d: %v, then another error: %v", length, first, err)
			}
			var tooLong *framing.TooLongError
			if !errors.As(err, &tooLong) || tooLong.Length != int64(length) || tooLong.Max != 8 {
				t.Errorf("a claim of %d: %v, want a TooLongError", length, err)
			} else if want := fmt.Sprintf("framing: frame of %d bytes, the maximum is 8", length); err.Error() != want {
				t.Errorf("it says %q, want %q: the server's log has the same words", err, want)
			}
		}
	}
}

func TestTooLongSent(t *testing.T) {
	peer := &tape{}
	conn := framing.New(peer, framing.MaxFrame(3))
	var tooLong *framing.TooLongError
	if err := conn.Send([]byte("four")); !errors.As(err, &tooLong) || tooLong.Length != 4 {
		t.Errorf("got %v, want a TooLongError of 4 bytes", err)
	}
	if err := conn.Send([]byte("two")); err != nil {
		t.Errorf("the next frame: %v", err)
	}
	if sent := bytes.Join(peer.written, nil); !bytes.Equal(sent, frame("two")) {
		t.Errorf("on the wire: %q, want the second frame alone", sent)
	}
}

// Zero is a maximum like any other: empty frames alone.
func TestMaximumZero(t *testing.T) {
	conn := framing.New(&tape{pieces: [][]byte{frame(""), frame("a")}}, framing.MaxFrame(0))
	var tooLong *framing.TooLongError
	if err := conn.Send([]byte("a")); !errors.As(err, &tooLong) || tooLong.Max != 0 {
		t.Errorf("a byte is sent: %v, want a TooLongError", err)
	}
	if err := conn.Send(nil); err != nil {
		t.Errorf("an empty frame is sent: %v", err)
	}
	if _, err := recv(t, conn); err != nil {
		t.Errorf("an empty frame arrives: %v", err)
	}
	if _, err := recv(t, conn); !errors.As(err, &tooLong) || tooLong.Max != 0 {
		t.Errorf("a byte arrives: %v, want a TooLongError", err)
	}
}

// The default is what the server's is.
func TestDefaultMaximum(t *testing.T) {
	conn := framing.New(&tape{pieces: [][]byte{claim(1<<20 + 1)}})
	var tooLong *framing.TooLongError
	if _, err := recv(t, conn); !errors.As(err, &tooLong) || tooLong.Max != 1<<20 {
		t.Errorf("a claim of a byte over a MiB: %v, want a TooLongError", err)
	}
	conn = framing.New(&tape{pieces: [][]byte{frame(string(make([]byte, 1<<20)))}})
	if got, err := recv(t, conn); len(got) != 1<<20 || err != nil {
		t.Errorf("a MiB: %d bytes, %v", len(got), err)
	}
}

// A claim of 1 GiB followed by little must not take 1 GiB. All buffers together
// that the payload had, each twice the one before, are what is counted.
func TestMemoryGrowsWithBytesReceived(t *testing.T) {
	for _, c := range []struct{ arrived, most uint64 }{
		{0, 16 << 10},
		{10_000, 64 << 10},
		{4096*3*3*3*3*3 + 1, 3 << 20}, // where buffers of three times the size would take 4 MiB
	} {
		conn := framing.New(&tape{pieces: [][]byte{claim(1 << 30), make([]byte, c.arrived)}}, framing.MaxFrame(1<<31))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := recv(t, conn)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v, want io.ErrUnexpectedEOF", err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > c.most {
			t.Errorf("%d bytes of a claimed GiB took %d bytes of memory", c.arrived, grown)
		}
	}
}

// Half a frame is of no use once there cannot be another half.
func TestAnErrorFreesThePayload(t *testing.T) {
	const size = 16 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peer := &tape{pieces: [][]byte{claim(1 << 30), make([]byte, size)}}
	conn := framing.New(peer, framing.MaxFrame(1<<31))
	if _, err := recv(t, conn); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v, want io.ErrUnexpectedEOF", err)
	}
	peer.pieces = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+size/2 {
		t.Errorf("after its last error a Conn has %d bytes", after.HeapAlloc-before.HeapAlloc)
	}
	runtime.KeepAlive(conn)
}

// tcpPair returns a Conn and the raw other end of its connection.
func tcpPair(t *testing.T) (*framing.Conn, *net.TCPConn) {
	t.Helper()
	return dialedPair(t, context.Background())
}

func dialedPair(t *testing.T, ctx context.Context) (*framing.Conn, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := framing.Dial(ctx, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); peer.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	peer.SetDeadline(time.Now().Add(20 * time.Second))
	return conn, peer.(*net.TCPConn)
}

func TestHalfClose(t *testing.T) {
	conn, peer := tcpPair(t)
	if err := conn.Send([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(said, frame("last words")) {
		t.Fatalf("the peer read %q, %v", said, err)
	}
	peer.Write(frame("heard"))
	peer.CloseWrite()
	if got, err := recv(t, conn); string(got) != "heard" || err != nil {
		t.Errorf("after the half-close: %q, %v", got, err)
	}
	if _, err := recv(t, conn); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

func TestHalfCloseUnsupported(t *testing.T) {
	if err := framing.New(&tape{}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want errors.ErrUnsupported", err)
	}
}

// A deadline that passes in the middle of a frame loses nothing of it.
func TestDeadlineInsideFrame(t *testing.T) {
	conn, peer := tcpPair(t)
	whole := frame("patience")
	for _, piece := range [][]byte{whole[:2], whole[2:7], whole[7:]} {
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := recv(t, conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want os.ErrDeadlineExceeded", err)
		}
		peer.Write(piece)
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if got, err := recv(t, conn); string(got) != "patience" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// A frame cut short by a write deadline cannot be followed by another.
func TestDeadlineInsideSend(t *testing.T) {
	conn, _ := tcpPair(t)
	conn.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	megabyte := make([]byte, framing.DefaultMaxFrame)
	var first error
	for first == nil { // until the buffers of both ends are full
		first = conn.Send(megabyte)
	}
	if !errors.Is(first, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want os.ErrDeadlineExceeded", first)
	}
	conn.SetWriteDeadline(time.Time{})
	if err := conn.Send([]byte("more")); err != first {
		t.Errorf("the next Send: %v, want %v again", err, first)
	}
}

// After a Send of which nothing left, the next one can go on.
func TestDeadlineBeforeSend(t *testing.T) {
	conn, peer := tcpPair(t)
	conn.SetWriteDeadline(time.Now().Add(-time.Second))
	if err := conn.Send([]byte("late")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want os.ErrDeadlineExceeded", err)
	}
	conn.SetWriteDeadline(time.Now().Add(patience))
	if err := conn.Send([]byte("in time")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(frame("in time")))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, frame("in time")) {
		t.Errorf("the peer read %q, %v", got, err)
	}
}

// One byte is half a frame too.
func TestSendThatBreaksAfterAByte(t *testing.T) {
	peer := &tape{room: 1}
	conn := framing.New(peer)
	first := conn.Send([]byte("hello"))
	if !errors.Is(first, errTorn) {
		t.Fatalf("got %v, want %v", first, errTorn)
	}
	peer.room, peer.written = 0, nil
	if err := conn.Send([]byte("hello")); err != first || len(peer.written) != 0 {
		t.Errorf("the next Send: %v, %d writes; want %v again", err, len(peer.written), first)
	}
}

// Each deadline is for its side alone.
func TestDeadlineSides(t *testing.T) {
	past, future := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		set        func(*framing.Conn) error
		send, recv bool // in time
	}{
		"reading": {func(c *framing.Conn) error { return c.SetReadDeadline(past) }, true, false},
		"writing": {func(c *framing.Conn) error { return c.SetWriteDeadline(past) }, false, true},
		"both":    {func(c *framing.Conn) error { return c.SetDeadline(past) }, false, false},
		"neither": {func(c *framing.Conn) error { return c.SetDeadline(future) }, true, true},
	} {
		conn, peer := tcpPair(t)
		peer.Write(frame("hello"))
		if err := c.set(conn); err != nil {
			t.Fatal(err)
		}
		if err := conn.Send([]byte("hello")); (err == nil) != c.send {
			t.Errorf("%s: Send: %v", name, err)
		}
		if _, err := recv(t, conn); (err == nil) != c.recv {
			t.Errorf("%s: Recv: %v", name, err)
		}
	}
}

func TestDeadlineOfAClosedConn(t *testing.T) {
	conn, _ := tcpPair(t)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Close": conn.Close(), "CloseWrite": conn.CloseWrite(), "Send": conn.Send(nil),
		"SetDeadline": conn.SetDeadline(time.Time{}), "SetReadDeadline": conn.SetReadDeadline(time.Time{}),
		"SetWriteDeadline": conn.SetWriteDeadline(time.Time{}),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v, want net.ErrClosed", name, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	conn, peer := tcpPair(t)
	if conn.LocalAddr().String() != peer.RemoteAddr().String() || conn.RemoteAddr().String() != peer.LocalAddr().String() {
		t.Errorf("from %v to %v, and the peer says from %v to %v", conn.LocalAddr(), conn.RemoteAddr(), peer.RemoteAddr(), peer.LocalAddr())
	}
}

func TestCloseEndsRecv(t *testing.T) {
	conn, _ := tcpPair(t)
	time.AfterFunc(20*time.Millisecond, func() { conn.Close() })
	if _, err := recv(t, conn); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}

// Half a frame makes no unexpected end of it: this side has closed.
func TestCloseInsideFrame(t *testing.T) {
	conn, peer := tcpPair(t)
	peer.Write(frame("half")[:6])
	conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	recv(t, conn)
	conn.Close()
	if _, err := recv(t, conn); !errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}

// What ends the connection when the context is cancelled may need a moment: hence
// the number of frames.
func TestContextIsForDialAlone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	conn, peer := dialedPair(t, ctx)
	go io.Copy(peer, peer)
	cancel()
	for i := range 1000 {
		if err := conn.Send([]byte("still here?")); err != nil {
			t.Fatalf("frame %d after the context was cancelled: %v", i, err)
		}
		if _, err := recv(t, conn); err != nil {
			t.Fatalf("reply %d after the context was cancelled: %v", i, err)
		}
	}
}

// countWrites is a connection that can write several buffers in one system call:
// that goes past Write.
type countWrites struct {
	*net.TCPConn
	calls int
}

func (c *countWrites) Write(p []byte) (int, error) {
	c.calls++
	return c.TCPConn.Write(p)
}

// Two writes would be two packets, since there is TCP_NODELAY.
func TestOneWriteForAFrame(t *testing.T) {
	_, peer := tcpPair(t)
	raw := &countWrites{TCPConn: peer}
	if err := framing.New(raw).Send([]byte("payload")); err != nil || raw.calls > 1 {
		t.Errorf("%d calls of Write for a frame (%v), want one, or writev(2) instead", raw.calls, err)
	}
}

func TestDialHonoursContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := framing.Dial(ctx, "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// One goroutine sends far more than the buffers hold while another receives.
func TestSendAndRecvTogether(t *testing.T) {
	conn, peer := tcpPair(t)
	go func() {
		io.Copy(peer, peer)
		peer.CloseWrite()
	}()
	const frames = 200
	payload := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	go func() {
		for range frames {
			if conn.Send(payload) != nil {
				return
			}
		}
		conn.CloseWrite()
	}()
	for i := range frames {
		if got, err := recv(t, conn); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("frame %d: %d bytes, %v", i, len(got), err)
		}
	}
	if _, err := recv(t, conn); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

// FuzzRecv compares any stream, cut into any pieces, with the frames that the
// definition of the wire finds in it.
func FuzzRecv(f *testing.F) {
	f.Add(append(frame("hello"), frame("")...), []byte{1, 2})
	f.Add(append(frame("x"), 0xff, 0xff, 0xff, 0xff), []byte{})
	f.Add([]byte{0, 0, 0, 5, 'h'}, []byte{4})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		const limit = 64
		conn := framing.New(&tape{pieces: cut(stream, cuts)}, framing.MaxFrame(limit))
		for rest := stream; ; {
			if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(min(limit, len(rest)-4)) {
				if _, err := conn.Recv(); err == nil || (err == io.EOF) != (len(rest) == 0) {
					t.Fatalf("after the last whole frame, with %d bytes left: %v", len(rest), err)
				}
				return
			}
			want := rest[4 : 4+binary.BigEndian.Uint32(rest)]
			got, err := conn.Recv()
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %q, %v, want %q", got, err, want)
			}
			rest = rest[4+len(want):]
		}
	})
}

// cut cuts stream into pieces of the given sizes and the rest.
func cut(stream, sizes []byte) (pieces [][]byte) {
	for _, size := range sizes {
		if n := int(size); n > 0 && n < len(stream) {
			pieces, stream = append(pieces, stream[:n]), stream[n:]
		}
	}
	if len(stream) > 0 {
		pieces = append(pieces, stream)
	}
	return pieces
}
