package echotest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Target is the server under examination: a program that each check starts
// afresh, or one that is listening already.
type Target struct {
	Promises Promises

	argv []string // the program
	self bool     // which is this one, and calls Main
	env  []string
	addr string // or the address it listens on

	// build gives a program whose -h shows its own flags only.
	build func() (path string, done func(), err error)
}

// Program is a target started from an executable file.
func Program(path string, p Promises) *Target {
	return &Target{Promises: p, argv: []string{path},
		build: func() (string, func(), error) { return path, func() {}, nil }}
}

// Listening is a target that somebody else has started. Only the checks that
// are OnWire can be run on it.
func Listening(addr string, p Promises) *Target { return &Target{Promises: p, addr: addr} }

// buildHere builds the package in the working directory, which is where go
// test runs a test.
func buildHere() (string, func(), error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", nil, Skipf("no go command here")
	}
	if _, err := os.Stat("main.go"); err != nil {
		return "", nil, Skipf("no sources here")
	}
	dir, err := os.MkdirTemp("", "echotest")
	if err != nil {
		return "", nil, err
	}
	path := filepath.Join(dir, "server")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		return "", nil, fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, func() { os.RemoveAll(dir) }, nil
}

// On makes a check of a function that wants one server, started with args. The
// server must outlive the function and then stop at SIGTERM with status 0.
func On(run func(*Server) error, args ...string) func(*Target) error {
	return limited(0, run, args...)
}

// limited is on with at most nofile descriptors for the server (0: no limit).
func limited(nofile int, run func(*Server) error, args ...string) func(*Target) error {
	return func(t *Target) error {
		s, err := t.StartWith(outfit{Descriptors: nofile}, args...)
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

// Start brings up a server and waits for its ready line.
func (t *Target) Start(args ...string) (*Server, error) { return t.StartWith(outfit{}, args...) }

func (t *Target) StartWith(with outfit, args ...string) (*Server, error) {
	if t.addr != "" {
		return &Server{Promises: t.Promises, Addr: t.addr}, nil
	}
	return t.startOn("127.0.0.1:0", with, args...)
}

func (t *Target) startOn(addr string, with outfit, args ...string) (*Server, error) {
	p, err := spawn(t, with, append([]string{"-addr", addr}, args...))
	if err != nil {
		return nil, err
	}
	s := &Server{Promises: t.Promises, process: p}
	if s.Addr, err = p.ready(); err != nil {
		p.Kill()
		return nil, s.Explain(err)
	}
	return s, nil
}

// A Server is what a check examines. process is nil when somebody else runs it.
type Server struct {
	Promises
	*process
	Addr string
}

// Stop ends the server as an operator would, and wants status 0.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	if s.Exited() {
		return Failf("the server ended by itself: %v", s.State())
	}
	return s.StopBy(unixTERM, patience)
}

// Kill ends the server if it still runs; it is the cleanup of every check.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.Kill()
	}
}

// Explain adds to a failure what the server itself said, and whether it ended.
func (s *Server) Explain(err error) error {
	if s.process == nil {
		return err
	}
	return Amend(err, func(f *Failure) {
		f.Log = s.Stderr.Excerpt()
		if s.Exited() && !strings.Contains(f.Got, s.State()) {
			f.Got += fmt.Sprintf(" (the server has ended: %s)", s.State())
		}
	})
}

// patience is how long anything that must happen may take. It is generous:
// machines are shared. It only costs time where a promise is broken.
var patience = func() time.Duration {
	if raceEnabled {
		return 30 * time.Second
	}
	return 10 * time.Second
}()
