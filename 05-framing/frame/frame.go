// Package frame cuts a stream of bytes into messages. A frame is the length of
// its payload as 4 bytes, big-endian, and the payload:
//
//	00 00 00 05  h e l l o
//
// The length does not count itself. It may be zero: an empty frame is a frame.
package frame

import (
	"encoding/binary"
	"fmt"

	"example/tcpladder/shared/memory"
)

// HeaderSize is the number of bytes before the payload.
const HeaderSize = 4

// A TooLongError reports a frame whose payload is longer than the maximum. The
// stream is of no more use: nobody can know where the next frame begins without
// reading the whole of this one.
type TooLongError struct {
	Length int64 // of the payload, in bytes
	Max    int64 // in bytes
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("frame of %d bytes, the maximum is %d", e.Length, e.Max)
}

// Append appends a frame with this payload, of at most 4 GiB - 1 byte, to b.
func Append(b, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(payload))), payload...)
}

// Cut splits the first frame off stream. The payload is part of stream, not a
// copy; that of an empty frame is empty but not nil. If the frame is not whole
// yet, payload is nil and rest is stream. If it is longer than limit bytes, the
// error is a *TooLongError, as soon as the header is whole.
func Cut(stream []byte, limit int) (payload, rest []byte, err error) {
	if len(stream) < HeaderSize {
		return nil, stream, nil
	}
	// In 64 bits, and with nothing added to it, a hostile length can neither become
	// negative nor overflow.
	length := int64(binary.BigEndian.Uint32(stream))
	if length > int64(limit) {
		return nil, stream, &TooLongError{length, int64(limit)}
	}
	if int64(len(stream)-HeaderSize) < length {
		return nil, stream, nil
	}
	end := HeaderSize + int(length)
	return stream[HeaderSize:end:end], stream[end:], nil
}

// A Handler appends its reply to a message to reply and returns the result. The
// payload is valid only during the call.
type Handler func(reply, payload []byte) []byte

// A Codec answers frames with frames.
type Codec struct {
	Max    int // length of a payload, received or sent, in bytes
	Handle Handler
}

// Answer appends to replies one frame for each whole frame at the beginning of
// stream, and returns the rest of stream. It begins no frame once replies has
// room bytes or more; below that, a reply of any length is appended.
//
// The error is a *TooLongError; for a reply, it is wrapped (see errors.As). Nothing
// after it can be answered. The replies to the frames before it are good.
func (c Codec) Answer(replies, stream []byte, room int) (_, rest []byte, err error) {
	for len(replies) < room {
		payload, rest, err := Cut(stream, c.Max)
		if payload == nil {
			return replies, stream, err
		}
		header := len(replies)
		replies = c.Handle(binary.BigEndian.AppendUint32(replies, 0), payload) // 0 for now
		length := len(replies) - header - HeaderSize
		if length > c.Max {
			err = fmt.Errorf("reply: %w", &TooLongError{int64(length), int64(c.Max)})
			return replies[:header], stream, err
		}
		binary.BigEndian.PutUint32(replies[header:], uint32(length))
		stream = rest
	}
	return replies, stream, nil
}

// Complete moves bytes from more to part, the beginning of a frame, until that
// frame is whole, and returns both. Part grows with what has arrived, not with
// what the header claims: it doubles, but not past the end of the frame.
func (c Codec) Complete(part, more []byte) (_, rest []byte) {
	for len(part) > 0 {
		missing := c.missing(part)
		n := min(missing, len(more))
		if n == 0 {
			break
		}
		if size := len(part) + n; size > cap(part) {
			grown := append(memory.Get(size+min(size, missing-n)), part...)
			memory.Put(part)
			part = grown
		}
		part, more = append(part, more[:n]...), more[n:]
	}
	return part, more
}

// missing returns how many bytes the first frame of stream still needs: to its
// end or, as long as that is not known, to the end of its header.
func (c Codec) missing(stream []byte) int {
	if len(stream) < HeaderSize {
		return HeaderSize - len(stream)
	}
	length := min(int64(binary.BigEndian.Uint32(stream)), int64(c.Max))
	return max(0, HeaderSize-len(stream)+int(length)) // in this order, for an int of 32 bits
}
