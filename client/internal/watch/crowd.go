package watch

import (
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	"example/tcpladder/client/internal/target"
)

// mostIdle limits the crowd to fewer clients than fit in the queue of a listener that
// never accepts (net.core.somaxconn on Linux).
const mostIdle = 4000

// A crowdView is what the page knows about the crowd.
type crowdView struct {
	Open  int `json:"open"`  // connections
	Ended int `json:"ended"` // by the server, since the last leave
}

// A crowd is clients that connect and say nothing. They are not drawn.
type crowd struct {
	story *story

	mu     sync.Mutex
	view   crowdView
	conns  map[int]*net.TCPConn // by port
	ours   map[int]bool         // every port it has had since the last leave
	told   time.Time
	stale  bool
	adding sync.Mutex
}

func newCrowd(s *story) *crowd {
	return &crowd{story: s, conns: map[int]*net.TCPConn{}, ours: map[int]bool{}}
}

// add connects n more.
func (c *crowd) add(addr string, n int) error {
	if !c.adding.TryLock() {
		return fmt.Errorf("the previous ones are still connecting")
	}
	defer c.adding.Unlock()
	c.mu.Lock()
	have := len(c.conns)
	c.mu.Unlock()
	// Both ends are on this machine, and a rung inherits the limit of this process.
	if most := min(mostIdle, target.Limit()-64); have+n > most {
		return fmt.Errorf("there is room for only %d idle clients", most)
	}
	c.story.tell(event{Kind: "act", Text: fmt.Sprintf("%d idle clients connect", n)})
	for i := range n {
		conn, err := net.DialTimeout("tcp", addr, dialTime)
		if err != nil {
			return fmt.Errorf("idle client %d of %d: %s", i+1, n, plain(err))
		}
		c.join(conn.(*net.TCPConn))
	}
	return nil
}

func (c *crowd) join(conn *net.TCPConn) {
	port := conn.LocalAddr().(*net.TCPAddr).Port
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns[port], c.ours[port] = conn, true
	c.update()
	go func() {
		conn.Read(make([]byte, 1)) // returns when the server or leave closes it
		conn.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.conns[port] == conn {
			delete(c.conns, port)
			c.view.Ended++
			c.update()
		}
	}()
}

// leave closes all of them.
func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for port, conn := range c.conns {
		delete(c.conns, port)
		conn.Close()
	}
	if len(c.ours) == 0 {
		return
	}
	c.view.Ended, c.ours = 0, map[int]bool{}
	c.view.Open, c.told, c.stale = 0, time.Now(), false
	c.story.tell(event{Kind: "act", Text: "the idle clients leave", Crowd: &crowdView{}})
}

// update records how many there are, at most every 50 ms: see refresh.
func (c *crowd) update() {
	c.view.Open = len(c.conns)
	if c.stale = time.Since(c.told) < beat; c.stale {
		return
	}
	c.told = time.Now()
	v := c.view
	c.story.tell(event{Kind: "client", Crowd: &v})
}

func (c *crowd) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale {
		c.update()
	}
}

// ports returns the ports of all that are or were connected: the kernel still lists
// some that have ended.
func (c *crowd) ports() map[int]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.ours)
}
