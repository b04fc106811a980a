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

// A tape is a peer that says given bytes in given pieces, then ends. What is
// written to it is kept, one entry per Write.
type tape struct {
	net.Conn
	pieces  [][]byte
	written [][]byte
}

func (t *tape) Read(p []byte) (int, error) {
	if len(t.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, t.pieces[0])
	if t.pieces[0] = t.pieces[0][n:]; len(t.pieces[0]) == 0 {
		t.pieces = t.pieces[1:]
	}
	return n, nil
}

func (t *tape) Write(p []byte) (int, error) {
	t.written = append(t.written, bytes.Clone(p))
	return len(p), nil
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
			got, err := conn.Recv()
			if err != nil || string(got) != payload {
				t.Fatalf("pieces of %d, frame %d: %d bytes, %v, want %d bytes", size, i, len(got), err, len(payload))
			}
		}
		if _, err := conn.Recv(); err != io.EOF {
			t.Errorf("pieces of %d: at the end %v, want io.EOF", size, err)
		}
	}
}

func TestRecvKeepsFramesApart(t *testing.T) {
	conn := framing.New(&tape{pieces: [][]byte{frame("first"), frame("again")}})
	first, _ := conn.Recv()
	conn.Recv()
	if string(first) != "first" {
		t.Errorf("the first payload became %q: it belongs to the caller", first)
	}
}

func TestEndInsideFrame(t *testing.T) {
	whole := frame("payload")
	for cut := 1; cut < len(whole); cut++ {
		conn := framing.New(&tape{pieces: [][]byte{frame("before"), whole[:cut]}})
		if got, err := conn.Recv(); string(got) != "before" || err != nil {
			t.Fatalf("cut at %d: the whole frame before it: %q, %v", cut, got, err)
		}
		for range 2 { // the error is final
			if _, err := conn.Recv(); !errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
				t.Errorf("cut at %d: %v, want io.ErrUnexpectedEOF", cut, err)
			}
		}
	}
}

func TestTooLongReceived(t *testing.T) {
	for _, length := range []uint32{9, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff} {
		conn := framing.New(&tape{pieces: [][]byte{frame("12345678"), claim(length), frame("more")}}, framing.MaxFrame(8))
		if got, err := conn.Recv(); string(got) != "12345678" || err != nil {
			t.Fatalf("exactly the maximum: %q, %v", got, err)
		}
		for range 2 { // what follows is no frame, whatever it looks like
			_, err := conn.Recv()
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

// A claim of 1 GiB followed by little must not take 1 GiB.
func TestMemoryGrowsWithBytesReceived(t *testing.T) {
	conn := framing.New(&tape{pieces: [][]byte{claim(1 << 30), make([]byte, 10_000)}}, framing.MaxFrame(1<<31))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := conn.Recv()
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v, want io.ErrUnexpectedEOF", err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("10,000 bytes of a claimed GiB took %d bytes of memory", grown)
	}
}

// tcpPair returns a Conn and the raw other end of its connection.
func tcpPair(t *testing.T) (*framing.Conn, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := framing.Dial(context.Background(), listener.Addr().String())
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
	if got, err := conn.Recv(); string(got) != "heard" || err != nil {
		t.Errorf("after the half-close: %q, %v", got, err)
	}
	if _, err := conn.Recv(); err != io.EOF {
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
		if _, err := conn.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v, want os.ErrDeadlineExceeded", err)
		}
		peer.Write(piece)
	}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if got, err := conn.Recv(); string(got) != "patience" || err != nil {
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

func TestCloseEndsRecv(t *testing.T) {
	conn, _ := tcpPair(t)
	time.AfterFunc(20*time.Millisecond, func() { conn.Close() })
	if _, err := conn.Recv(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
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
		if got, err := conn.Recv(); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("frame %d: %d bytes, %v", i, len(got), err)
		}
	}
	if _, err := conn.Recv(); err != io.EOF {
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
