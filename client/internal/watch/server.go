package watch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// The states of a server.
const (
	starts  = "starts"
	runs    = "runs"
	stops   = "stops"   // it was sent SIGTERM
	ended   = "ended"   // see How and Said
	stopped = "stopped" // by SIGSTOP
)

// A serverView is what the page knows about the process.
type serverView struct {
	Run  int      `json:"run"` // counts processes
	Is   string   `json:"is"`
	Pid  int      `json:"pid,omitempty"`
	Addr string   `json:"addr,omitempty"`
	How  string   `json:"how,omitempty"`
	Said []string `json:"said,omitempty"` // its last words
}

// A server is the process being watched. When it has ended, another can be started.
type server struct {
	argv     []string
	stranger bool // not a rung: it does not report its calls
	story    *story

	mu      sync.Mutex
	process *proc.Process
	view    serverView
	said    []string // the last lines of its log
}

var errRuns = errors.New("the server is still running")

// start starts a process and returns once it listens.
func (s *server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && !s.process.Exited() {
		return errRuns
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	roomy(r)
	args, addr, err := fill(s.argv)
	var p *proc.Process
	if err == nil {
		p, err = proc.Command{Args: args, Stderr: w, Group: true}.Start()
	}
	w.Close()
	if err != nil {
		r.Close()
		return err
	}
	s.process, s.said = p, nil
	s.tell(serverView{Run: s.view.Run + 1, Is: starts, Pid: p.Pid})
	drained := make(chan struct{})
	go func() {
		s.follow(r)
		close(drained)
	}()
	go s.awaitEnd(p, drained)
	if s.stranger {
		p.Pid, err = listens(ctx, p, addr)
	} else {
		addr, err = p.Ready(ctx)
	}
	if err != nil {
		p.Kill()
		return fmt.Errorf("%w%s", err, s.lastWord(drained))
	}
	s.tell(serverView{Run: s.view.Run, Is: runs, Pid: p.Pid, Addr: addr})
	return nil
}

// lastWord returns what a process that failed to start said last. The caller holds the
// mutex, which is released until follow is done.
func (s *server) lastWord(drained <-chan struct{}) string {
	s.mu.Unlock()
	<-drained
	s.mu.Lock()
	if len(s.said) == 0 {
		return ""
	}
	return fmt.Sprintf(" (its last words: %s)", s.said[len(s.said)-1])
}

// tell records a new view. The caller holds the mutex.
func (s *server) tell(v serverView) {
	s.view = v
	s.story.tell(event{Kind: "server", Server: &v})
}

// longestLine is longer than any line of -v=json: a gap lists every descriptor.
const longestLine = 4 << 20

// follow passes the process's standard error on to the story, and itself keeps only
// the last words.
func (s *server) follow(r *os.File) {
	defer r.Close()
	lines := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := lines.ReadSlice('\n')
		if len(line)+len(part) <= longestLine {
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if text := strings.TrimSuffix(string(line), "\n"); text != "" {
			s.remember(s.story.line(text))
		}
		line = line[:0]
		if err != nil {
			io.Copy(io.Discard, r)
			return
		}
	}
}

// remember keeps the last lines of the log.
func (s *server) remember(word string) {
	if word == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, word)
	s.said = slices.Clone(s.said[max(0, len(s.said)-5):])
}

// awaitEnd records how a process ended, once everything it said is recorded.
func (s *server) awaitEnd(p *proc.Process, drained <-chan struct{}) {
	<-p.Done()
	p.Kill() // what is left of its group
	<-drained
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(serverView{Run: s.view.Run, Is: ended, Pid: p.Pid, How: p.State(), Said: s.said})
}

// signal sends a signal to the process.
func (s *server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || s.process.Exited() {
		return errEnded
	}
	if err := unix.Kill(s.process.Pid, sig); err != nil { // not p.Signal: a stranger can be a child of the shell we started
		return err
	}
	v := s.view
	switch sig {
	case unix.SIGSTOP:
		v.Is = stopped
		again := time.NewTicker(time.Millisecond) // there is no event for it
		defer again.Stop()
		for limit := time.Now().Add(proc.Patience); !frozen(s.process) && time.Now().Before(limit); <-again.C {
		}
	case unix.SIGCONT:
		v.Is = runs
	default:
		v.Is = stops
	}
	s.tell(v)
	return nil
}

// live returns the process and its address, or nil if it is not running.
func (s *server) live() (p *proc.Process, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || s.process.Exited() || s.view.Addr == "" {
		return nil, ""
	}
	return s.process, s.view.Addr
}

// run returns how many processes have been started.
func (s *server) run() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.Run
}
