// Package memory is where a server gets its large buffers, and where it leaves
// those that it no longer needs.
//
// The next client often needs a buffer that the last one has left: to make one
// of 64 KiB takes longer than to fill it. On the other hand, the Go runtime
// collects garbage only when the heap has grown by a factor. A server whose large
// clients have all left does not grow, so it would keep what they needed for
// minutes, and part of it for good (golang/go#35407). And while there are many
// large buffers, it lets as much garbage again pile up.
package memory

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

const (
	small = 4 << 10         // bytes; a smaller buffer is as cheap to make as to find
	slack = 16 << 10        // bytes that a used buffer may have to spare: a client's bound includes them
	most  = 8 << 20         // bytes, of all buffers that are kept
	large = 64 << 10        // bytes; less is not worth a collection
	waste = 16 << 20        // bytes in buffers that are not kept: worth a collection
	quiet = 2 * time.Second // without another large buffer
)

var (
	mu   sync.Mutex
	kept [][]byte
	size int // bytes, of all that is in kept
	lost int // bytes, of those that were not kept since the last collection
)

// It is never due, until Put sets it: a server that is idle does not wake up.
var timer = time.AfterFunc(math.MaxInt64, giveBack)

// Get returns an empty buffer with room for at least n bytes, and for slack more
// at most.
func Get(n int) []byte {
	if n < small {
		return make([]byte, 0, n)
	}
	mu.Lock()
	defer mu.Unlock()
	for i, b := range kept {
		if n <= cap(b) && cap(b) <= n+slack {
			kept = slices.Delete(kept, i, i+1)
			size -= cap(b)
			return b[:0]
		}
	}
	return make([]byte, 0, n)
}

// Keep returns a copy of p, or nil if there is nothing to copy.
func Keep(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	return append(Get(len(p)), p...)
}

// Trim returns b, unless it has grown too large to be kept: then it takes b, like
// Put, and returns nil. The replies of a turn fit, with the server's default
// limits: a write buffer and a frame, 1.25 MiB.
func Trim(b []byte) []byte {
	if cap(b) <= 2<<20 {
		return b
	}
	Put(b)
	return nil
}

// Put takes b, which the caller must not use again, and keeps it for Get, if there
// is room. 2 s after the last large one, everything that is not in use goes back
// to the system.
func Put(b []byte) {
	if cap(b) < small {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	if size+cap(b) <= most {
		kept = append(kept, b)
		size += cap(b)
	} else if lost += cap(b); lost >= waste {
		lost = 0
		go runtime.GC()
	}
	if cap(b) >= large {
		timer.Reset(quiet)
	}
}

func giveBack() {
	mu.Lock()
	kept, size = nil, 0
	mu.Unlock()
	debug.FreeOSMemory()
}
