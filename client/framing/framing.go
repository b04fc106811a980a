// Package framing is a client's side of length-prefixed messages over TCP: it
// sends and receives whole frames where TCP alone carries bytes.
//
// # The wire
//
// A frame is a 4-byte big-endian length and that many bytes of payload. The
// length does not count itself, and zero is a legal length. Erlang's
// {packet, 4}, Twisted's Int32StringReceiver, tokio's LengthDelimitedCodec
// and Netty's LengthFieldPrepender(4) speak the same.
//
// # Use
//
//	conn, err := framing.Dial(ctx, "127.0.0.1:9999")
//	if err != nil { ... }
//	defer conn.Close()
//	err = conn.Send([]byte("hello"))
//	reply, err := conn.Recv()
//
// One goroutine may send while another receives. Whoever sends much before it
// receives anything needs both: a server that answers stops reading when its
// answers are not taken, and the two would wait for each other.
//
// # How a stream ends
//
// CloseWrite says that no more frames will be sent; frames of the other side
// still arrive. Recv returns [io.EOF] when the stream ends between two frames
// and an error that wraps [io.ErrUnexpectedEOF] when it ends inside one.
//
// # Limits
//
// A frame longer than the maximum (see [MaxFrame]) is a [*TooLongError]. Memory
// grows with the bytes received, never with the length that a header claims.
package framing

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"time"
)

// DefaultMaxFrame is the longest payload, in bytes, unless [MaxFrame] says
// otherwise.
const DefaultMaxFrame = 1 << 20

// headerSize is the size of the length before each payload, in bytes.
const headerSize = 4

// firstChunk is the most memory, in bytes, that a header alone can claim.
const firstChunk = 4096

// A TooLongError reports a frame whose payload is longer than the maximum. A
// received one cannot be skipped safely, so the stream is of no more use: every
// later Recv returns the same error.
type TooLongError struct {
	Length int64 // of the payload, in bytes
	Max    int64 // in bytes
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("framing: frame of %d bytes, the maximum is %d", e.Length, e.Max)
}

// An Option changes a Conn as it is made.
type Option func(*Conn)

// MaxFrame sets the longest payload that Send accepts and Recv allows, in
// bytes. Both directions have the same maximum, as an echo needs.
func MaxFrame(bytes uint32) Option {
	// A slice on a 32-bit machine ends at 2 GiB.
	return func(c *Conn) { c.max = min(int64(bytes), math.MaxInt) }
}

// A Conn carries frames. Send, and CloseWrite, belong to one goroutine at a
// time; so does Recv, and it may be another one. The deadlines and Close may be
// called from any goroutine.
type Conn struct {
	net net.Conn
	max int64 // longest payload, in bytes

	sendErr error // set once the stream ends in half a frame

	in      *bufio.Reader
	header  [headerSize]byte
	got     int    // bytes of header that have arrived
	payload []byte // what has arrived of the frame under way
	recvErr error  // set once the stream has no next frame
}

// Dial connects to a TCP address such as "127.0.0.1:9999". The context governs
// the connecting alone; cancelling it later does not touch the connection (for
// that: context.AfterFunc(ctx, func() { conn.Close() })).
//
// Its errors are those of [net.Dialer.DialContext].
func Dial(ctx context.Context, addr string, options ...Option) (*Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return New(conn, options...), nil
}

// New makes a Conn of any connected stream: a unix socket, TLS, one end of
// [net.Pipe]. The stream belongs to the Conn afterwards.
func New(conn net.Conn, options ...Option) *Conn {
	c := &Conn{net: conn, max: DefaultMaxFrame, in: bufio.NewReader(conn)}
	for _, option := range options {
		option(c)
	}
	return c
}

// Send sends one frame. It waits as long as the peer does not take it; see
// SetWriteDeadline. If the payload is over the maximum, the error is a
// [*TooLongError], nothing is sent, and the Conn can still be used. After an
// error that leaves half a frame with the peer, every later Send returns that
// same error.
func (c *Conn) Send(payload []byte) error {
	if c.sendErr != nil {
		return c.sendErr
	}
	if int64(len(payload)) > c.max {
		return &TooLongError{Length: int64(len(payload)), Max: c.max}
	}
	var header [headerSize]byte
	binary.BigEndian.PutUint32(header[:], uint32(len(payload)))
	// One writev(2), without copying: two writes would cost a system call and a
	// packet more for every frame.
	frame := net.Buffers{header[:], payload}
	n, err := frame.WriteTo(c.net)
	if n > 0 {
		c.sendErr = err
	}
	return err
}

