package proc

import (
	"errors"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// owned is what was started and made, and not yet ended and removed.
var owned struct {
	mu        sync.RWMutex
	ended     bool
	processes sync.Map // *Process
	folders   sync.Map // string
}

var errEnded = errors.New("everything has been shut down")

// CleanUp kills every process that was started here, waits for them to end, and
// removes every folder. Nothing can be started or made after it: it is for a
// program that is about to exit in the middle of something.
func CleanUp() {
	owned.mu.Lock()
	defer owned.mu.Unlock()
	cleanUp()
}

func cleanUp() {
	owned.ended = true
	KillAll()
	owned.folders.Range(func(dir, _ any) bool {
		os.RemoveAll(dir.(string))
		return true
	})
}

// KillAll kills every process that was started here, and waits for them to end.
func KillAll() {
	owned.processes.Range(func(p, _ any) bool {
		p.(*Process).killed.Do(p.(*Process).kill)
		return true
	})
	owned.processes.Range(func(p, _ any) bool {
		<-p.(*Process).done
		return true
	})
}

// ExitOnSignal has SIGINT and SIGTERM end this program with status 130 or 143,
// and leave nothing behind.
func ExitOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	go func() {
		s := <-signals
		// Whoever starts or kills a process from now on waits for the exit: a
		// check that fails because its server was killed here tells nobody.
		owned.mu.Lock()
		cleanUp()
		os.Exit(128 + int(s.(unix.Signal)))
	}()
}
