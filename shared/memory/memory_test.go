package memory

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// collections returns how many were forced, by FreeOSMemory among others.
func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumForcedGC
}

// The clock is not the real one here, nor the timer the package's.
func TestMemoryGoesBackAfterTheLastLargeBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := timer
		timer = time.AfterFunc(math.MaxInt64, debug.FreeOSMemory)
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
		Dropped(0)
		Dropped(64<<10 - 1)
		after(time.Hour, 0)
		Dropped(64 << 10)
		after(5*time.Second-1, 0)
		Dropped(1 << 20) // more of them: 5 s from here on
		Dropped(100)     // too small to count
		after(5*time.Second-1, 0)
		after(1, 1)
		after(24*time.Hour, 1) // once
		Dropped(1 << 20)
		after(5*time.Second, 2)
	})
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
