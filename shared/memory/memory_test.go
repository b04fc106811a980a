package memory

import (
	"bytes"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// empty makes the package as it is at the beginning.
func empty(t *testing.T) {
	t.Helper()
	clean := func() {
		mu.Lock()
		defer mu.Unlock()
		kept, size, lost = nil, 0, 0
		timer.Reset(math.MaxInt64)
	}
	clean()
	t.Cleanup(clean)
}

// buffer returns one of n bytes that was not got from the package.
func buffer(n int) []byte { return make([]byte, n) }

// same reports whether two buffers are the same piece of memory.
func same(a, b []byte) bool { return &a[:1][0] == &b[:1][0] }

func TestGetTakesABufferThatFits(t *testing.T) {
	for _, test := range []struct {
		left, wanted int
		fits         bool
	}{
		{4096, 4096, true},
		{4095, 4095, false}, // too small to keep
		{8192, 4095, false}, // too small to look for
		{20480, 4096, true},
		{20481, 4096, false}, // more than 16 KiB too large
		{8192, 8192, true},
		{8192, 8193, false},
		{1 << 20, 1 << 20, true},
		{1 << 20, 100, false},
		{4096, 0, false},
	} {
		empty(t)
		left := buffer(test.left)
		Put(left)
		got := Get(test.wanted)
		if len(got) != 0 || cap(got) < test.wanted || !test.fits && cap(got) != test.wanted {
			t.Errorf("Get(%d) = %d bytes with room for %d", test.wanted, len(got), cap(got))
		}
		if reused := cap(got) > 0 && same(got, left); reused != test.fits {
			t.Errorf("Get(%d) after Put of %d: reused %v, want %v", test.wanted, test.left, reused, test.fits)
		}
		if test.fits && cap(Get(test.wanted)) != test.wanted {
			t.Errorf("the buffer of %d bytes was given away twice", test.left)
		}
	}
}

func TestKeep(t *testing.T) {
	empty(t)
	if Keep(nil) != nil || Keep([]byte{}) != nil {
		t.Error("nothing was copied")
	}
	for _, n := range []int{1, 100, 10000} {
		p := bytes.Repeat([]byte{'x'}, n)
		left := buffer(n)
		Put(left)
		got := Keep(p)
		if !bytes.Equal(got, p) || same(got, p) {
			t.Errorf("Keep of %d bytes is no copy", n)
		}
		if n >= small && !same(got, left) {
			t.Error("Keep has not used what was there")
		}
	}
}

func TestGetFindsItsBufferAmongOthers(t *testing.T) {
	empty(t)
	sizes := []int{5000, 100000, 20000, 300000}
	all := map[int][]byte{}
	for _, n := range sizes {
		all[n] = buffer(n)
		Put(all[n][:n/2]) // what counts is the room
	}
	for _, n := range []int{20000, 5000, 300000, 100000} {
		if got := Get(n - 1); !same(got, all[n]) {
			t.Errorf("Get(%d) is not the buffer of %d", n-1, n)
		}
	}
}

func TestPutKeepsSoMuchAndNoMore(t *testing.T) {
	empty(t)
	half := most / 2
	for range 2 {
		Put(buffer(half)) // exactly as much as is kept
	}
	Put(buffer(small))
	if cap(Get(small)) != small || len(kept) != 2 {
		t.Fatalf("%d buffers are kept, want 2", len(kept))
	}
	Get(half)
	extra := buffer(small)
	Put(extra) // there is room again
	if !same(Get(small), extra) {
		t.Error("what was taken still counts")
	}
	empty(t)
	Put(buffer(most + 1))
	if len(kept) != 0 || size != 0 {
		t.Errorf("%d bytes are kept", size)
	}
	Put(nil)
}

// The account is right after any number of steps.
func TestTheAccount(t *testing.T) {
	empty(t)
	lost = -1 << 30 // no collections here, which would disturb other tests
	random := rand.New(rand.NewPCG(1, 1))
	var mine [][]byte
	for range 10000 {
		if len(mine) > 0 && random.IntN(2) == 0 {
			i := random.IntN(len(mine))
			Put(mine[i])
			mine[i] = mine[len(mine)-1]
			mine = mine[:len(mine)-1]
		} else {
			mine = append(mine, Get(random.IntN(300000)))
		}
		sum := 0
		for _, b := range kept {
			sum += cap(b)
			for _, other := range mine {
				if cap(other) > 0 && same(b, other) {
					t.Fatal("a buffer is kept that somebody uses")
				}
			}
		}
		if sum != size || size > most {
			t.Fatalf("%d bytes are kept, and counted as %d", sum, size)
		}
		if len(mine) > 50 {
			mine = mine[:0]
		}
	}
}

func TestFromSeveralGoroutines(t *testing.T) {
	empty(t)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 1000 {
				b := append(Get(10000), byte(i))
				runtime.Gosched()
				if b[0] != byte(i) {
					t.Error("two have one buffer")
				}
				Put(b)
			}
		})
	}
	all.Wait()
}

