package exercisetest

import (
	"strings"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// promptly is how soon a program has to be gone after a signal. Its promise is
// 2 s; it gets more on a machine that is busy with the race detector.
const promptly = proc.Patience / 5

// A server is the program of an exercise that runs.
type server struct{ *echotest.Server }

// spawn starts the program.
func spawn(p *echotest.Target, args ...string) (*server, error) {
	r, err := p.Spawn(proc.Command{}, args...)
	return &server{&echotest.Server{Process: r}}, err
}

// serve starts the program on a free port and waits for its ready line.
func serve(p *echotest.Target, args ...string) (*server, error) {
	s, err := p.Start(args...)
	return &server{s}, err
}

// on makes a check's Proof of a function that wants one server, started with
// args. The server must outlive the function, and then stop at SIGTERM.
func on(run func(*server) error, args ...string) func(*echotest.Target) error {
	return echotest.On(func(s *echotest.Server) error { return run(&server{s}) }, args...)
}

// ending is on for a function that ends the server itself.
func ending(run func(*server) error, args ...string) func(*echotest.Target) error {
	return func(p *echotest.Target) error {
		s, err := serve(p, args...)
		if err != nil {
			return err
		}
		defer s.Kill()
		return s.Explain(run(s))
	}
}

// expect wants a line among those printed so far or soon.
func expect(l *proc.Lines, want string) error {
	_, ok := l.Wait(proc.Patience, func(line string) bool { return line == want })
	if ok {
		return nil
	}
	return echotest.Failf("no line %q was printed, but:\n%s", want, l.Excerpt())
}

// expectAll wants these lines, in this order, as all that is printed.
func expectAll(l *proc.Lines, want ...string) error {
	if err := expect(l, want[len(want)-1]); err != nil {
		return err
	}
	if got := strings.Join(l.All(), "\n"); got != strings.Join(want, "\n") {
		return &echotest.Failure{Want: strings.Join(want, "\n"), Got: got}
	}
	return nil
}
