package watch

import (
	"net"
	"slices"
	"strings"
)

// A stranger is a server that is not a rung: it does not report its calls. The page
// shows what the kernel reports about it.

// fill replaces {addr}, {host} and {port} with a free address and its parts.
func fill(argv []string) (args []string, addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr = l.Addr().String()
	l.Close()
	host, port, _ := net.SplitHostPort(addr)
	r := strings.NewReplacer("{addr}", addr, "{host}", host, "{port}", port)
	for _, a := range argv {
		args = append(args, r.Replace(a))
	}
	return args, addr, nil
}

// A glance is what the kernel shows about a process: its sockets by descriptor, what
// epoll watches them for, and the calls that its threads sleep in.
type glance struct {
	fds      map[int]*descriptor
	listener int
	asleep   []call
}

// seen records a glance, if it differs from the last one.
func (s *story) seen(g glance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := event{Kind: "seen", FDs: map[int]*descriptor{}, Listener: g.listener}
	for fd, d := range g.fds {
		if before := s.state.FDs[fd]; before == nil || *before != *d {
			e.FDs[fd] = d
		}
	}
	for fd := range s.state.FDs {
		if g.fds[fd] == nil {
			e.FDs[fd] = nil
		}
	}
	if i := slices.IndexFunc(g.asleep, func(c call) bool { return g.fds[c.Arg] != nil || waits[c.Call] }); i >= 0 {
		e.Inside = &g.asleep[i]
	}
	was := s.state.Inside
	same := was == nil && e.Inside == nil || was != nil && e.Inside != nil && was.Call == e.Inside.Call && was.Arg == e.Inside.Arg
	if len(e.FDs) > 0 || !same {
		s.tellLocked(e)
	}
}

// waits are the calls that wait for several descriptors.
var waits = map[string]bool{"select": true, "poll": true, "epoll_wait": true}