// Recv returns the payload of the next frame; it belongs to the caller. It
// waits until the frame is whole; see SetReadDeadline. A Recv ended by its
// deadline loses nothing: the next one goes on where it stopped.
//
// The error is [io.EOF] itself where the stream ends between two frames, wraps
// [io.ErrUnexpectedEOF] where it ends inside one, and is a [*TooLongError] for
// a frame over the maximum. All but a deadline's are final.
func (c *Conn) Recv() ([]byte, error) {
	if c.recvErr != nil {
		return nil, c.recvErr
	}
	payload, err := c.recv()
	if err != nil && !isTimeout(err) {
		c.recvErr = err
		c.payload = nil
	}
	return payload, err
}

// recv reads on from whatever part of a frame has arrived.
func (c *Conn) recv() ([]byte, error) {
	if err := c.readHeader(); err != nil {
		return nil, err
	}
	// The comparison comes before any arithmetic: a length over 2 GiB would be
	// negative as an int32.
	length := int64(binary.BigEndian.Uint32(c.header[:]))
	if length > c.max {
		return nil, &TooLongError{Length: length, Max: c.max}
	}
	if err := c.readPayload(int(length)); err != nil {
		return nil, err
	}
	payload := c.payload
	c.payload, c.got = nil, 0
	return payload, nil
}

// readHeader reads what is missing of the header.
func (c *Conn) readHeader() error {
	n, err := io.ReadFull(c.in, c.header[c.got:])
	c.got += n
	if ended(err) && c.got > 0 {
		return fmt.Errorf("framing: the stream ended after %d of %d header bytes: %w",
			c.got, headerSize, io.ErrUnexpectedEOF)
	}
	return err
}

// readPayload reads what is missing of a payload of length bytes. The buffer
// doubles only when it is full, so it is at most twice what has arrived.
func (c *Conn) readPayload(length int) error {
	if c.payload == nil {
		c.payload = make([]byte, 0, min(length, firstChunk))
	}
	for len(c.payload) < length {
		if len(c.payload) == cap(c.payload) {
			larger := make([]byte, len(c.payload), min(length, 2*cap(c.payload)))
			copy(larger, c.payload)
			c.payload = larger
		}
		n, err := io.ReadFull(c.in, c.payload[len(c.payload):cap(c.payload)])
		c.payload = c.payload[:len(c.payload)+n]
		if ended(err) {
			return fmt.Errorf("framing: the stream ended after %d of %d payload bytes: %w",
				len(c.payload), length, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ended reports whether err is the end of the stream.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isTimeout reports whether err is a deadline's.
func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// CloseWrite tells the peer that no more frames will come (a half-close). Its
// own frames still arrive, up to its end of stream. The error wraps
// [errors.ErrUnsupported] where the stream cannot be closed by halves.
func (c *Conn) CloseWrite() error {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("framing: half-close of a %T: %w", c.net, errors.ErrUnsupported)
	}
	return half.CloseWrite()
}

// Close closes the connection. A Send or Recv under way ends with an error that
// wraps [net.ErrClosed]. Frames that arrived and were not received are lost,
// and so may be the last frames sent: CloseWrite and receiving until io.EOF
// first is what keeps them.
func (c *Conn) Close() error { return c.net.Close() }

// LocalAddr returns this side's address.
func (c *Conn) LocalAddr() net.Addr { return c.net.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.net.RemoteAddr() }

// SetDeadline sets the time at which Send and Recv give up, also calls under
// way, with an error that wraps [os.ErrDeadlineExceeded]. The zero time means
// never.
func (c *Conn) SetDeadline(t time.Time) error { return c.net.SetDeadline(t) }

// SetReadDeadline is SetDeadline for Recv alone.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.net.SetReadDeadline(t) }

// SetWriteDeadline is SetDeadline for Send alone.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.net.SetWriteDeadline(t) }
