// Package memory gives memory back to the system after a burst.
//
// The Go runtime collects garbage when the heap has grown by a factor. A server
// whose large clients have all left does not grow, so it would keep what they
// needed for minutes, and part of it for good (golang/go#35407).
package memory

import (
	"math"
	"runtime/debug"
	"time"
)

const (
	large = 64 << 10        // bytes; what is smaller is not worth a collection
	quiet = 5 * time.Second // without another large buffer
)

// It is never due, until Dropped sets it: a server that is idle does not wake up.
var timer = time.AfterFunc(math.MaxInt64, debug.FreeOSMemory)

// Dropped notes that a buffer of n bytes is no longer needed. If it was large,
// unused memory goes back to the system 5 s later, unless other large buffers
// have been dropped by then: then 5 s after those.
func Dropped(n int) {
	if n >= large {
		timer.Reset(quiet)
	}
}
