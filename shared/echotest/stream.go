package echotest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"sort"
)

// A stream is the endless traffic of one client: a block of pseudo-random bytes
// again and again. Whole messages of an echo come back as the very bytes that
// were sent, frames too, so that both protocols are judged as byte streams.
type stream struct {
	block []byte
	ends  []int // where each message in block ends
}

// A sizer draws the size of the next message, in payload bytes.
type sizer func(*rand.Rand) int

func sized(n int) sizer { return func(*rand.Rand) int { return n } }

func upTo(n int) sizer { return func(r *rand.Rand) int { return r.IntN(n + 1) } }

// newStream makes a block of at least total bytes. Clients with different seeds
// send different bytes, so that bytes that reach the wrong client are noticed.
func newStream(p Promises, seed uint64, size sizer, total int) *stream {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	source := rand.NewChaCha8(key)
	random := rand.New(source)
	s := &stream{}
	for len(s.block) < total {
		payload := make([]byte, size(random))
		source.Read(payload)
		if p.Framed {
			s.block = append(s.block, frame(payload)...)
		} else {
			s.block = append(s.block, payload...)
		}
		s.ends = append(s.ends, len(s.block))
	}
	return s
}

// frame puts the 4-byte big-endian length before payload.
func frame(payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

// at gives the bytes from offset to the end of its block, at most n.
func (s *stream) at(offset int64, n int) []byte {
	p := s.block[offset%int64(len(s.block)):]
	return p[:min(len(p), n)]
}

// boundary is the end of the last whole message within offset bytes.
func (s *stream) boundary(offset int64) int64 {
	blocks, rest := offset/int64(len(s.block)), int(offset%int64(len(s.block)))
	i := sort.SearchInts(s.ends, rest+1) // the first message that ends after rest
	if i == 0 {
		return blocks * int64(len(s.block))
	}
	return blocks*int64(len(s.block)) + int64(s.ends[i-1])
}

// next is where the message ends that offset is the start or the middle of.
func (s *stream) next(offset int64) int64 {
	blocks, rest := offset/int64(len(s.block)), int(offset%int64(len(s.block)))
	return blocks*int64(len(s.block)) + int64(s.ends[sort.SearchInts(s.ends, rest+1)])
}

// differ gives the index of the first byte of got that is not what the stream
// has at offset, or -1.
func (s *stream) differ(offset int64, got []byte) int {
	for done := 0; done < len(got); {
		want := s.at(offset+int64(done), len(got)-done)
		if bytes.Equal(got[done:done+len(want)], want) { // 20 times as fast as byte by byte
			done += len(want)
			continue
		}
		for i, b := range want {
			if got[done+i] != b {
				return done + i
			}
		}
	}
	return -1
}
