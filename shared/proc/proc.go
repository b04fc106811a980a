// Package proc builds, starts, watches and stops programs as processes, from
// outside: the servers that are checked, measured and shown.
//
// What it starts and the folders it makes are its own: [CleanUp] ends and removes
// all of them, and [ExitOnSignal] has an interrupt do that.
package proc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long anything that must happen may take. It is generous:
// machines are shared. It only costs time where something is broken.
const Patience = (10 + 20*raceDetector) * time.Second

// RaceEnabled says whether this program, and what it starts from itself, runs
// with the race detector. It multiplies CPU and memory.
const RaceEnabled = raceDetector == 1

// A Command says what to start, and how.
type Command struct {
	Args []string // program and arguments; {addr} in them stands for a free address
	Env  []string // NAME=value, beside those of this process
	Dir  string   // the working directory; empty: that of this process

	Stdin    *os.File     // nil: a pipe that stays open, see Process.Stdin
	Stderr   *os.File     // nil: collected in Process.Stderr
	Together bool         // both outputs are collected in Stdout, in the order in which they are written
	Line     func(string) // called with each line of standard error, from another goroutine

	Descriptors int   // how many it may have; 0: as many as this process
	CPUs        []int // those that it may use; none: all
	Group       bool  // in a process group of its own, which Stop and Kill end with it

	Lifeline bool                // it calls Handed, and is to end when this process does
	Files    map[string]*os.File // it calls Handed, which gives it these
}

// A Process is a program that was started.
type Process struct {
	Pid            int    // as its ready line says, or else that of the process started
	Stdout, Stderr *Lines // what it has printed
	Stdin          *os.File

	cmd    *exec.Cmd
	addr   string // what {addr} stood for
	life   *os.File
	group  bool
	done   chan struct{} // closed when it has ended, and what it printed is there
	killed sync.Once
}

// notIgnored lets what is started have the defaults of SIGINT and SIGTERM. A shell's
// background job ignores SIGINT, and whatever it starts would, too; a signal that is
// caught has its default again after exec(2). This program goes on ignoring it.
var notIgnored = sync.OnceFunc(func() {
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
})

// Launch, if it is set, starts every command: a sandbox has its own way to do it.
var Launch func(*exec.Cmd) error

// Start starts the program.
func (c Command) Start() (*Process, error) {
	keepInherited()
	notIgnored()
	p := &Process{Stdout: newLines(nil), group: c.Group, done: make(chan struct{})}
	args, err := p.fillAddr(c.limited())
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Dir = c.Dir
	p.cmd.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), c.Env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: c.Group}
	p.cmd.WaitDelay = Patience // for a child of its own that keeps its output open
	c.connectOutput(p)
	inherited, err := c.connectInput(p)
	defer closeAll(inherited)
	if err == nil {
		err = p.start(c.CPUs)
	}
	if err != nil {
		p.closeEnds()
		return nil, err
	}
	p.Pid = p.cmd.Process.Pid
	go func() {
		p.cmd.Wait() // its result is read from ProcessState
		p.Stdout.Close()
		if c.Stderr == nil {
			p.Stderr.Close()
		}
		close(p.done)
	}()
	return p, nil
}

// limited returns the arguments, with the shell before them if it is to set the
// limit of descriptors: soft and hard, because a Go program raises its soft limit
// when it starts.
func (c Command) limited() []string {
	if c.Descriptors == 0 {
		return c.Args
	}
	script := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, c.Descriptors)
	return append([]string{"sh", "-c", script}, c.Args...)
}

// fillAddr puts a free address in the place of {addr}.
func (p *Process) fillAddr(args []string) (filled []string, err error) {
	if !strings.Contains(strings.Join(args, "\x00"), "{addr}") {
		return args, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.addr = l.Addr().String()
	l.Close()
	for _, a := range args {
		filled = append(filled, strings.ReplaceAll(a, "{addr}", p.addr))
	}
	return filled, nil
}

func (c Command) connectOutput(p *Process) {
	p.Stderr = newLines(c.Line)
	if c.Together {
		p.Stderr = p.Stdout
	}
	p.cmd.Stdout, p.cmd.Stderr = p.Stdout, p.Stderr
	if c.Stderr != nil {
		p.cmd.Stderr = c.Stderr
	}
}

// connectInput gives the process its standard input and its files. It returns
// those of them that are closed here once it has them.
func (c Command) connectInput(p *Process) (inherited []*os.File, err error) {
	p.cmd.Stdin = c.Stdin
	if c.Stdin == nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		p.cmd.Stdin, p.Stdin, inherited = r, w, append(inherited, r)
	}
	files := map[string]*os.File{}
	for name, f := range c.Files {
		files[name] = f
	}
	if c.Lifeline {
		r, w, err := os.Pipe()
		if err != nil {
			return inherited, err
		}
		files[lifeline], p.life, inherited = r, w, append(inherited, r)
	}
	return inherited, hand(p.cmd, files)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func (p *Process) closeEnds() {
	p.Stdin.Close() // nil is an error, which is nobody's
	p.life.Close()
}

// start starts the process unless everything is being ended.
func (p *Process) start(cpus []int) error {
	owned.mu.RLock()
	defer owned.mu.RUnlock()
	if owned.ended {
		return errEnded
	}
	start := func(cmd *exec.Cmd) error { return startOn(cpus, cmd) }
	if Launch != nil {
		start = Launch
	}
	if err := start(p.cmd); err != nil {
		return err
	}
	owned.processes.Store(p, true)
	return nil
}

// Exited reports whether the process has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// State is how the process ended, in words; only after the end.
func (p *Process) State() string { return p.cmd.ProcessState.String() }

// KilledBy reports whether a signal ended the process; only after the end.
func (p *Process) KilledBy(sig syscall.Signal) bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == sig
}

// Wait waits for the end and returns the exit status; -1 if a signal ended it.
func (p *Process) Wait(limit time.Duration) (code int, err error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-timer.C:
		return 0, fmt.Errorf("still running after %v", limit)
	}
}

// Signal sends a signal to the process that was started.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Gone reports whether the process no longer exists. It is true before Exited is if
// nobody has taken yet what the process printed.
func (p *Process) Gone() bool { return errors.Is(p.Signal(0), os.ErrProcessDone) }

// Stop asks the process to end, and kills it if it has not ended in time.
func (p *Process) Stop(limit time.Duration) {
	if p.group {
		syscall.Kill(-p.cmd.Process.Pid, unix.SIGTERM)
	} else {
		p.Signal(unix.SIGTERM)
	}
	p.Wait(limit)
	p.Kill()
}

// Kill ends the process whatever it does, and waits for the end. A nil process is
// left alone.
func (p *Process) Kill() {
	if p == nil {
		return
	}
	owned.mu.RLock() // see ExitOnSignal
	p.killed.Do(p.kill)
	owned.mu.RUnlock()
	<-p.done
	owned.processes.Delete(p)
	p.closeEnds()
}

// kill does not wait. A group can outlive the process that it is named after.
func (p *Process) kill() {
	if p.group {
		syscall.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	}
	p.cmd.Process.Kill()
}
