package echotest

import (
	"fmt"
	"time"

	"example/tcpladder/shared/proc"
)

// memoryChecks: what clients cost, and that the memory comes back.
var memoryChecks = []Check{
	{Name: "memory-per-client", Measures: true, Alone: true, Chapter: chapter5, when: framed, Proof: memoryPerClient,
		Promise: "a client that does not read its frames of 1 MiB costs at most 2,000 KiB",
		Cause:   "a buffer that is doubled when it is full, or one kept beside what was copied out of it: allocate what is needed"},
	{Name: "memory-comes-back", Measures: true, Alone: true, Long: true, Chapter: chapter5, when: framed, Proof: On(memoryComesBack),
		Promise: "a minute after such clients have left, the system has the memory back",
		Cause:   "Go returns memory slowly by itself, and an idle server not at all: debug.FreeOSMemory some seconds after the last large buffer"},
	{Name: "large-reply", Measures: true, Alone: true, Long: true, Chapter: chapter5, when: framed, Proof: On(largeReply, "-max-frame", "268435456"),
		Promise: "a reply of 128 MiB leaves nothing behind",
		Cause:   "the buffer in which replies are put together is kept, however large it has grown"},
}

// rememberedClients are many enough to show what one of them costs.
const rememberedClients = 100

// unreadFrames has n clients send six frames of 1 MiB, as far as the server takes
// them, and read nothing. What they cost varies with what the kernel takes of
// each, so they send in step.
func (s *Server) unreadFrames(n int) (all clients, err error) {
	shared := newStream(s.Promises, 1, sized(defaultMaxFrame), 1)
	for range n {
		c, err := s.dialSized(shared, 4<<10)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	for i := range int64(6) {
		send := func(c *client) error {
			_, err := c.fill((i+1)*int64(len(c.block)) - c.out.Load())
			return err
		}
		if err := all.each(send); err != nil {
			return all, err
		}
		if err := s.turns(3); err != nil {
			return all, err
		}
	}
	return all, nil
}

// memoryPerClient measures up to three servers: the collector of a Go program
// may begin early or late.
func memoryPerClient(t *Target) error {
	const most = 2000
	if proc.RaceEnabled {
		return Skipf("memory is not judged with the race detector")
	}
	var each []int64
	for range 3 {
		s, err := t.Start()
		if err != nil {
			return err
		}
		cost, err := s.costOfUnread()
		s.Kill()
		if err != nil {
			return s.Explain(err)
		}
		if each = append(each, cost); cost <= most {
			return nil
		}
	}
	return &Failure{Sent: fmt.Sprintf("%d clients send frames of 1 MiB and do not read", rememberedClients),
		Want: fmt.Sprintf("at most %d KiB more memory for each", most), Got: fmt.Sprintf("%d KiB, in three attempts", each)}
}

// costOfUnread is how much memory a client costs that reads nothing, in KiB.
func (s *Server) costOfUnread() (int64, error) {
	var all clients
	defer func() { all.close() }()
	resident, _, err := s.growth(func() (err error) {
		all, err = s.unreadFrames(rememberedClients)
		return err
	})
	return resident >> 10 / rememberedClients, err
}

func memoryComesBack(s *Server) error {
	if !s.measurable() {
		return Skipf("memory is not judged with the race detector")
	}
	all, err := s.unreadFrames(rememberedClients)
	all.close()
	if err != nil {
		return err
	}
	return After(s.shrinks(), fmt.Sprintf("%d clients sent frames of 1 MiB and did not read, and have left", rememberedClients))
}

// largeReply has its client stay: nothing is kept for it either.
func largeReply(s *Server) error {
	if !s.measurable() {
		return Skipf("memory is not judged with the race detector")
	}
	c, err := s.dialWith(newStream(s.Promises, 1, sized(128<<20), 1))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.exchange(c.next(0)); err != nil {
		return err
	}
	return After(s.shrinks(), "a frame of 128 MiB, and took its echo")
}

// shrinks wants the resident memory to be below 32 MiB within a minute.
func (s *Server) shrinks() error {
	const most, limit = 32 << 20, time.Minute
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	var resident int64
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); <-beat.C {
		var err error
		if resident, _, err = s.Memory(); err != nil || resident < most {
			return err
		}
	}
	return &Failure{Want: fmt.Sprintf("less than %d MiB of memory within %v", int64(most>>20), limit), Got: fmt.Sprintf("%d MiB", resident>>20)}
}
