// Package faults examines a server under a hostile kernel: one whose accept,
// read, write, select, poll, close and epoll calls fail, every second time, with
// the errors that their manual pages list and with one that nobody expects.
//
// strace(1) plays the kernel: it can answer a system call of a process in any
// language, and is attached only once the server listens. A fault is one call
// and one error. Each has a server of its own, some clients whose calls fail, and
// others whose calls do not. See rules_linux.go for what is judged.
package faults

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"example/tcpladder/shared/cli"
)

// A Subject is a server to examine.
type Subject struct {
	Name string   // what the report calls it
	Argv []string // its command; {addr} stands for a free address
	Rung bool     // a rung stops with status 0

	SleepsOnENOMEM bool // it survives even that from the call in which it waits
}

// A Count is how many faults passed, failed or were not examined.
type Count struct{ Passed, Failed, Skipped int }

// A role is what a call is for: it says who is hit by its failure.
type role int

const (
	accepting   role = iota // new clients
	serving                 // the one client whose descriptor it is
	waiting                 // everybody
	registering             // the one client whose descriptor it is
	closing                 // nobody: it cannot be mended
)

// A call is a system call, or several that do the same.
type call struct {
	name       string
	role       role
	made       []string // as strace names them
	manual     string   // whose errors these are
	errnos     string
	unexpected string // an error that the manual does not list
	chapter    string
}

var calls = []call{
	{"accept", accepting, []string{"accept", "accept4"}, "accept(2)",
		"EAGAIN EINTR ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO ENOPROTOOPT EOPNOTSUPP " +
			"ENETDOWN ENETUNREACH EHOSTDOWN EHOSTUNREACH ENONET ENOSR ESOCKTNOSUPPORT EPROTONOSUPPORT " +
			"ETIMEDOUT EBADF EFAULT EINVAL ENOTSOCK", "EACCES", "docs/01-blocking.md"},
	// read(2) leaves some to the kind of descriptor: for a socket recv(2) and tcp(7),
	// and ECONNRESET, which only the code and POSIX list.
	{"read", serving, []string{"read", "readv", "recvfrom", "recvmsg", "recv"}, "read(2), recv(2), tcp(7)",
		"EAGAIN EINTR ECONNRESET ETIMEDOUT EPIPE EIO ENOMEM ENOTCONN ECONNREFUSED EBADF EFAULT EINVAL EISDIR ENOTSOCK",
		"EACCES", "docs/01-blocking.md"},
	{"write", serving, []string{"write", "writev", "sendto", "sendmsg", "send"}, "write(2), send(2), tcp(7)",
		"EAGAIN EINTR EPIPE ECONNRESET ETIMEDOUT EIO ENOBUFS ENOMEM EPERM EACCES EBADF EFAULT EINVAL ENOTSOCK ENOTCONN " +
			"EISCONN EALREADY EDESTADDRREQ EMSGSIZE EOPNOTSUPP ENOSPC EDQUOT EFBIG", "EXDEV", "docs/01-blocking.md"},
	{"select", waiting, []string{"select", "_newselect", "pselect6", "pselect6_time64"}, "select(2)",
		"EINTR ENOMEM EBADF EINVAL", "EPERM", "docs/03-select.md"},
	{"poll", waiting, []string{"poll", "ppoll", "ppoll_time64"}, "poll(2)",
		"EINTR ENOMEM EFAULT EINVAL", "EPERM", "docs/03-select.md"},
	{"epoll_wait", waiting, []string{"epoll_wait", "epoll_pwait", "epoll_pwait2"}, "epoll_wait(2)",
		"EINTR EBADF EFAULT EINVAL", "EPERM", "docs/04-kqueue.md"},
	{"epoll_ctl", registering, []string{"epoll_ctl"}, "epoll_ctl(2)",
		"ENOMEM ENOSPC EBADF EEXIST EINVAL ELOOP ENOENT EPERM", "EIO", "docs/04-kqueue.md"},
	// EAGAIN is one that tempts a program to close again.
	{"close", closing, []string{"close"}, "close(2)",
		"EINTR EIO ENOSPC EDQUOT EBADF", "EAGAIN", "docs/01-blocking.md"},
}

// A fault is one call that fails with one error.
type fault struct {
	call  *call
	errno string
}

func (f fault) name() string { return f.call.name + "/" + f.errno }

// faults are those of a call whose name match accepts.
func (c *call) faults(match *regexp.Regexp) []fault {
	var list []fault
	for _, errno := range append(strings.Fields(c.errnos), c.unexpected) {
		if f := (fault{c, errno}); match.MatchString(f.name()) {
			list = append(list, f)
		}
	}
	return list
}

// Matches reports whether match accepts the name of any fault.
func Matches(match *regexp.Regexp) bool {
	return slices.ContainsFunc(calls, func(c call) bool { return len(c.faults(match)) > 0 })
}

// List writes the faults whose name match accepts, a paragraph for each call.
func List(out io.Writer, match *regexp.Regexp) {
	for i := range calls {
		c := &calls[i]
		var words []string
		for _, f := range c.faults(match) {
			words = append(words, f.errno)
		}
		if len(words) == 0 {
			continue
		}
		about := fmt.Sprintf("  %-11s %s: %s; %s is not listed there", c.name, strings.Join(c.made, ", "), c.manual, c.unexpected)
		fmt.Fprintln(out, cli.Wrap(about, 14))
		paragraph(out, words)
	}
}

// paragraph writes words, which may have spaces in them, in lines that fit a screen.
func paragraph(out io.Writer, words []string) {
	const indent = 14
	line := strings.Repeat(" ", indent)
	for i, w := range words {
		switch {
		case i == 0:
		case cli.Columns(line)+2+cli.Columns(w) > cli.Width:
			fmt.Fprintln(out, line)
			line = strings.Repeat(" ", indent)
		default:
			line += "  "
		}
		line += w
	}
	fmt.Fprintln(out, line)
}

// Split cuts a command line at --: what follows it is the command of a server.
func Split(args []string) (rest, command []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}
