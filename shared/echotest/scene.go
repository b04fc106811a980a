package echotest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A scene is what could be seen of the server's process when a promise broke, on
// Linux. A nil scene saw nothing: the process is somebody else's, or the system
// does not show it.
type scene struct {
	calls    []blocked     // the system calls that its threads sleep in
	sockets  []socketState // its TCP sockets, by descriptor
	asked    map[int]interest
	waits    bool // it has asked the kernel, with select(2), poll(2) or epoll
	nfds     int  // of select(2)
	runs     bool // a thread has a CPU or wants one
	switches int  // how often its threads went to sleep, all in all
	timed    bool // a wait has a limit: it will go on by itself
	cpu      time.Duration
	useless  bool // CPU was used, and nothing came of it
}

// A blocked is a system call that has not returned.
type blocked struct {
	name string
	fd   int
}

func (b blocked) String() string { return fmt.Sprintf("%s(%d)", b.name, b.fd) }

// A socketState is a TCP socket of the process.
type socketState struct {
	fd       int
	peer     string // as /proc/net/tcp writes it
	state    string
	nonblock bool
	unread   int64 // bytes in its receive queue; of a listener, clients to accept
	unsent   int64 // bytes in its send queue
}

// The states of a socket, see include/net/tcp_states.h; and one that the peer has
// reset, which is in no table any more.
const (
	stateEstablished = "01"
	stateCloseWait   = "08"
	stateListen      = "0A"
	stateGone        = "gone"
)

// An interest is what a wait call was asked about a descriptor.
type interest struct{ read, write, edge bool }

// listener is the socket that listens; nil if none was seen.
func (s *scene) listener() *socketState {
	return s.first(func(k socketState) bool { return k.state == stateListen })
}

// first finds a socket.
func (s *scene) first(match func(socketState) bool) *socketState {
	if s != nil {
		for i := range s.sockets {
			if match(s.sockets[i]) {
				return &s.sockets[i]
			}
		}
	}
	return nil
}

// of is the server's socket whose other end is addr, as /proc/net/tcp writes it.
func (s *scene) of(addr string) *socketState {
	return s.first(func(k socketState) bool { return k.peer == addr && addr != "" })
}

// in finds a call that a thread sleeps in, on a socket that match accepts.
func (s *scene) in(name string, match func(*socketState) bool) (b blocked, found bool) {
	if s == nil {
		return b, false
	}
	for _, b := range s.calls {
		k := s.first(func(k socketState) bool { return k.fd == b.fd })
		if b.name == name && k != nil && match(k) {
			return b, true
		}
	}
	return b, false
}

// asleep tells whether every thread sleeps, and none of them will wake up by itself.
func (s *scene) asleep() bool { return s != nil && !s.runs && !s.timed }

// stuckSince tells whether the server has done nothing since before, and will do
// nothing until somebody sends it something.
func (s *scene) stuckSince(before *scene) bool {
	return s.asleep() && before.asleep() && s.switches == before.switches
}

// blocksSince tells whether a server that does not want to wait for its listener has
// slept in a call on a client's socket since before.
func (s *scene) blocksSince(before *scene) bool {
	if l := s.listener(); before == nil || l == nil || !l.nonblock {
		return false
	}
	return slices.ContainsFunc(s.calls, func(b blocked) bool {
		k := s.first(func(k socketState) bool { return k.fd == b.fd && !k.nonblock })
		return k != nil && (b.name == "read" || b.name == "write") && slices.Contains(before.calls, b)
	})
}

// tell says what the server was doing, and how its end of this connection was.
func (s *scene) tell(mine *socketState) string {
	if s == nil {
		return ""
	}
	var parts []string
	for i, b := range s.calls {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("%d more threads", len(s.calls)-i))
			break
		}
		parts = append(parts, "asleep in "+b.String())
	}
	if s.runs {
		parts = append(parts, "running")
	}
	if mine != nil {
		parts = append(parts, "this client: "+s.describe(*mine))
	}
	if l := s.listener(); l != nil && (l.unread > 0 || !l.nonblock) {
		parts = append(parts, "the listener: "+s.describe(*l))
	}
	return strings.Join(parts, "; ")
}

// describe says what is out of the ordinary about a socket.
func (s *scene) describe(k socketState) string {
	words := fmt.Sprintf("descriptor %d,", k.fd)
	switch k.state {
	case stateListen:
		words += fmt.Sprintf(" %d clients to accept", k.unread)
	case stateGone:
		words += " its client has reset"
	default:
		words += fmt.Sprintf(" %d bytes unread", k.unread)
		if k.unsent > 0 {
			words += fmt.Sprintf(", %d not taken by its client", k.unsent)
		}
		if k.state == stateCloseWait {
			words += ", its client has sent end of file (CLOSE_WAIT)"
		}
	}
	if !k.nonblock {
		words += ", no O_NONBLOCK"
	}
	if w, ok := s.asked[k.fd]; s.waits && k.state != stateGone {
		switch {
		case !ok || !w.read && !w.write:
			words += ", no interest in it"
		case w.read && w.write:
			words += ", read and write interest"
		case w.read:
			words += ", read interest"
		default:
			words += ", write interest"
		}
	}
	return words
}
