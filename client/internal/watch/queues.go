package watch

// A row is one end of a connection, or a listener, as the kernel lists it.
type row struct {
	local, peer int // ports
	state       string
	unsent      int64  // bytes that the peer has not acknowledged
	unread      int64  // bytes; for a listener: connections in its accept queue
	inode       string // "0": no process has it: not accepted yet, or already closed
}

const nobodys = "0"

// The states that matter here, named as in netstat(1).
const (
	listening = "LISTEN"
	open      = "ESTABLISHED"
	ours      = "CLOSE_WAIT" // the other end has sent its FIN, this one has not
)

// forgetFIN subtracts the FIN, which /proc/net/tcp counts as a byte: in the receive
// queue until it is read, in the send queue until it is acknowledged.
func (r *row) forgetFIN() {
	switch r.state {
	case "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT":
		r.unread = max(0, r.unread-1)
	}
	switch r.state {
	case "FIN_WAIT1", "CLOSING", "LAST_ACK":
		r.unsent = max(0, r.unsent-1)
	}
}

// queued reports whether a row is a connection that waits to be accepted.
func (r row) queued() bool { return r.inode == nobodys && (r.state == open || r.state == ours) }

// A pipe is the number of bytes in each of a connection's four queues, and the states
// of its two ends; -1 and "": not known.
type pipe struct {
	Send    int64  `json:"send"`    // the client's
	Receive int64  `json:"receive"` // the server's
	Reply   int64  `json:"reply"`   // the server's send queue
	Take    int64  `json:"take"`    // the client's receive queue
	Client  string `json:"client,omitempty"`
	Server  string `json:"server,omitempty"`
	Queued  bool   `json:"queued,omitempty"` // it has not been accepted
}

// takeOwn takes from the row of the client's end its state, and what the ioctls did not
// return.
func (p *pipe) takeOwn(r row) {
	p.Client = r.state
	if p.Send < 0 {
		p.Send = r.unsent
	}
	if p.Take < 0 {
		p.Take = r.unread
	}
}

// A mass sums up connections that are not drawn.
type mass struct {
	Connections int   `json:"n"`
	Queued      int   `json:"queued,omitempty"`
	Unread      int64 `json:"unread,omitempty"` // bytes that the server has not read
}

// A kernelView is what the kernel reports at one moment.
type kernelView struct {
	queue       int              // the accept queue
	pipes       map[string]*pipe // by client
	idle, other mass
}

// look sums up what the kernel lists about a listener's connections. The clients' own
// queues are already known from their ioctls.
func look(rows []row, listener int, pipes map[string]*pipe, ports map[int]string, idle map[int]bool) kernelView {
	v := kernelView{pipes: pipes}
	inQueue := 0
	for _, r := range rows {
		if r.local == listener && r.queued() {
			inQueue++
		}
		switch {
		case r.state == listening && r.local == listener:
			v.queue = int(r.unread)
		case r.local == listener && ports[r.peer] != "":
			p := pipes[ports[r.peer]]
			p.Receive, p.Reply, p.Server, p.Queued = r.unread, r.unsent, r.state, r.queued()
		case r.local == listener && r.state != "TIME_WAIT":
			m := &v.other
			if idle[r.peer] {
				m = &v.idle
			}
			m.Connections++
			m.Unread += r.unread
			if r.queued() {
				m.Queued++
			}
		case r.peer == listener && ports[r.local] != "":
			pipes[ports[r.local]].takeOwn(r)
		}
	}
	if !ownersListed {
		v.queue = inQueue
	}
	return v
}

// markQueued is for systems that do not list which process has a socket: those that
// the server's calls have not accepted are taken for queued.
func (s *story) markQueued(rows []row, listener int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	accepted := map[int]bool{}
	for _, d := range s.state.FDs {
		accepted[d.Port] = true
	}
	for i, r := range rows {
		if r.local == listener && r.state != listening && !accepted[r.peer] {
			rows[i].inode = nobodys
		}
	}
}
