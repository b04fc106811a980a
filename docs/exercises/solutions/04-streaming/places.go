package main

import (
	"bufio"
	"bytes"
	"fmt"
	"log"
	"os"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/socket"
)

// maxLine is how many bytes of a line are kept until its end comes. A longer line
// is printed in pieces.
const maxLine = 4 << 10

// out is for the operator. It is flushed whenever something was printed.
var out = bufio.NewWriter(os.Stdout)

// admit gives c the lowest number that is free, or turns it away.
func (s *server) admit(c *conn) {
	for number, taken := range s.places {
		if taken == nil {
			s.places[number], c.number = c, number
			c.send(fmt.Appendf(nil, "welcome! you are client #%d!\n", number))
			return
		}
	}
	s.report("connection refused.")
	c.ended = true
	c.send(fmt.Appendf(nil, "sorry, all %d places are taken\n", len(s.places)))
}

// vacate frees the place of c. The line that it began last is not lost.
func (s *server) vacate(c *conn) {
	if c.number < 0 {
		return
	}
	if len(c.line) > 0 {
		s.heard(c, []byte("\n"))
	}
	s.places[c.number] = nil
	s.report(fmt.Sprintf("client #%d disconnected.", c.number))
}

// heard prints the lines that end in p.
func (s *server) heard(c *conn, p []byte) {
	for {
		line, rest, whole := bytes.Cut(p, []byte("\n"))
		c.line = append(c.line, line...)
		for len(c.line) > maxLine {
			fmt.Fprintf(out, "client #%d: %s\n", c.number, printable(c.line[:maxLine]))
			c.line = c.line[maxLine:]
		}
		if !whole {
			break
		}
		fmt.Fprintf(out, "client #%d: %s\n", c.number, printable(bytes.TrimSuffix(c.line, []byte("\r"))))
		c.line, p = nil, rest
	}
	out.Flush()
}

func (s *server) report(line string) {
	fmt.Fprintln(out, line)
	out.Flush()
}

// printable replaces what could move the cursor of the operator's terminal, or
// worse.
func printable(line []byte) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, string(line))
}

// stdin is not made non-blocking: that would hold for everybody who shares this
// terminal, the shell among them. It is read once and only when it is readable, so
// no read has to wait.
const stdin = 0

// listenToOperator has the loop watch the standard input.
func (s *server) listenToOperator() error {
	if err := s.loop.Add(stdin, s.operator); err != nil {
		// epoll(7) takes no file and not /dev/null (EPERM), a kqueue on macOS not
		// /dev/null (EINVAL).
		log.Printf("standard input: %v: nothing will be sent to the clients", err)
	}
	return nil
}

// operator sends to all clients what was typed.
func (s *server) operator() error {
	n, err := socket.Read(stdin, s.buf)
	if err == unix.EAGAIN {
		return nil
	}
	if n == 0 || err != nil {
		// It would stay readable. And it is not closed: the next client would get
		// its number, and become the standard input.
		return s.loop.Want(stdin, false, false)
	}
	typed := bytes.Clone(s.buf[:n]) // visit needs the buffer
	for _, c := range s.places {
		if c != nil {
			c.send(typed)
			s.visit(c)
		}
	}
	return nil
}
