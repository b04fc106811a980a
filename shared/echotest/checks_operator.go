package echotest

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/proc"
)

// operatorChecks: what the operator sees.
var operatorChecks = []Check{
	{Name: "stop-idle", Chapter: chapter1, Proof: stopIdle,
		Promise: "SIGINT and SIGTERM end the server with status 0, within 2 s",
		Cause:   "a server asleep in accept or read does not notice: end it from the goroutine that gets the signal, or wake its loop"},
	{Name: "stop-busy", Chapter: chapter1, Proof: stopBusy,
		Promise: "the same while clients are stuck, flooding, silent and half-closed",
		Cause:   "the stop waits for a client"},
	{Name: "restart-at-once", Chapter: chapter1, Proof: restartAtOnce,
		Promise: "the port can be used again at once, whatever became of the old connections",
		Cause:   "SO_REUSEADDR is not set before bind(2): connections in TIME_WAIT keep the port"},
	{Name: "port-taken", Chapter: chapter1, Proof: portTaken,
		Promise: "a port already in use leads to one line that names the address, and exit status 1",
		Cause:   "the error of bind(2) or listen(2) is ignored or ends in a panic; or SO_REUSEPORT lets two servers share the port"},
	{Name: "bad-address", Chapter: chapter1, Proof: badAddress,
		Promise: "an address that cannot be used leads to one line that names it, and exit status 1",
		Cause:   "a bad address is passed on as 0.0.0.0 or port 0, or ends in a panic"},
	{Name: "bad-flag", Chapter: chapter1, Proof: badFlag,
		Promise: "an unknown flag or argument leads to one line, and exit status 2",
		Cause:   "the arguments are not parsed with shared/cli"},
	{Name: "help", Chapter: chapter1, Proof: help,
		Promise: "-h describes every flag in one line on standard output, and exits with status 0",
		Cause:   "a flag without a description, or help on standard error"},
	{Name: "address-forms", Chapter: chapter1, Proof: addressForms,
		Promise: "localhost:0, :0 and [::1]:0 are valid addresses",
		Cause:   "an address form is not parsed"},
	{Name: "quiet", Chapter: chapter1, Proof: On(quiet),
		Promise: "without -v nothing is said about clients that come, talk and leave",
		Cause:   "an end of file is logged as an error, or the narration is not off"},
}

// stopLimit is how long a stop may take: 2 s, and what a busy machine adds.
const stopLimit = 5 * time.Second

// stopIdle looks for one timely stop of each kind: a busy machine may delay one.
func stopIdle(t *Target) error {
	for clients := range 2 {
		var mu sync.Mutex
		quickest := time.Hour
		err := eachSignal(func(sig unix.Signal) error {
			took, err := t.stopOfIdle(clients, sig)
			mu.Lock()
			defer mu.Unlock()
			quickest = min(quickest, took)
			return err
		})
		if err == nil && quickest > 2*time.Second {
			err = &Failure{Want: "the server ends within 2 s", Got: fmt.Sprintf("%v, at best", quickest)}
		}
		if err != nil {
			return After(err, fmt.Sprintf("%d idle clients", clients))
		}
	}
	return nil
}

func (t *Target) stopOfIdle(clients int, sig unix.Signal) (took time.Duration, err error) {
	s, err := t.Start()
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	idle, err := s.dialMany(clients)
	if err != nil {
		return 0, s.Explain(err)
	}
	defer idle.close()
	start := time.Now()
	if err = s.StopBy(sig, stopLimit); err == nil {
		took = time.Since(start)
		err = s.shortLog(0)
	}
	return took, s.Explain(err)
}

// eachSignal does something for both signals at once: a stop may take its time.
func eachSignal(do func(unix.Signal) error) error {
	second := make(chan error, 1)
	go func() { second <- do(unix.SIGTERM) }()
	first := do(unix.SIGINT)
	return errors.Join(first, <-second)
}

func stopBusy(t *Target) error {
	return eachSignal(func(sig unix.Signal) error {
		s, err := t.Start()
		if err != nil {
			return err
		}
		defer s.Kill()
		crowd, err := s.rabble()
		defer crowd.close()
		if err == nil {
			err = s.StopBy(sig, stopLimit)
		}
		if err == nil && slices.ContainsFunc(s.Stderr.All(), isTrace) {
			err = Failf("a stack trace")
		}
		return s.Explain(After(err, "clients that are stuck, flooding, half-closed, in the middle of a message, silent"))
	})
}

// brisk are the flags that keep a stop short when clients could hold it up.
func (p Promises) brisk() []string {
	if p.Framed {
		return []string{"-drain", "100ms"}
	}
	return nil
}

func isTrace(line string) bool { return strings.HasPrefix(line, "goroutine ") }

// rabble is a client of each unkind kind. A server of one client at a time sees
// only the first.
func (s *Server) rabble() (crowd clients, err error) {
	for range 5 {
		c, err := s.dial()
		if err != nil {
			return crowd, err
		}
		crowd = append(crowd, c)
	}
	err = crowd[:2].each(overfill) // stuck, the second with its end under way
	half, part := crowd[2], crowd[3]
	_, wrote := part.Write(part.at(0, 3))
	err = errors.Join(err, crowd[1].CloseWrite(), half.send(half.next(0)), half.CloseWrite(), wrote)
	if err != nil {
		return crowd, err
	}
	f, err := s.flood()
	if err == nil {
		crowd = append(crowd, f.client)
	}
	return crowd, err
}

