package grade

import (
	"fmt"
	"time"
)

// limits bound what a group of processes may have at a time.
type limits struct {
	memory    int64 // resident, in bytes
	processes int   // 0: any number
}

// A usage reports what a group of processes has; zero where the system does not say.
type usage func() (resident int64, processes int)

// watch looks at a group of processes until stop is called, and calls over once if
// it has too much.
func watch(most limits, now usage, over func(why string)) (stop func()) {
	done, left := make(chan bool), make(chan bool)
	go func() {
		defer close(left)
		beat := time.NewTicker(20 * time.Millisecond) // the kernel has no event for it
		defer beat.Stop()
		for {
			select {
			case <-done:
				return
			case <-beat.C:
			}
			memory, processes := now()
			if memory > most.memory {
				over(fmt.Sprintf("more than %d MiB of memory", most.memory>>20))
				return
			}
			if most.processes > 0 && processes > most.processes {
				over(fmt.Sprintf("more than %d processes", most.processes))
				return
			}
		}
	}()
	return func() {
		close(done)
		<-left
	}
}
