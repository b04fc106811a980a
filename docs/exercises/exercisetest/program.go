package exercisetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
)

// patience is how long anything that must happen may take. It is generous:
// machines are shared. It only costs time where a promise is broken.
var patience = func() time.Duration {
	if raceEnabled {
		return 30 * time.Second
	}
	return 10 * time.Second
}()

// A Program is an executable file that the checks start as often as they like.
type Program struct{ path string }

// NewProgram returns the program at path.
func NewProgram(path string) *Program { return &Program{path} }

// A process is a program that runs, watched from outside.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *lines
	stdin          *os.File      // the writing end of its standard input
	life           *os.File      // the writing end of its lifeline
	done           chan struct{} // closed when it was waited for
}

// spawn starts the program. Its standard input is a pipe that stays open.
func (p *Program) spawn(args ...string) (*process, error) {
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	r, err := p.spawnFrom(stdin, args...)
	if err != nil {
		in.Close()
		return nil, err
	}
	r.stdin = in
	return r, nil
}

// spawnFrom starts the program with a given standard input.
func (p *Program) spawnFrom(stdin *os.File, args ...string) (*process, error) {
	life, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer life.Close()
	r := &process{cmd: exec.Command(p.path, args...), stdout: newLines(), stderr: newLines(),
		life: alive, done: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = stdin, r.stdout, r.stderr
	r.cmd.ExtraFiles = []*os.File{life} // becomes descriptor 3
	if err := r.cmd.Start(); err != nil {
		alive.Close()
		return nil, err
	}
	running.Store(r, nil)
	go func() {
		r.cmd.Wait() // its result is read from ProcessState
		running.Delete(r)
		close(r.done)
		r.stdout.end()
		r.stderr.end()
	}()
	return r, nil
}

// running has the processes that were started and have not ended.
var running sync.Map

// KillAll ends the programs of all checks that are under way; for a caller who is
// about to exit in the middle of one.
func KillAll() {
	echotest.KillAll()
	running.Range(func(r, _ any) bool {
		r.(*process).cmd.Process.Kill()
		return true
	})
}

// exited reports whether the process has ended.
func (r *process) exited() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// wait waits for the end and gives the exit status; -1 if a signal ended it.
func (r *process) wait(limit time.Duration) (code int, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-r.done:
		return r.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		return 0, fmt.Errorf("still running after %v", limit)
	}
}

// promptly is how soon a program has to be gone after a signal. Its promise is
// 2 s; it gets more on a machine that is busy with the race detector.
var promptly = patience / 5

// stopBy sends s and wants exit status 0, promptly.
func (r *process) stopBy(s syscall.Signal) error {
	err := r.cmd.Process.Signal(s)
	if err == nil {
		var code int
		if code, err = r.wait(promptly); err == nil && code != 0 {
			err = errors.New(r.cmd.ProcessState.String())
		}
	}
	if err == nil {
		return nil
	}
	return &echotest.Failure{Sent: "signal " + unix.SignalName(s), Want: fmt.Sprintf("exit status 0 within %v", promptly),
		Got: err.Error(), Cause: "something blocks or ends the path from the signal to exit status 0"}
}

// kill ends the process whatever it does, and waits for the end.
func (r *process) kill() {
	r.cmd.Process.Kill()
	<-r.done
	r.stdin.Close() // nil is an error, which is nobody's
	r.life.Close()
}

// cpu is the CPU time that the process has used; it must have ended.
func (r *process) cpu() time.Duration {
	<-r.done
	return r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
}

// explain adds to a failure what the program itself said, and whether it ended.
func (r *process) explain(err error) error {
	if err == nil {
		return nil
	}
	if code, alive := r.wait(50 * time.Millisecond); alive == nil && code != 0 {
		if strings.Contains(r.stderr.excerpt(), NotImplemented) {
			return &echotest.Failure{Got: fmt.Sprintf("the program says %q", NotImplemented), Cause: "the start is as it was: write the part that is yours"}
		}
	}
	return amend(err, func(f *echotest.Failure) {
		set(&f.Log, r.stderr.excerpt())
		if r.exited() {
			f.Got += fmt.Sprintf(" (the program ended: %v)", r.cmd.ProcessState)
		}
	})
}

// A server is a process that listens.
type server struct {
	*process
	addr string // host:port
}

var readyLine = regexp.MustCompile(`^listening on (\S+) \(pid (\d+)\)$`)

// serve starts the program on a free port of the loopback and waits for its ready
// line on standard output.
func (p *Program) serve(args ...string) (*server, error) {
	return p.serveOn("127.0.0.1:0", args...)
}

func (p *Program) serveOn(addr string, args ...string) (*server, error) {
	r, err := p.spawn(append([]string{"-addr", addr}, args...)...)
	if err != nil {
		return nil, err
	}
	return r.ready()
}

// ready waits for the ready line, and ends the process if there is none.
func (r *process) ready() (*server, error) {
	line, _ := r.stdout.wait(patience, func(string) bool { return true })
	m := readyLine.FindStringSubmatch(line)
	if m == nil {
		err := r.explain(&echotest.Failure{Want: "a first line on standard output like: listening on 127.0.0.1:9999 (pid 1234)", Got: show([]byte(line))})
		r.kill()
		return nil, err
	}
	return &server{r, m[1]}, nil
}

// on makes a check's Run of a function that wants one server, started with args.
// The server must outlive the function, and then stop at SIGTERM with status 0.
func on(run func(*server) error, args ...string) func(*Program) error {
	return func(p *Program) error {
		s, err := p.serve(args...)
		if err != nil {
			return err
		}
		defer s.kill()
		err = run(s)
		if err == nil && s.exited() {
			err = failf("the server ended by itself")
		}
		if err == nil {
			err = s.stopBy(unix.SIGTERM)
		}
		return s.explain(err)
	}
}

// ending is on for a function that ends the server itself.
func ending(run func(*server) error, args ...string) func(*Program) error {
	return func(p *Program) error {
		s, err := p.serve(args...)
		if err != nil {
			return err
		}
		defer s.kill()
		return s.explain(run(s))
	}
}
