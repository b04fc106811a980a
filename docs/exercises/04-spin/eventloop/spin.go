package eventloop

import (
	"errors"
	"time"
)

// A spinner is what a Loop knows of spinning.
type spinner struct {
	// Spin is how long to ask for events over and over, after a turn that had
	// some, before going to sleep in the kernel. A client that sends again within
	// that time does not have to wait until this thread is woken.
	Spin time.Duration
}

// poll asks without waiting for as long as Spin allows, and then sleeps for the
// rest of d.
func (l *Loop) poll(d time.Duration) (n int, err error) {
	if l.Spin > 0 {
		// Your part.
		return 0, errors.New("not implemented yet")
	}
	return l.poller.wait(d)
}
