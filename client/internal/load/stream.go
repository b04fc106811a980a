package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// A stream is what every connection sends: numbered messages, laid out once, one
// after the other. To send is to write a piece of it, to check an echo is to
// compare with the same piece: nothing is put together for a message, so the load
// costs little more than its system calls.
type stream struct {
	frame  int    // bytes of one message, with its header
	period int    // bytes after which the stream repeats
	bytes  []byte // one period, and all that can be under way behind its end
}

// A message is different from its neighbours, and those of one connection are
// out of step with those of another: an echo that went to the wrong client, or
// came twice, is noticed. 256 KiB of them stay in a processor's cache.
func newStream(cfg Config) *stream {
	header := 0
	if cfg.Framed {
		header = 4
	}
	frame := header + cfg.Size
	count := min(max(256<<10/frame, 2*cfg.Depth), 8191) | 1
	s := &stream{frame: frame, period: frame * count}
	random := rand.NewChaCha8([32]byte{})
	for i := range count {
		message := make([]byte, frame)
		payload := message[header:]
		random.Read(payload)
		number := binary.BigEndian.AppendUint32(nil, uint32(i))
		copy(payload, number[max(0, 4-len(payload)):])
		if cfg.Framed {
			binary.BigEndian.PutUint32(message, uint32(cfg.Size))
		}
		s.bytes = append(s.bytes, message...)
	}
	for len(s.bytes) < s.period+cfg.Depth*frame {
		s.bytes = append(s.bytes, s.bytes[:frame*min(count, cfg.Depth)]...)
	}
	return s
}

// at returns n bytes from the position pos on; n is at most what can be under
// way on one connection.
func (s *stream) at(pos, n int) []byte { return s.bytes[pos : pos+n] }

// skip returns the position n bytes after pos.
func (s *stream) skip(pos, n int) int { return (pos + n) % s.period }

// start returns where connection i begins: always at a message.
func (s *stream) start(i int) int { return i * 7 % (s.period / s.frame) * s.frame }

// difference tells where got is not what was sent.
func (s *stream) difference(pos int, got []byte) error {
	want := s.at(pos, len(got))
	i := 0
	for i < len(got) && got[i] == want[i] {
		i++
	}
	end := min(i+8, len(got))
	return fmt.Errorf("byte %d of an echo is wrong: sent % x, got % x", (pos+i)%s.frame, want[i:end], got[i:end])
}

// equal compares an echo with what was sent.
func (s *stream) equal(pos int, got []byte) bool { return bytes.Equal(got, s.at(pos, len(got))) }
