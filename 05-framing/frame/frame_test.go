package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"example/tcpladder/shared/memory"
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

// isTooLong reports whether err is a TooLongError with these values, wrapped or
// not.
func isTooLong(err error, length, limit int64) bool {
	var tooLong *TooLongError
	return errors.As(err, &tooLong) && *tooLong == TooLongError{length, limit}
}

func TestTooLongErrorText(t *testing.T) {
	const want = "frame of 4294967295 bytes, the maximum is 1048576"
	if got := (&TooLongError{math.MaxUint32, 1 << 20}).Error(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAppend(t *testing.T) {
	stream := []byte("before")
	for _, payload := range []string{"", "hello", string(make([]byte, 0x10203))} {
		stream = Append(stream[:6], []byte(payload))
		if want := append([]byte("before"), encode(payload)...); !bytes.Equal(stream, want) {
			t.Errorf("Append of %d bytes = %.20q, want %.20q", len(payload), stream, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		stream  string
		payload string // "-": none yet
		rest    string
	}{
		{"", "-", ""},
		{"\x00\x00\x00", "-", "\x00\x00\x00"},
		{"\xff\xff\xff", "-", "\xff\xff\xff"},
		{"\x00\x00\x00\x02", "-", "\x00\x00\x00\x02"},
		{"\x00\x00\x00\x02a", "-", "\x00\x00\x00\x02a"},
		{"\x00\x00\x00\x02ab", "ab", ""},
		{"\x00\x00\x00\x02abc", "ab", "c"},
		{"\x00\x00\x00\x00", "", ""},
		{"\x00\x00\x00\x00\x00\x00\x00\x00", "", "\x00\x00\x00\x00"},
		{"\x00\x00\x00\x08abcdefgh", "abcdefgh", ""},
	} {
		payload, rest, err := Cut([]byte(test.stream), 8)
		none := test.payload == "-"
		if err != nil || string(rest) != test.rest || (payload == nil) != none ||
			!none && string(payload) != test.payload {
			t.Errorf("Cut(%q) = %q, %q, %v; want %q, %q",
				test.stream, payload, rest, err, test.payload, test.rest)
		}
	}
}

func TestCutTooLong(t *testing.T) {
	for _, limit := range []int{-1, 0, 8, math.MaxInt32 - 4, math.MaxInt32} {
		for _, length := range []uint32{0, 1, 8, 9, 0x7ffffffc, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff} {
			stream := binary.BigEndian.AppendUint32(nil, length)
			payload, rest, err := Cut(stream, limit)
			switch {
			case int64(length) > int64(limit):
				if payload != nil || len(rest) != 4 || !isTooLong(err, int64(length), int64(limit)) {
					t.Errorf("a header of %d, limit %d: %q, %q, %v; want a TooLongError as soon as it is there",
						length, limit, payload, rest, err)
				}
			case err != nil || (payload == nil) == (length == 0):
				t.Errorf("a header of %d, limit %d: %q, %v; want no error", length, limit, payload, err)
			}
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

func TestCutCopiesNothing(t *testing.T) {
	stream := encode("ab", "cd")
	payload, rest, _ := Cut(stream, 8)
	if &payload[0] != &stream[HeaderSize] || &rest[0] != &stream[HeaderSize+2] {
		t.Errorf("the payload %q and the rest %q are not parts of the stream", payload, rest)
	}
}

func TestAnswer(t *testing.T) {
	stream := append(encode("a", "", "ccc"), 0, 0)
	sent := []byte("before")
	replies, rest, err := Codec{8, echo}.Answer(sent, stream, 100)
	if err != nil || !bytes.Equal(replies, append(sent, stream[:16]...)) || string(rest) != "\x00\x00" {
		t.Errorf("Answer = %q, %q, %v", replies, rest, err)
	}
	if replies, rest, err = (Codec{8, echo}).Answer(nil, nil, 100); len(replies)+len(rest) > 0 || err != nil {
		t.Errorf("Answer without a stream = %q, %q, %v", replies, rest, err)
	}
}

func TestAnswerStopsWhenThereIsNoRoom(t *testing.T) {
	stream := encode("aaaa", "bbbb", "cccc")
	for room, frames := range map[int]int{-1: 0, 0: 0, 1: 1, 8: 1, 9: 2, 16: 2, 17: 3} {
		replies, rest, err := Codec{8, echo}.Answer(nil, stream, room)
		if err != nil || !bytes.Equal(replies, stream[:8*frames]) || !bytes.Equal(rest, stream[8*frames:]) {
			t.Errorf("room %d: %q, %q, %v; want %d frames", room, replies, rest, err, frames)
		}
	}
	if replies, rest, _ := (Codec{8, echo}).Answer(make([]byte, 9), stream, 9); len(replies) != 9 || len(rest) != 24 {
		t.Errorf("what was there before takes no room: %q, %q", replies, rest)
	}
}

func TestAnswerKeepsTheRepliesBeforeAFault(t *testing.T) {
	fault := []byte{0, 0, 0, 9, 'x'}
	replies, rest, err := Codec{8, echo}.Answer(nil, append(encode("good"), fault...), 100)
	if _, bare := err.(*TooLongError); !bare || !isTooLong(err, 9, 8) || !bytes.Equal(replies, encode("good")) || !bytes.Equal(rest, fault) {
		t.Errorf("Answer = %q, %q, %v; want the reply to the good frame, what follows, and a TooLongError",
			replies, rest, err)
	}
}

func TestAnswerRefusesALongReply(t *testing.T) {
	double := func(reply, payload []byte) []byte { return append(append(reply, payload...), payload...) }
	replies, rest, err := Codec{8, double}.Answer(nil, encode("1234", "12345", "6"), 100)
	const text = "reply: frame of 10 bytes, the maximum is 8"
	if !isTooLong(err, 10, 8) || err.Error() != text {
		t.Errorf("the error is %v, want %s", err, text)
	}
	if !bytes.Equal(replies, encode("12341234")) || !bytes.Equal(rest, encode("12345", "6")) {
		t.Errorf("Answer = %q, %q; want the first reply, and from the second frame on", replies, rest)
	}
}

func TestComplete(t *testing.T) {
	whole := encode("hello")
	for _, test := range []struct{ part, more, wantPart, wantRest string }{
		{"", "abc", "", "abc"}, // there is nothing to complete
		{"\x00", "", "\x00", ""},
		{"\x00", "\x00", "\x00\x00", ""},
		{"\x00\x00\x00", "\x05hello", string(whole), ""},
		{"\x00\x00\x00", "\x05hell", string(whole[:8]), ""},
		{"\x00\x00\x00", "\x05hello\x00\x00", string(whole), "\x00\x00"},
		{string(whole), "\x00\x00", string(whole), "\x00\x00"},
		{string(whole) + "\x00", "\x00\x00", string(whole) + "\x00", "\x00\x00"},
		{"\x00\x00\x00\x00", "\x00\x00", "\x00\x00\x00\x00", "\x00\x00"},
		{"\x00\x00\x00\x09", "0123456789", "\x00\x00\x00\x0901234567", "89"}, // an error, for Cut
	} {
		part, rest := Codec{8, echo}.Complete([]byte(test.part), []byte(test.more))
		if string(part) != test.wantPart || string(rest) != test.wantRest {
			t.Errorf("Complete(%q, %q) = %q, %q; want %q, %q",
				test.part, test.more, part, rest, test.wantPart, test.wantRest)
		}
	}
}

// most is how much memory a part may take: twice what has arrived, but no more
// than the frame needs; and a little more if somebody has left a buffer behind, see
// memory.Get.
func most(arrived int, frame int64) int {
	n := int(min(2*int64(arrived), frame))
	if n >= 4<<10 {
		n += 16 << 10
	}
	return n
}

// A header claims 1 GiB and more, and 1 MiB comes byte by byte. There are few
// allocations, and none is made for what has not come.
func TestCompleteGrowsWithWhatHasArrived(t *testing.T) {
	for _, claim := range []uint32{1 << 20, 1 << 30, math.MaxInt32 - 3, math.MaxInt32, math.MaxUint32} {
		codec := Codec{Max: math.MaxInt32, Handle: echo}
		part := binary.BigEndian.AppendUint32(make([]byte, 0, HeaderSize), claim)
		grown := 0
		for range 1 << 20 {
			before := cap(part)
			var rest []byte
			if part, rest = codec.Complete(part, []byte{'x'}); len(rest) > 0 {
				t.Fatalf("%d bytes claimed: refused a byte after %d", claim, len(part))
			}
			if cap(part) != before {
				grown++
			}
			if cap(part) > most(len(part), HeaderSize+int64(claim)) {
				t.Fatalf("%d bytes claimed, %d received, memory for %d", claim, len(part), cap(part))
			}
		}
		if grown > 20 {
			t.Errorf("%d bytes claimed: moved %d times, want once for each time it doubles", claim, grown)
		}
	}
}

func TestCompleteTakesNoMoreThanItNeeds(t *testing.T) {
	part := append(make([]byte, 0, 9), 0, 0, 0, 5, 'h') // with as much room as it needs
	got, _ := Codec{8, echo}.Complete(part, []byte("ello"))
	if &got[0] != &part[0] {
		t.Error("the part was moved, for which there was no need")
	}
	if got, _ = (Codec{8, echo}).Complete([]byte{0, 0, 0}[:3:3], []byte{5}); cap(got) != HeaderSize {
		t.Errorf("room for %d bytes before anything is claimed, want the header's %d", cap(got), HeaderSize)
	}
	part = append(make([]byte, 0, 5000), encode(string(make([]byte, 50000)))[:5000]...)
	if got, _ := (Codec{50000, echo}).Complete(part, make([]byte, 10)); &got[0] == &part[0] {
		t.Error("there was no room, and the part was not moved")
	}
	left := false
	for range 1000 { // others may have left theirs
		again := memory.Get(cap(part))
		left = left || &again[:1][0] == &part[0]
	}
	if !left {
		t.Error("where the part was before was not left to others")
	}
	negative := Codec{-1, echo}
	if got, rest := negative.Complete([]byte{0, 0, 0, 5}, []byte("hello")); len(got) != 4 || len(rest) != 5 {
		t.Errorf("when nothing is allowed: %q, %q; want that nothing is taken", got, rest)
	}
}

// However a stream is split, it is answered as if it had come in one piece.
func FuzzAnswer(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		compare(t, stream, cuts, func(c Codec, pieces [][]byte) error {
			var in []byte
			for i, piece := range pieces {
				in = append(in, piece...)
				for {
					replies, rest, err := c.Answer(nil, in, 1+i%20)
					if err != nil {
						return err
					}
					in = rest
					if len(replies) == 0 {
						break
					}
				}
			}
			return nil
		})
	})
}

// A server that keeps only parts of frames, and sees the rest of them in what it
// reads next, finds the same frames, and needs no more memory than it should.
func FuzzComplete(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		compare(t, stream, cuts, func(c Codec, pieces [][]byte) (err error) {
			var part []byte
			for _, more := range pieces {
				part, more = complete(t, c, part, more)
				if _, part, err = c.Answer(nil, part, math.MaxInt); err != nil {
					return err
				}
				if len(part) > 0 {
					continue
				}
				if _, more, err = c.Answer(nil, more, math.MaxInt); err != nil {
					return err
				}
				part = append(make([]byte, 0, len(more)), more...)
			}
			return nil
		})
	})
}

func seed(f *testing.F) {
	f.Add(encode("a", "", "bcd"), []byte{1, 2, 3})
	f.Add(append(encode("12345678"), 0, 0, 0, 9), []byte{5})
	f.Add(append(encode("", ""), 0xff, 0xff, 0xff, 0xff), []byte{})
	f.Add(encode("12345678", "", "abc", "d"), bytes.Repeat([]byte{1}, 50))
	f.Add(encode("12345678", "", "abc", "d"), bytes.Repeat([]byte{3, 2, 7}, 20))
	f.Add(append(encode("1"), 0, 0, 0, 9, 'x', 'x'), bytes.Repeat([]byte{1}, 50))
}

// complete calls Complete and looks at what it has done.
func complete(t *testing.T, c Codec, part, more []byte) (_, rest []byte) {
	before := string(part) + string(more)
	had, room := len(part), cap(part)
	part, rest = c.Complete(part, more)
	if string(part)+string(rest) != before {
		t.Fatalf("Complete = %q, %q, of %q", part, rest, before)
	}
	frame := HeaderSize // in bytes, as far as it is known
	if len(part) >= HeaderSize {
		frame += int(min(int64(binary.BigEndian.Uint32(part)), int64(c.Max)))
	}
	if cap(part) != room && cap(part) > most(len(part), int64(frame)) {
		t.Fatalf("%d of %d bytes take %d", len(part), frame, cap(part))
	}
	if had > 0 && len(part) != min(len(before), frame) {
		t.Fatalf("%d of %d bytes were taken, %d were there", len(part), frame, len(before))
	}
	return part, rest
}

// compare gives a stream to answer in pieces, and compares what the handler sees
// with what it ought to see.
func compare(t *testing.T, stream, cuts []byte, answer func(c Codec, pieces [][]byte) error) {
	var got []string
	codec := Codec{8, func(reply, payload []byte) []byte {
		got = append(got, string(payload))
		return append(reply, payload...)
	}}
	want, wantErr := reference(stream, codec.Max)
	var pieces [][]byte
	for left := stream; len(left) > 0; {
		n := len(left)
		if i := len(pieces); i < len(cuts) {
			n = min(n, int(cuts[i]))
		}
		pieces = append(pieces, bytes.Clone(left[:n]))
		left = left[n:]
	}
	err := answer(codec, pieces)
	if !slices.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("in pieces: %q, %v\nin one: %q, %v", got, err, want, wantErr)
	}
}

// reference decodes the plain way.
func reference(stream []byte, limit int) (payloads []string, err error) {
	for len(stream) >= 4 {
		length := int64(binary.BigEndian.Uint32(stream))
		if length > int64(limit) {
			return payloads, &TooLongError{length, int64(limit)}
		}
		if int64(len(stream)) < 4+length {
			break
		}
		payloads = append(payloads, string(stream[4:4+length]))
		stream = stream[4+length:]
	}
	return payloads, nil
}

func BenchmarkAnswer(b *testing.B) {
	stream := bytes.Repeat(encode(string(make([]byte, 64))), 1000)
	var replies []byte
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		replies, _, _ = Codec{1 << 20, echo}.Answer(replies[:0], stream, 1<<20)
	}
}