// collections returns how many were forced, by FreeOSMemory among others.
func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumForcedGC
}

// The clock is not the real one here, nor the timer the package's.
func TestMemoryGoesBackAfterTheLastLargeBuffer(t *testing.T) {
	empty(t)
	synctest.Test(t, func(t *testing.T) {
		before := timer
		timer = time.AfterFunc(math.MaxInt64, giveBack)
		defer func() { timer = before }()
		began := collections()
		after := func(d time.Duration, want uint32) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n := collections() - began; n != want {
				t.Fatalf("%d collections, want %d", n, want)
			}
		}
		after(24*time.Hour, 0) // an idle server does not wake
		Put(nil)
		Put(buffer(64<<10 - 1))
		after(time.Hour, 0)
		Put(buffer(64 << 10))
		after(2*time.Second-1, 0)
		Put(buffer(10 << 20)) // 2 s from here on, also if it is not kept
		Put(buffer(5000))     // too small to count
		after(2*time.Second-1, 0)
		after(1, 1)
		mu.Lock()
		if kept != nil || size != 0 {
			t.Errorf("%d bytes are still kept", size)
		}
		mu.Unlock()
		after(24*time.Hour, 1) // once
		Put(buffer(1 << 20))
		after(2*time.Second, 2)
	})
}

// What is not kept is garbage, and much of it is collected at once.
func TestGarbageIsCollected(t *testing.T) {
	empty(t)
	began := collections()
	Put(buffer(most + 1)) // 8 MiB and a byte
	Put(buffer(most))     // this one is kept
	Put(buffer(most - 2))
	if n := collections() - began; n != 0 || lost != 16<<20-1 {
		t.Fatalf("%d collections, %d bytes of garbage; want none, and 16 MiB but for a byte", n, lost)
	}
	Put(buffer(small))
	if lost != 0 {
		t.Errorf("%d bytes of garbage after the collection", lost)
	}
	for deadline := time.Now().Add(10 * time.Second); collections() == began; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("no collection in 10 s")
		}
	}
}

// The package's own timer is not due, and gives memory back when it is.
func TestTheTimer(t *testing.T) {
	began := collections()
	if !timer.Reset(0) {
		t.Error("the timer was not set")
	}
	for deadline := time.Now().Add(10 * time.Second); collections() == began; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("no memory was given back in 10 s")
		}
	}
}

// What a copy into a fresh buffer costs, and into one that was used before.
//
//	go test -run '^$' -bench . ./shared/memory
func BenchmarkCopy(b *testing.B) {
	message := buffer(64 << 10)[:64<<10]
	var copied []byte
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			copied = append(make([]byte, 0, len(message)), message...)
		}
	})
	b.Run("used", func(b *testing.B) {
		for b.Loop() {
			Put(copied)
			copied = Keep(message)
		}
	})
	runtime.KeepAlive(copied)
}
