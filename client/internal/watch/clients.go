package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Drawn is the maximum number of clients drawn.
const Drawn = 12

// A clientView is what the page knows about a client.
type clientView struct {
	ID      string `json:"id"`
	Port    int    `json:"port"`
	Run     int    `json:"run"` // which server process it is connected to
	Sent    int64  `json:"sent"`
	Got     int64  `json:"got"`
	Left    int    `json:"left,omitempty"` // bytes still to be written
	Out     string `json:"out,omitempty"`  // what it sent last
	In      string `json:"in,omitempty"`   // what arrived last
	Frames  int    `json:"frames,omitempty"`
	Deaf    bool   `json:"deaf,omitempty"` // it has stopped reading
	Floods  bool   `json:"floods,omitempty"`
	Half    bool   `json:"half,omitempty"` // it has half-closed
	Over    string `json:"over,omitempty"` // why the connection has ended
	Removed bool   `json:"gone,omitempty"` // it is no longer shown
}

// A client is a drawn connection, with a goroutine for each direction: as in any
// client, neither waits for the other.
type client struct {
	story  *story
	framed bool
	conn   *net.TCPConn

	mu      sync.Mutex
	changed *sync.Cond
	view    clientView
	queue   []piece // to be sent
	told    time.Time
	stale   bool // the page lags behind
	tail    []byte
	frame   []byte // the header and the start of the payload of the frame under way
	skip    int    // bytes of its payload still to come
}

// A piece is what one action sends: bytes, or a FIN.
type piece struct {
	bytes []byte
	end   bool
}

// connect connects a client and starts its goroutines.
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

// dialTime is how long connecting may take. (It is instant unless the listener's queue
// is full.)
const dialTime = 3 * time.Second

// act records that the client did something. The caller holds the mutex, or is the
// only one to have c.
func (c *client) act(text string) {
	v := c.view
	c.told, c.stale = time.Now(), false
	c.story.tell(event{Kind: "act", Text: text, Client: &v})
}

// update records the client's state, at most every 50 ms: see refresh.
func (c *client) update() {
	if c.stale = time.Since(c.told) < beat; c.stale {
		return
	}
	v := c.view
	c.told = time.Now()
	c.story.tell(event{Kind: "client", Client: &v})
}

// refresh records what update has put off.
func (c *client) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale {
		c.update()
	}
}

// mostQueued is how many bytes may wait to be written.
const mostQueued = 8 << 20

// do carries out an action.
func (c *client) do(action, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.changed.Broadcast()
	if c.view.Over != "" {
		return errors.New("this connection has ended")
	}
	switch action {
	case "deaf", "hear", "close", "reset":
		return c.steer(action)
	}
	if c.view.Half {
		return errors.New("it has half-closed: it can send no more")
	}
	switch action {
	case "send":
		return c.put(c.message([]byte(text)), "sends "+clip(text))
	case "raw":
		return c.put([]byte(text), "sends the bytes "+clip(text))
	case "mib":
		return c.put(c.message(make([]byte, 1<<20)), "sends 1 MiB")
	case "half-frame":
		return c.put([]byte("\x00\x00\x00\x0ahello"), "sends half a frame: it announces 10 bytes and sends 5")
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
		return fmt.Errorf("unknown action %q", action)
	}
	return nil
}

// steer carries out the actions that send nothing. The caller holds the mutex.
func (c *client) steer(action string) error {
	switch action {
	case "deaf":
		c.view.Deaf = true
		c.conn.SetReadDeadline(time.Now()) // wakes receive
		c.act("stops reading")
	case "hear":
		c.view.Deaf = false
		c.conn.SetReadDeadline(time.Time{})
		c.act("reads again")
	case "close", "reset":
		c.view.Over = "closed"
		if action == "reset" {
			c.view.Over = "reset"
			c.conn.SetLinger(0) // so that close(2) sends a RST
		}
		c.conn.Close()
		c.act(map[string]string{"close": "closes", "reset": "resets the connection"}[action])
	}
	return nil
}

// message returns the bytes to send for a payload: a frame, or the payload and a
// newline (none after 1 MiB).
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
			// In pieces, so that the page shows progress.
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

// nextPiece waits until there is something to send, or the connection has ended.
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
			c.stale = true // for refresh to record: the server's write event takes longer to get here
		}
		again := errors.Is(err, os.ErrDeadlineExceeded)
		c.mu.Unlock()
		if err != nil && !again {
			c.over(err)
			return
		}
	}
}

// take counts what arrived and keeps the last bytes, or the last frame's payload.
func (c *client) take(p []byte) {
	c.view.Got += int64(len(p))
	if !c.framed {
		c.tail = append(c.tail, p[max(0, len(p)-shown):]...)
		c.tail = slices.Clone(c.tail[max(0, len(c.tail)-shown):])
		if c.view.In = strconv.Quote(string(c.tail)); c.view.Got > shown {
			c.view.In = "…" + c.view.In
		}
		return
	}
	const header = 4
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
		c.frame = append(c.frame, p[:min(n, header+shown+1-len(c.frame))]...)
		if c.skip, p = c.skip-n, p[n:]; c.skip == 0 {
			c.view.Frames++
			c.view.In, c.frame = clip(string(c.frame[header:])), nil
		}
	}
}

// over records that the connection has ended, unless the client itself ended it.
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
	c.act("is disconnected: " + c.view.Over)
}

// plain strips the call names from an error.
func plain(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}

// shown is how many bytes of a text the page shows.
const shown = 40

// clip quotes the beginning of a text as a Go string.
func clip(text string) string {
	if len(text) > shown {
		return strconv.Quote(text[:shown]) + "…"
	}
	return strconv.Quote(text)
}

// queues asks the kernel how much is in the queues at this end.
func (c *client) queues() (id string, port int, p *pipe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p = &pipe{Send: -1, Receive: -1, Reply: -1, Take: -1}
	if raw, err := c.conn.SyscallConn(); err == nil && c.view.Over == "" {
		raw.Control(func(fd uintptr) { p.Send, p.Take = ownQueues(int(fd)) })
	}
	return c.view.ID, c.view.Port, p
}

// remove closes the client and takes it off the page.
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
