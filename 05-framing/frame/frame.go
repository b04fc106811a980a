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
)

// HeaderSize is the number of bytes before the payload.
const HeaderSize = 4

// A TooLongError is a frame whose payload is longer than the maximum. There is
// no way back from it: where the next frame begins cannot be known without
// reading the whole of this one.
type TooLongError struct {
	Length uint32 // in bytes, as the header has it
	Max    int
}

func (e TooLongError) Error() string {
	return fmt.Sprintf("frame of %d bytes, the maximum is %d", e.Length, e.Max)
}

// Cut splits the first frame off stream. The payload is not a copy. If the frame
// is not whole yet, payload is nil and rest is all of stream; the payload of an
// empty frame is not nil. The error is a TooLongError, known as soon as the
// header is.
func Cut(stream []byte, max int) (payload, rest []byte, err error) {
	if len(stream) < HeaderSize {
		return nil, stream, nil
	}
	// Compared before anything is added to it, and as unsigned: a hostile length
	// can neither overflow nor turn negative.
	length := binary.BigEndian.Uint32(stream)
	if uint64(length) > uint64(max) {
		return nil, stream, TooLongError{length, max}
	}
	end := HeaderSize + int(length)
	if len(stream) < end {
		return nil, stream, nil
	}
	return stream[HeaderSize:end:end], stream[end:], nil
}

// A Handler appends its reply to a message to reply, and returns the result. The
// payload of the message is lent to it for the call.
type Handler func(reply, payload []byte) []byte

// Answer appends to replies one frame for each whole frame at the beginning of
// stream, and returns what is left of stream. It stops when the replies have
// limit bytes: below it there is room for one more, whatever its length. After a
// TooLongError, of a message or (wrapped, see errors.As) of a reply, nothing more
// can be answered; the replies before it are good.
func Answer(replies, stream []byte, max, limit int, handle Handler) (_, rest []byte, err error) {
	for len(replies) < limit {
		payload, rest, err := Cut(stream, max)
		if payload == nil {
			return replies, stream, err
		}
		header := len(replies)
		replies = handle(append(replies, 0, 0, 0, 0), payload)
		length := len(replies) - header - HeaderSize
		if length > max {
			err = fmt.Errorf("reply: %w", TooLongError{uint32(length), max})
			return replies[:header], stream, err
		}
		binary.BigEndian.PutUint32(replies[header:], uint32(length))
		stream = rest
	}
	return replies, stream, nil
}
