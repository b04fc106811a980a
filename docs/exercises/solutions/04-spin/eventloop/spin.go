package eventloop

import "time"

// A spinner is what a Loop knows of spinning.
type spinner struct {
	// Spin is how long to ask for events over and over, after a turn that had
	// some, before going to sleep in the kernel. A client that sends again within
	// that time does not have to wait until this thread is woken.
	Spin time.Duration

	busy bool // the last wait brought events
}

// poll asks without waiting for as long as Spin allows, and then sleeps for the
// rest of d. It spins only after events: a timer makes the next one no more likely.
func (l *Loop) poll(d time.Duration) (n int, err error) {
	if l.busy {
		n, err = l.spin(d)
		d = l.untilNextTimer()
	}
	if n == 0 && err == nil {
		n, err = l.poller.wait(d)
	}
	l.busy = n > 0
	return n, err
}

// spin asks until there are events, Spin is over or the next timer is due.
func (l *Loop) spin(d time.Duration) (n int, err error) {
	if d < 0 {
		d = l.Spin
	}
	for start := time.Now(); n == 0 && err == nil && time.Since(start) < min(d, l.Spin); {
		n, err = l.poller.wait(0)
	}
	return n, err
}
