package echotest

import (
	"fmt"
	"time"
)

// memoryChecks: what clients cost, and that it comes back.
var memoryChecks = []Check{
	{Name: "memory-per-client", Alone: true, Chapter: chapter5, when: framed, run: on(memoryPerClient),
		Promise: "a client that does not take frames of 1 MiB costs at most 2,000 KiB",
		Cause:   "a buffer that is doubled when it is full, or one kept beside what was copied out of it: allocate what is needed"},
	{Name: "memory-comes-back", Alone: true, Long: true, Chapter: chapter5, when: framed, run: on(memoryComesBack),
		Promise: "a minute after those clients have left, the memory is the system's again",
		Cause:   "Go returns memory slowly by itself, and an idle server not at all: debug.FreeOSMemory some seconds after the last large buffer"},
	{Name: "large-reply", Alone: true, Long: true, Chapter: chapter5, when: framed, run: on(largeReply, "-max-frame", "268435456"),
		Promise: "a reply of 128 MiB leaves nothing behind",
		Cause:   "the buffer in which replies are put together is kept, however large it has grown"},
}

// rememberedClients are many enough to show what one of them costs.
const rememberedClients = 100

// unreadFrames has clients send frames of 1 MiB until the server takes no more.
func (s *server) unreadFrames(n int) (all clients, err error) {
	for range n {
		c, err := s.dialSized(newStream(s.Promises, 1, sized(defaultMaxFrame), 1), smallWindow)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	return all, all.each(overfill)
}

func memoryPerClient(s *server) error {
	var all clients
	defer func() { all.close() }()
	resident, _, err := s.growth(func() (err error) {
		all, err = s.unreadFrames(rememberedClients)
		return err
	})
	if each := resident >> 10 / rememberedClients; err == nil && each > 2000 {
		err = &Failure{Sent: fmt.Sprintf("%d clients send frames of 1 MiB and do not read", rememberedClients),
			Want: "at most 2000 KiB more memory for each", Got: fmt.Sprintf("%d KiB", each)}
	}
	return err
}

func memoryComesBack(s *server) error {
	if !s.measurable() {
		return skipf("memory is not judged with the race detector")
	}
	all, err := s.unreadFrames(rememberedClients)
	all.close()
	if err != nil {
		return err
	}
	return after(s.shrinks(), fmt.Sprintf("%d clients sent frames of 1 MiB and did not read, and have left", rememberedClients))
}

// largeReply has its client stay: nothing is kept for it either.
func largeReply(s *server) error {
	if !s.measurable() {
		return skipf("memory is not judged with the race detector")
	}
	c, err := s.dialWith(newStream(s.Promises, 1, sized(128<<20), 1))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.exchange(c.next(0)); err != nil {
		return err
	}
	return after(s.shrinks(), "a frame of 128 MiB, and took its echo")
}

// shrinks wants the resident memory to be below 32 MiB within a minute.
func (s *server) shrinks() error {
	const most, limit = 32 << 20, time.Minute
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	var resident int64
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); <-beat.C {
		var err error
		if resident, _, err = s.memory(); err != nil || resident < most {
			return err
		}
	}
	return &Failure{Want: fmt.Sprintf("less than %d MiB of memory within %v", int64(most>>20), limit), Got: fmt.Sprintf("%d MiB", resident>>20)}
}
