package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Drawn is how many clients are drawn at most.
const Drawn = 12

// A clientView is what the page gets to know of a client.
type clientView struct {
	ID      string `json:"id"`
	Port    int    `json:"port"`
	Run     int    `json:"run"` // of the server: which process it is connected to
	Sent    int64  `json:"sent"`
	Got     int64  `json:"got"`
	Left    int    `json:"left,omitempty"` // bytes that the kernel has not taken yet
	Out     string `json:"out,omitempty"`  // what it sent last
	In      string `json:"in,omitempty"`   // what came last
	Frames  int    `json:"frames,omitempty"`
	Deaf    bool   `json:"deaf,omitempty"` // it has stopped reading
	Floods  bool   `json:"floods,omitempty"`
	Half    bool   `json:"half,omitempty"` // it has ended its input
	Over    string `json:"over,omitempty"` // why the connection is no more
	Removed bool   `json:"gone,omitempty"` // it is not shown any more
}

// A client is a connection that is drawn, with a goroutine for each direction: as
// in any client, neither waits for the other.
type client struct {
	story  *story
	framed bool
	conn   *net.TCPConn

	mu      sync.Mutex
	changed *sync.Cond
	view    clientView
	queue   []piece // to be sent
	told    time.Time
	stale   bool // the page knows less
	tail    []byte
	frame   []byte // of a frame: its header, and the beginning of its payload
	skip    int    // bytes of its payload that are still to come
}

// A piece is what one action sends: bytes, or the end of the input.
type piece struct {
	bytes []byte
	end   bool
}

// connect connects a client.
func connect(s *story, addr, id string, run int, framed bool) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, dialTime)
	if err != nil {
		return nil, err
	}
	c := &client{story: s, framed: framed, conn: conn.(*net.TCPConn)}
	c.changed = sync.NewCond(&c.mu)
	c.view = clientView{ID: id, Port: conn.LocalAddr().(*net.TCPAddr).Port, Run: run}
	c.act("connects")
	go c.send()
	go c.receive()
	return c, nil
}

// dialTime is how long a connection may take. (It takes none, unless the queue of
// the listener is full.)
const dialTime = 3 * time.Second

// act tells that the client did something. The caller holds the mutex, or is the
// only one who knows c.
func (c *client) act(text string) {
	v := c.view
	c.told, c.stale = time.Now(), false
	c.story.tell(event{Kind: "act", Text: text, Client: &v})
}

// update tells how the client is, at most every 50 ms: see refresh.
func (c *client) update() {
	if c.stale = time.Since(c.told) < beat; c.stale {
		return
	}
	v := c.view
	c.told = time.Now()
	c.story.tell(event{Kind: "client", Client: &v})
}

// refresh tells what update has put off.
func (c *client) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale {
		c.update()
	}
}

// mostQueued is how many bytes may wait for the kernel to take them.
const mostQueued = 8 << 20

// do carries out an action.
func (c *client) do(action, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	if c.view.Over != "" {
		return errors.New("this connection is over")
	}
	switch action {
	case "deaf", "hear", "close", "reset":
		return c.steer(action)
	}
	if c.view.Half {
		return errors.New("it has ended its input")
	}
	switch action {
	case "send":
		return c.put(c.message([]byte(text)), "sends "+clip(text))
	case "mib":
		return c.put(c.message(make([]byte, 1<<20)), "sends 1 MiB")
	case "half-frame":
		return c.put([]byte("\x00\x00\x00\x0ahello"), "sends half a frame: 10 bytes are announced, 5 come")
	case "too-long":
		return c.put([]byte{0xff, 0xff, 0xff, 0xff}, "sends a header that announces 4 GiB")
	case "flood":
		c.view.Floods = true
		c.act("floods: it sends as fast as it can")
	case "calm":
		c.view.Floods = false
		c.act("stops flooding")
	case "end":
		c.view.Floods, c.view.Half = false, true
		c.queue = append(c.queue, piece{end: true})
		c.act("half-closes: it will send no more")
	default:
		return fmt.Errorf("no action %q", action)
	}
	return nil
}

// steer is for the actions that send nothing. The caller holds the mutex.
func (c *client) steer(action string) error {
	switch action {
	case "deaf":
		c.view.Deaf = true
		c.conn.SetReadDeadline(time.Now()) // wakes it
		c.act("stops reading")
	case "hear":
		c.view.Deaf = false
		c.conn.SetReadDeadline(time.Time{})
		c.act("reads again")
	case "close", "reset":
		c.view.Over = "closed"
		if action == "reset" {
			c.view.Over = "reset"
			c.conn.SetLinger(0) // close(2) is a reset then
		}
		c.conn.Close()
		c.act(map[string]string{"close": "closes", "reset": "resets the connection"}[action])
	}
	return nil
}

