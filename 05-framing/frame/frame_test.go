package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func echo(reply, payload []byte) []byte { return append(reply, payload...) }

// encode makes a stream of frames, independently of the code under test.
func encode(payloads ...string) (stream []byte) {
	for _, p := range payloads {
		stream = binary.BigEndian.AppendUint32(stream, uint32(len(p)))
		stream = append(stream, p...)
	}
	return stream
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		stream  string
		payload string // "-": none yet
		rest    string
	}{
		{"", "-", ""},
		{"\x00\x00\x00", "-", "\x00\x00\x00"},
		{"\x00\x00\x00\x02", "-", "\x00\x00\x00\x02"},
		{"\x00\x00\x00\x02a", "-", "\x00\x00\x00\x02a"},
		{"\x00\x00\x00\x02ab", "ab", ""},
		{"\x00\x00\x00\x02abc", "ab", "c"},
		{"\x00\x00\x00\x00", "", ""},
		{"\x00\x00\x00\x00\x00\x00\x00\x00", "", "\x00\x00\x00\x00"},
		{"\x00\x00\x00\x08abcdefgh", "abcdefgh", ""},
	} {
		payload, rest, err := Cut([]byte(test.stream), 8)
		if err != nil || string(rest) != test.rest || string(payload) != test.payload && test.payload != "-" || (payload == nil) != (test.payload == "-") {
			t.Errorf("Cut(%q) = %q, %q, %v; want %q, %q", test.stream, payload, rest, err, test.payload, test.rest)
		}
	}
}

func TestCutTooLong(t *testing.T) {
	for _, length := range []uint32{9, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff} {
		_, _, err := Cut(binary.BigEndian.AppendUint32(nil, length), 8)
		var tooLong TooLongError
		if !errors.As(err, &tooLong) || tooLong.Length != length || tooLong.Max != 8 {
			t.Errorf("a header of %d: %v, want a TooLongError as soon as it is there", length, err)
		}
	}
}

// A handler that keeps or extends its payload must not write over what follows.
func TestCutLendsNoMoreThanThePayload(t *testing.T) {
	stream := encode("ab", "cd")
	payload, rest, _ := Cut(stream, 8)
	_ = append(payload, "XXXX"...)
	if !bytes.Equal(rest, encode("cd")) {
		t.Errorf("after appending to the payload the rest is %q", rest)
	}
}

func TestAnswer(t *testing.T) {
	stream := append(encode("a", "", "ccc"), 0, 0)
	replies, rest, err := Answer(nil, stream, 8, 100, echo)
	if err != nil || !bytes.Equal(replies, encode("a", "", "ccc")) || len(rest) != 2 {
		t.Errorf("Answer = %q, %q, %v", replies, rest, err)
	}
}

func TestAnswerStopsAtTheLimit(t *testing.T) {
	stream := encode("aaaa", "bbbb", "cccc")
	for limit, frames := range map[int]int{0: 0, 1: 1, 8: 1, 9: 2, 16: 2, 17: 3} {
		replies, rest, err := Answer(nil, stream, 8, limit, echo)
		if err != nil || len(replies) != 8*frames || len(rest) != 24-8*frames {
			t.Errorf("limit %d: %d bytes of replies, %d left, %v; want %d frames", limit, len(replies), len(rest), err, frames)
		}
	}
}

func TestAnswerKeepsTheRepliesBeforeAFault(t *testing.T) {
	stream := append(encode("good"), 0xff, 0xff, 0xff, 0xff)
	replies, _, err := Answer(nil, stream, 8, 100, echo)
	if !errors.As(err, new(TooLongError)) || !bytes.Equal(replies, encode("good")) {
		t.Errorf("Answer = %q, %v; want the reply to the good frame and a TooLongError", replies, err)
	}
}

func TestAnswerRefusesALongReply(t *testing.T) {
	double := func(reply, payload []byte) []byte { return append(append(reply, payload...), payload...) }
	replies, _, err := Answer(nil, encode("1234", "12345"), 8, 100, double)
	if !errors.As(err, new(TooLongError)) || !bytes.Equal(replies, encode("12341234")) {
		t.Errorf("Answer = %q, %v; want the first reply and a TooLongError", replies, err)
	}
}

// However a stream is split, it is answered as if it had come in one piece.
func FuzzAnswer(f *testing.F) {
	f.Add(encode("a", "", "bcd"), []byte{1, 2, 3})
	f.Add(append(encode("12345678"), 0, 0, 0, 9), []byte{5})
	f.Add(append(encode("", ""), 0xff, 0xff, 0xff, 0xff), []byte{})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		const max = 8
		want, wantErr := reference(stream, max)
		got, err := dribble(stream, cuts, max)
		if !slices.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("in pieces: %q, %v\nin one: %q, %v", got, err, want, wantErr)
		}
	})
}

// reference decodes the plain way.
func reference(stream []byte, max int) (payloads []string, err error) {
	for len(stream) >= 4 {
		length := int64(binary.BigEndian.Uint32(stream))
		if length > int64(max) {
			return payloads, TooLongError{uint32(length), max}
		}
		if int64(len(stream)) < 4+length {
			break
		}
		payloads = append(payloads, string(stream[4:4+length]))
		stream = stream[4+length:]
	}
	return payloads, nil
}

// dribble feeds Answer with pieces of the lengths in cuts, under limits that
// stop it again and again.
func dribble(stream, cuts []byte, max int) (payloads []string, err error) {
	note := func(reply, payload []byte) []byte {
		payloads = append(payloads, string(payload))
		return append(reply, payload...)
	}
	var in []byte
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if i < len(cuts) {
			n = min(n, int(cuts[i]))
		}
		in = append(in, stream[:n]...)
		stream = stream[n:]
		for {
			replies, rest, err := Answer(nil, in, max, 1+i%20, note)
			if err != nil {
				return payloads, err
			}
			in = rest
			if len(replies) == 0 {
				break
			}
		}
	}
	return payloads, nil
}

func BenchmarkAnswer(b *testing.B) {
	stream := bytes.Repeat(encode(string(make([]byte, 64))), 1000)
	var replies []byte
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		replies, _, _ = Answer(replies[:0], stream, 1<<20, 1<<20, echo)
	}
}
