package echotest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// patience is how long the checks wait for anything that must happen.
var patience = proc.Patience // shorter where failures are expected

// A Target is the server under examination: a program that each check starts
// afresh, or one that is listening already.
type Target struct {
	Promises Promises

	argv []string // the program
	self bool     // which is this one, and calls Main
	here bool     // and can be built from the working directory, to see its -h alone
	addr string   // or the address it listens on

	sources Sources // of the program, if they are at hand

	until time.Time       // when checks of it end; zero: each has its own time
	ctx   context.Context // of the check under way; nil: it has no deadline
}

// Program is a target started from an executable file.
func Program(path string, p Promises) *Target { return &Target{Promises: p, argv: []string{path}} }

// Self is a target that is this program itself, a test binary that calls [Main].
func Self(p Promises) (*Target, error) {
	path, err := os.Executable()
	return &Target{Promises: p, argv: []string{path}, self: true}, err
}

// Listening is a target that somebody else has started. Only the checks that
// are OnWire can be run on it.
func Listening(addr string, p Promises) *Target { return &Target{Promises: p, addr: addr} }

// Promising is the same target, held to other promises.
func (t *Target) Promising(p Promises) *Target {
	other := *t
	other.Promises = p
	return &other
}

// Sources says where the sources of a program are, for the go command.
type Sources struct {
	Dir     string // in which it is run
	Package string // as it is called there
	Overlay string // for -overlay, relative to Dir; may be empty
}

// From is the same target, whose sources are at hand.
func (t *Target) From(s Sources) *Target {
	other := *t
	other.sources = s
	return &other
}

// Sources returns where they are, and whether they are at hand.
func (t *Target) Sources() (s Sources, found bool) { return t.sources, t.sources.Package != "" }

// WithFlags is the same target, always started with these flags before others.
func (t *Target) WithFlags(flags ...string) *Target {
	other := *t
	other.argv = append(slices.Clone(t.argv), flags...)
	return &other
}

// buildHere builds the package in the working directory, which is where go
// test runs a test.
func buildHere() (path string, remove func(), err error) {
	path, remove, err = proc.Build(".", ".")
	if errors.Is(err, proc.ErrCannotBuild) {
		err = Skipf("%v", err)
	}
	return path, remove, err
}

// On makes a check of a function that wants one server, started with args. The
// server must outlive the function and then stop at SIGTERM with status 0.
func On(run func(*Server) error, args ...string) func(*Target) error {
	return started(proc.Command{}, run, args...)
}

// limited is On with at most n descriptors for the server.
func limited(n int, run func(*Server) error, args ...string) func(*Target) error {
	return started(proc.Command{Descriptors: n}, run, args...)
}

// started is On with a server that is started the way with says.
func started(with proc.Command, run func(*Server) error, args ...string) func(*Target) error {
	return func(t *Target) error {
		s, err := t.StartWith(with, args...)
		if err != nil {
			return err
		}
		defer s.Kill()
		err = run(s)
		if err == nil {
			err = s.Stop()
		}
		return s.Explain(err)
	}
}

// Spawn starts the target's program. How is up to the check: it is in with.
func (t *Target) Spawn(with proc.Command, args ...string) (*proc.Process, error) {
	with.Args = append(slices.Clone(t.argv), args...)
	if t.self {
		with.Env = append(with.Env, asServer+"=1")
		with.Lifeline = true
	}
	return with.Start()
}

// Start brings up a server on a free port and waits for its ready line.
func (t *Target) Start(args ...string) (*Server, error) {
	return t.StartWith(proc.Command{}, args...)
}

// StartWith is Start with the descriptors, the files or the log that with names.
func (t *Target) StartWith(with proc.Command, args ...string) (*Server, error) {
	if t.addr != "" {
		return &Server{Promises: t.Promises, Addr: t.addr, ctx: t.ctx}, nil
	}
	return t.startAt("127.0.0.1:0", with, args...)
}

func (t *Target) startAt(addr string, with proc.Command, args ...string) (*Server, error) {
	p, err := t.Spawn(with, append([]string{"-addr", addr}, args...)...)
	if err != nil {
		return nil, err
	}
	s := &Server{Promises: t.Promises, Process: p}
	if s.Addr, err = ready(p); err != nil {
		err = s.Explain(err)
		s.Kill()
		return nil, err
	}
	return s, nil
}

// ready waits for the ready line, which is the first, and returns the address in it.
func ready(p *proc.Process) (addr string, err error) {
	line, ok := p.Stdout.First(patience)
	if !ok && p.Exited() {
		return "", Failf("the server ended before it was ready: %v", p.State())
	}
	if !ok {
		return "", Failf("no ready line on standard output")
	}
	addr, pid, ok := proc.ParseReady(line)
	if !ok {
		return "", &Failure{Want: "a ready line like: listening on 127.0.0.1:9999 (pid 1234)", Got: line}
	}
	if own := p.OwnPid(); pid != own {
		return "", &Failure{Want: fmt.Sprintf("pid %d in the ready line", own), Got: line}
	}
	return addr, nil
}

// A Server is what a check examines. Process is nil when somebody else runs it.
type Server struct {
	Promises
	*proc.Process
	Addr string // host:port
	ctx  context.Context
}

// Stop ends the server as an operator would, and wants status 0. One that
// somebody else runs has to serve the next client, so that the check that harmed
// it gets the cross.
func (s *Server) Stop() error {
	if s.Process == nil {
		return because(After(s.alive(), "all of this check's clients have left"), "it has ended, or no longer serves anybody")
	}
	if s.Exited() {
		return Failf("the server ended by itself: %v", s.State())
	}
	return s.StopBy(unix.SIGTERM, patience)
}

// StopBy sends sig and wants exit status 0 within limit.
func (s *Server) StopBy(sig syscall.Signal, limit time.Duration) error {
	want := fmt.Sprintf("exit status 0 within %v", limit)
	if err := s.Signal(sig); err != nil {
		return &Failure{Want: want, Got: err.Error()}
	}
	code, err := s.Wait(limit)
	if err == nil && code != 0 {
		err = errors.New(s.State())
	}
	if err != nil {
		return &Failure{Sent: "signal " + unix.SignalName(sig), Want: want, Got: err.Error(),
			Cause: "something blocks or ends the path from the signal to exit status 0"}
	}
	return nil
}

// Explain adds to a failure what the server itself said, and whether it ended.
func (s *Server) Explain(err error) error {
	if s.Process == nil {
		return err
	}
	return Amend(err, func(f *Failure) {
		s.Wait(100 * time.Millisecond) // its end may show a moment later
		f.Log, f.log, f.promises = s.Stderr.Excerpt(), strings.Join(s.Stderr.All(), "\n"), s.Promises
		if f.scene == nil {
			f.scene = s.look()
		}
		if s.Exited() && !strings.Contains(f.Got, s.State()) {
			f.Got += fmt.Sprintf(" (the server has ended: %s)", s.State())
		}
	})
}