// message is what is sent for a payload: itself and a newline, or a frame.
func (c *client) message(payload []byte) []byte {
	if c.framed {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	}
	if len(payload) == 1<<20 {
		return payload
	}
	return append(payload, '\n')
}

func (c *client) put(p []byte, act string) error {
	if c.view.Left+len(p) > mostQueued {
		return errors.New("8 MiB are already waiting to be sent")
	}
	c.view.Left += len(p)
	c.view.Out = clip(string(p[:min(len(p), 64)]))
	c.queue = append(c.queue, piece{bytes: p})
	c.act(act)
	return nil
}

// send is the goroutine that sends.
func (c *client) send() {
	for {
		p, ok := c.nextPiece()
		if !ok {
			return
		}
		if p.end {
			c.conn.CloseWrite()
			continue
		}
		for len(p.bytes) > 0 {
			// In pieces, so that one can see how far it has got.
			n, err := c.conn.Write(p.bytes[:min(len(p.bytes), 64<<10)])
			p.bytes = p.bytes[n:]
			c.mu.Lock()
			c.view.Sent += int64(n)
			c.view.Left = max(0, c.view.Left-n)
			c.update()
			c.mu.Unlock()
			if err != nil {
				c.over(err)
				return
			}
		}
	}
}

// nextPiece waits until there is something to send.
func (c *client) nextPiece() (piece, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) == 0 && !c.view.Floods && c.view.Over == "" {
		c.changed.Wait()
	}
	if c.view.Over != "" {
		return piece{}, false
	}
	if len(c.queue) == 0 {
		flood := c.message(bytes.Repeat([]byte("flood. "), 1170)) // about 8 KiB
		c.view.Left += len(flood)
		return piece{bytes: flood}, true
	}
	p := c.queue[0]
	c.queue = c.queue[1:]
	return p, true
}

// receive is the goroutine that reads.
func (c *client) receive() {
	buf := make([]byte, 64<<10)
	for {
		c.mu.Lock()
		for c.view.Deaf && c.view.Over == "" {
			c.changed.Wait()
		}
		c.mu.Unlock()
		n, err := c.conn.Read(buf)
		c.mu.Lock()
		if n > 0 {
			c.take(buf[:n])
			c.stale = true // to be told when the server's write is, which comes by a longer way
		}
		again := errors.Is(err, os.ErrDeadlineExceeded)
		c.mu.Unlock()
		if err != nil && !again {
			c.over(err)
			return
		}
	}
}

// take takes note of what came: of bytes the last ones, of frames the last payload.
func (c *client) take(p []byte) {
	c.view.Got += int64(len(p))
	if !c.framed {
		c.tail = append(c.tail, p[max(0, len(p)-64):]...)
		c.tail = append([]byte(nil), c.tail[max(0, len(c.tail)-64):]...)
		c.view.In = clip(string(c.tail))
		return
	}
	const header, shown = 4, 64
	for len(p) > 0 {
		if len(c.frame) < header {
			n := min(header-len(c.frame), len(p))
			c.frame, p = append(c.frame, p[:n]...), p[n:]
			if len(c.frame) < header {
				return
			}
			c.skip = int(binary.BigEndian.Uint32(c.frame))
		}
		n := min(c.skip, len(p))
		c.frame = append(c.frame, p[:min(n, header+shown-len(c.frame))]...)
		if c.skip, p = c.skip-n, p[n:]; c.skip == 0 {
			c.view.Frames++
			c.view.In, c.frame = clip(string(c.frame[header:])), nil
		}
	}
}

// over tells that the connection has ended, unless it was this client's own doing.
func (c *client) over(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	if c.view.Over != "" {
		return
	}
	switch {
	case err == io.EOF:
		c.view.Over = "ended by the server"
	case errors.Is(err, syscall.ECONNRESET):
		c.view.Over = "reset by the server"
	default:
		c.view.Over = "broken: " + plain(err)
	}
	c.conn.Close()
	c.act("is told: " + c.view.Over)
}

// plain takes the names of the calls off an error.
func plain(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}

// clip shows the beginning of a text as a Go string.
func clip(text string) string {
	const shown = 40
	if len(text) > shown {
		return strconv.Quote(text[:shown]) + "…"
	}
	return strconv.Quote(text)
}

// queues asks the kernel what lies in the queues of this end.
func (c *client) queues() (id string, port int, p *pipe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p = &pipe{Send: -1, Receive: -1, Reply: -1, Take: -1}
	if raw, err := c.conn.SyscallConn(); err == nil && c.view.Over == "" {
		raw.Control(func(fd uintptr) { p.Send, p.Take = ownQueues(int(fd)) })
	}
	return c.view.ID, c.view.Port, p
}

// remove takes the client off the page.
func (c *client) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	if c.view.Over == "" {
		c.view.Over = "closed"
		c.conn.Close()
	}
	c.view.Removed = true
	v := c.view
	c.story.tell(event{Kind: "client", Client: &v})
}
