package weave

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example/tcpladder/shared/proc"
)

// A server is a rung that is running, with -v.
type server struct {
	*proc.Process
	addr   string
	remove func() // the program
	ended  int    // clients
}

// start builds a rung and waits until it listens on a free port. Both of its
// outputs are one, in the order in which they are written.
func start(root, rung string) (*server, error) {
	program, remove, err := proc.Build(filepath.Join(root, rung), ".")
	if err != nil {
		return nil, err
	}
	p, err := proc.Command{Args: []string{program, "-v", "-addr", "127.0.0.1:0"}, Together: true}.Start()
	if err != nil {
		remove()
		return nil, err
	}
	s := &server{Process: p, remove: remove}
	if s.addr, err = p.Ready(context.Background()); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// until waits until enough has been said, and returns the part that counts.
func (s *server) until(enough func(said string) (part string, ok bool)) (part string, err error) {
	ok := s.Stdout.WaitAll(timeout, func([]string) (ok bool) {
		part, ok = enough(s.Stdout.Text())
		return ok
	})
	if !ok {
		return "", fmt.Errorf("not what was waited for: the server said:\n%s", s.Stdout.Text())
	}
	return part, nil
}

// wait waits until the server has said n lines of a kind, and returns all that
// it has said up to the last of them.
func (s *server) wait(kind *regexp.Regexp, n int) (string, error) {
	return s.until(func(said string) (string, bool) {
		at := kind.FindAllStringIndex(said, n)
		if len(at) < n {
			return "", false
		}
		return said[:at[n-1][1]], true
	})
}

// rest waits until all clients are gone, and the server sleeps again: then the
// first half of a call is the last thing it has said. A server that asks again
// instead is not waited for.
func (s *server) rest() (string, error) {
	return s.until(func(said string) (string, bool) {
		at := closed.FindAllStringIndex(said, s.ended)
		if len(at) < s.ended || s.ended == 0 {
			return "", false
		}
		end := at[s.ended-1][1]
		next := "\n" + chance.ReplaceAllString(strings.TrimPrefix(said[end:], "\n"), "")
		switch {
		case asksAgain.MatchString(next):
			return said[:end], true
		case firstHalf.MatchString(next):
			return said[:end] + firstHalf.FindString(next), true
		}
		return "", false
	})
}

// stop ends the server.
func (s *server) stop() {
	s.Stop(proc.Patience)
	s.remove()
}

var (
	closed    = regexp.MustCompile(`(?m)^close\(\d+\) = 0$`)
	asksAgain = regexp.MustCompile(`\A\n+\w+\(\d+\) = EAGAIN`)
	firstHalf = regexp.MustCompile(`\n\w+\(\d+\)\z`)
)

// session returns what a rung prints about some clients, up to where it sleeps
// when they are gone.
// The steps, of a client that is called A:
//
//	A+      connects
//	A:text  sends a line (to a rung with frames, a frame), waits for its echo
//	A>text  sends it and does not wait
//	A=text  sends these bytes, with escapes as in Go, and does not wait
//	A<      waits for what is not back yet
//	A-      ends its input, waits for the end of the server's and for close(2)
//	2s      lets two seconds pass
//	stop    suspends the rung
//	cont    lets it go on
func session(root, rung string, steps []string) (string, error) {
	s, err := start(root, rung)
	if err != nil {
		return "", err
	}
	defer s.stop()
	_, err = os.Stat(filepath.Join(root, rung, "frame"))
	framed := err == nil
	clients := map[byte]*client{}
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	for _, step := range steps {
		if err := s.step(step, framed, clients); err != nil {
			return "", fmt.Errorf("session, step %s: %w", step, err)
		}
	}
	said, err := s.rest()
	return strings.Replace(said, "listening on "+s.addr, "listening on 127.0.0.1:9999", 1) + "\n", err
}

// step does one step.
func (s *server) step(step string, framed bool, clients map[byte]*client) error {
	pause, err := time.ParseDuration(step)
	switch {
	case err == nil:
		time.Sleep(pause)
		return nil
	case step == "stop":
		return s.Suspend()
	case step == "cont":
		return s.Signal(syscall.SIGCONT)
	case strings.HasSuffix(step, "+"):
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return err
		}
		conn.SetDeadline(time.Now().Add(timeout))
		clients[step[0]] = &client{Conn: conn, framed: framed}
		return nil
	case len(step) < 2 || clients[step[0]] == nil:
		return errors.New("not understood")
	}
	err = clients[step[0]].do(step[1], step[2:])
	if err == nil && step[1] == '-' {
		s.ended++ // the next step comes when this one is over for the server too
		_, err = s.wait(closed, s.ended)
	}
	return err
}

// A client is one of those in a session.
type client struct {
	net.Conn
	framed bool
	owed   int // bytes that are not back yet
}

func (c *client) do(what byte, text string) error {
	p := []byte(text + "\n")
	if what == '=' {
		raw, err := strconv.Unquote(`"` + text + `"`)
		if err != nil {
			return err
		}
		_, err = io.WriteString(c, raw)
		return err
	}
	if c.framed {
		p = append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	var err error
	switch what {
	case ':', '>':
		c.owed += len(p)
		_, err = c.Write(p)
	case '-':
		err = c.Conn.(*net.TCPConn).CloseWrite()
	}
	if err != nil || what == '>' {
		return err
	}
	if _, err := io.CopyN(io.Discard, c, int64(c.owed)); err != nil {
		return err
	}
	c.owed = 0
	if what == '-' {
		_, err = io.Copy(io.Discard, c)
	}
	return err
}