func restartAtOnce(t *Target) error {
	s, err := t.Start(t.Promises.brisk()...)
	if err != nil {
		return err
	}
	defer func() { s.Kill() }()
	addr := s.Addr
	for range 2 {
		old, err := s.talkers()
		if err != nil {
			return s.Explain(err)
		}
		defer old.close()
		// The server ends first, so that its port keeps the connections: one in
		// TIME_WAIT when its client has left too, the others half-closed.
		if err := s.StopBy(unix.SIGTERM, stopLimit); err != nil {
			return s.Explain(err)
		}
		old[0].Close()
		next, err := t.startAt(addr, proc.Command{}, t.Promises.brisk()...)
		if err != nil {
			return After(err, "SIGTERM with connections open, and a server started again on "+addr)
		}
		s = next
	}
	return s.Explain(errors.Join(s.alive(), s.Stop()))
}

func portTaken(t *Target) error {
	s, err := t.Start()
	if err != nil {
		return err
	}
	defer s.Kill()
	if err := t.refused(1, s.Addr, "-addr", s.Addr); err != nil {
		return because(err, "the error of bind(2) or listen(2) is ignored, or SO_REUSEPORT lets two servers share the port")
	}
	return s.Explain(errors.Join(s.alive(), s.Stop()))
}

func badAddress(t *Target) error {
	// 192.0.2.1 is set aside for documentation: no machine has it.
	for _, addr := range []string{"nonsense", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:-1", "127.0.0.1:x", "1.2.3:80", "192.0.2.1:0"} {
		if err := t.refused(1, addr, "-addr", addr); err != nil {
			return err
		}
	}
	return nil
}

func badFlag(t *Target) error {
	bad := [][]string{{"-nonsense"}, {"stray"}, {"-addr"}, {"-v=perhaps"}}
	if t.Promises.Framed {
		bad = append(bad, []string{"-max-frame", "many"}, []string{"-max-frame", "0"}, []string{"-max-frame", "-1"},
			[]string{"-write-buffer", "4294967296"}, []string{"-idle-timeout", "-1s"}, []string{"-drain", "5"})
	}
	for _, args := range bad {
		if err := t.refused(2, "", args...); err != nil {
			return err
		}
	}
	return nil
}

// refused wants the program to end with status code and one line that contains word.
func (t *Target) refused(code int, word string, args ...string) error {
	p, err := t.Spawn(proc.Command{}, args...)
	if err != nil {
		return err
	}
	defer p.Kill()
	got, err := p.Wait(patience)
	if err != nil {
		return &Failure{Sent: fmt.Sprintf("started with %q", args), Want: fmt.Sprintf("exit status %d", code), Got: err.Error()}
	}
	p.Stderr.Wait(patience, func(string) bool { return false }) // until all of it is there
	out, lines := p.Stdout.All(), p.Stderr.All()
	if got == code && len(lines) == 1 && len(out) == 0 && strings.Contains(lines[0], word) {
		return nil
	}
	return &Failure{Sent: fmt.Sprintf("started with %q", args),
		Want: fmt.Sprintf("exit status %d, one line on standard error that names %q, nothing on standard output", code, word),
		Got:  fmt.Sprintf("%s, %d lines, %d on standard output\n%s", p.State(), len(lines), len(out), p.Stderr.Excerpt())}
}

// help runs a built program: in the test binary -h would list the test's flags.
func help(t *Target) error {
	if t.here {
		path, remove, err := buildHere()
		if err != nil {
			return err
		}
		defer remove()
		t = Program(path, t.Promises)
	}
	p, err := t.Spawn(proc.Command{}, "-h")
	if err != nil {
		return err
	}
	defer p.Kill()
	if code, err := p.Wait(patience); err != nil || code != 0 || len(p.Stderr.All()) > 0 {
		return &Failure{Sent: "-h", Want: "exit status 0, nothing on standard error", Got: fmt.Sprintf("exit status %d, %v\n%s", code, err, p.Stderr.Excerpt())}
	}
	said := p.Stdout.Text()
	flags := []string{"addr", "v"}
	if t.Promises.Framed {
		flags = append(flags, "max-frame", "write-buffer", "idle-timeout", "drain")
	}
	for _, name := range flags {
		line := regexp.MustCompile(`(?m)^ {1,4}-` + name + `\b.*\w+ \w+.*$`)
		if n := len(line.FindAllString(said, -1)); n != 1 {
			return &Failure{Sent: "-h", Want: "one entry that describes -" + name, Got: said}
		}
	}
	for line := range strings.Lines(said) {
		if cli.Columns(strings.TrimRight(line, "\n")) > cli.Width {
			return &Failure{Sent: "-h", Want: fmt.Sprintf("no line of more than %d columns", cli.Width), Got: said}
		}
	}
	return nil
}

func addressForms(t *Target) error {
	forms := map[string]string{"localhost:0": "127.0.0.1", ":0": "0.0.0.0", "127.0.0.1:0": "127.0.0.1"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		forms["[::1]:0"] = "::1"
	}
	for form, host := range forms {
		s, err := t.startAt(form, proc.Command{})
		if err != nil {
			return After(err, "-addr "+form)
		}
		defer s.Kill()
		got, port, err := net.SplitHostPort(s.Addr)
		if err != nil || got != host || port == "0" {
			return &Failure{Sent: "-addr " + form, Want: "a ready line with " + net.JoinHostPort(host, "PORT"), Got: s.Addr}
		}
		if host == "0.0.0.0" { // not every system connects to that
			s.Addr = net.JoinHostPort("127.0.0.1", port)
		}
		if err := errors.Join(s.alive(), s.Stop()); err != nil {
			return s.Explain(After(err, "-addr "+form))
		}
	}
	return nil
}

func quiet(s *Server) error {
	if err := errors.Join(echo(s), s.alive()); err != nil {
		return err
	}
	return s.shortLog(0)
}
