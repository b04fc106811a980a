package echotest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const unixTERM = unix.SIGTERM

// A process is a server program that runs, watched from outside.
type process struct {
	cmd            *exec.Cmd
	Stdout, Stderr *lines
	Stdin          *os.File      // the writing end of the server's standard input
	life           *os.File      // the writing end of its lifeline
	done           chan struct{} // closed when the process was waited for
}

// running has every process that was started and not yet killed.
var running sync.Map

// KillAll ends the servers of all checks that are under way; for a caller who
// is about to exit in the middle of one.
func KillAll() {
	running.Range(func(p, _ any) bool {
		p.(*process).cmd.Process.Kill()
		return true
	})
}

// An outfit is what a server is started with besides its flags.
type outfit struct {
	Descriptors int      // how many descriptors it may have; 0: as many as the tests
	Stderr      *os.File // its standard error; nil: a pipe that is read at once
	kernel      *os.File // where it leaves its kernel (see kernel); nil: an honest one
}

// spawn starts the target's program. The descriptor limit is set by the shell,
// soft and hard, because a Go program raises its soft limit when it starts.
func spawn(t *Target, with outfit, args []string) (*process, error) {
	argv := append(append([]string{}, t.argv...), args...)
	if with.Descriptors > 0 {
		script := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, with.Descriptors)
		argv = append([]string{"sh", "-c", script}, argv...)
	}
	p := &process{cmd: exec.Command(argv[0], argv[1:]...), Stdout: newLines(), Stderr: newLines(), done: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), t.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.Stdout, p.Stderr
	in, err := p.inherit()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	life := p.cmd.ExtraFiles[0]
	defer life.Close()
	if with.Stderr != nil {
		p.cmd.Stderr = with.Stderr
	}
	if with.kernel != nil {
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, with.kernel)
		p.cmd.Env = append(p.cmd.Env, underKernel+"=1")
	}
	if err := p.cmd.Start(); err != nil {
		p.closeEnds()
		return nil, err
	}
	running.Store(p, true)
	go func() {
		p.cmd.Wait() // its result is read from ProcessState
		close(p.done)
		p.Stdout.Close()
		if with.Stderr == nil {
			p.Stderr.Close()
		}
	}()
	return p, nil
}

// inherit gives the process two pipes: its standard input, and its lifeline.
func (p *process) inherit() (stdin *os.File, err error) {
	if stdin, p.Stdin, err = os.Pipe(); err != nil {
		return nil, err
	}
	life, w, err := os.Pipe()
	if err != nil {
		stdin.Close()
		p.Stdin.Close()
		return nil, err
	}
	p.life = w
	p.cmd.Stdin = stdin
	p.cmd.ExtraFiles = []*os.File{life} // becomes descriptor 3
	return stdin, nil
}

func (p *process) closeEnds() {
	p.Stdin.Close()
	p.life.Close()
}

var readyLine = regexp.MustCompile(`^listening on (\S+) \(pid (\d+)\)$`)

// ready waits for the ready line and gives the address in it.
func (p *process) ready() (addr string, err error) {
	line, ok := p.Stdout.Wait(patience, func(string) bool { return true })
	if !ok {
		if p.Exited() {
			return "", Failf("the server ended before it was ready: %v", p.State())
		}
		return "", Failf("no ready line on standard output")
	}
	m := readyLine.FindStringSubmatch(line)
	if m == nil {
		return "", &Failure{Want: "a ready line like: listening on 127.0.0.1:9999 (pid 1234)", Got: line}
	}
	if m[2] != fmt.Sprint(p.cmd.Process.Pid) {
		return "", &Failure{Want: fmt.Sprintf("pid %d in the ready line", p.cmd.Process.Pid), Got: line}
	}
	return m[1], nil
}

func (p *process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Exited tells whether the process has ended.
func (p *process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// State is the exit status in words; only after the end.
func (p *process) State() string { return p.cmd.ProcessState.String() }

// Wait waits for the end and gives the exit status; -1 if a signal ended it.
func (p *process) Wait(limit time.Duration) (code int, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		return 0, fmt.Errorf("still running after %v", limit)
	}
}

// StopBy sends s and wants exit status 0 within limit.
func (p *process) StopBy(s syscall.Signal, limit time.Duration) error {
	want := fmt.Sprintf("exit status 0 within %v", limit)
	if err := p.Signal(s); err != nil {
		return &Failure{Want: want, Got: err.Error()}
	}
	code, err := p.Wait(limit)
	if err == nil && code != 0 {
		err = errors.New(p.State())
	}
	if err != nil {
		return &Failure{Sent: "signal " + unix.SignalName(s), Want: want, Got: err.Error(),
			Cause: "something blocks or ends the path from the signal to exit status 0"}
	}
	return nil
}

// Kill ends the process whatever it does, and waits for the end.
func (p *process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
	running.Delete(p)
	p.closeEnds()
}

// lines collects an output line by line, for one who waits for a line.
type lines struct {
	mu    sync.Mutex
	whole []string // only ever appended to
	part  []byte   // a last line that has no newline yet
	size  int
	ended bool
	grown chan struct{} // closed and replaced at each change
}

func newLines() *lines { return &lines{grown: make(chan struct{})} }

// Write takes what the process printed. It keeps at most 16 MiB: a server that
// floods its log must not take the suite's memory.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size < 16<<20 {
		l.size += len(p)
		l.part = append(l.part, p...)
		for {
			line, rest, found := bytes.Cut(l.part, []byte("\n"))
			if !found {
				break
			}
			l.whole, l.part = append(l.whole, string(line)), rest
		}
	}
	l.broadcast()
	return len(p), nil
}

func (l *lines) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.whole, l.part = append(l.whole, string(l.part)), nil
	}
	l.ended = true
	l.broadcast()
}

func (l *lines) broadcast() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// All gives the whole lines so far; at the end also a last one without newline.
func (l *lines) All() []string {
	list, _, _ := l.look()
	return list
}

func (l *lines) look() (list []string, ended bool, grown chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.whole), l.ended, l.grown
}

// Tail gives what has come of a line that is not finished.
func (l *lines) Tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.part)
}

// WaitTail waits until what there is of an unfinished line is accepted.
func (l *lines) WaitTail(limit time.Duration, match func(string) bool) bool {
	return l.WaitAll(limit, func([]string) bool { return match(l.Tail()) })
}

// Wait gives the first line that match accepts, once there is one.
func (l *lines) Wait(limit time.Duration, match func(string) bool) (line string, ok bool) {
	seen := 0 // the lines before it did not match
	ok = l.WaitAll(limit, func(list []string) bool {
		i := slices.IndexFunc(list[seen:], match)
		if i >= 0 {
			line = list[seen+i]
		}
		seen = len(list)
		return i >= 0
	})
	return line, ok
}

// WaitAll waits until match accepts the lines there are.
func (l *lines) WaitAll(limit time.Duration, match func([]string) bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		list, ended, grown := l.look()
		if match(list) {
			return true
		}
		if ended {
			return false
		}
		select {
		case <-grown:
		case <-timer.C:
			return false
		}
	}
}

// Excerpt gives the first and the last lines: of a panic the beginning tells,
// of a log the end.
func (l *lines) Excerpt() string {
	list := l.All()
	if len(list) > 12 {
		list = append(append(slices.Clone(list[:6]), "..."), list[len(list)-5:]...)
	}
	return strings.Join(list, "\n")
}
