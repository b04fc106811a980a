package echotest

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/narrate"
)

func TestMain(m *testing.M) {
	if os.Getenv(asServer) == "" {
		moreParallel()
	}
	Main(m, reference)
}

// moreParallel lets three tests run side by side for each CPU: most of their time
// they wait for what does not come. The flag of go test is left alone if it is given.
func moreParallel() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

// The reference is a server of another build than the rungs: package net, two
// goroutines for each client and a queue between them. It keeps every promise that
// can be kept without a narration; with -fault it breaks one.
var (
	fault       = new(string)
	framedFlag  = new(bool)
	maxFrame    = new(int)
	writeBuffer = new(int)
	idle, drain = new(time.Duration), new(time.Duration)
)

// wrong tells whether the server has this fault.
func wrong(name string) bool { return *fault == name }

func reference() {
	flag.CommandLine = flag.NewFlagSet("", flag.ContinueOnError) // without the test's own
	addr := flag.String("addr", "127.0.0.1:9999", "listen on this `host:port`")
	fault = flag.String("fault", "", "what is wrong")
	framedFlag = flag.Bool("framed", false, "speak frames")
	alone := flag.Bool("alone", false, "serve one client at a time, and tell the system calls")
	maxFrame = cli.Bytes("max-frame", defaultMaxFrame, "at most")
	writeBuffer = cli.Bytes("write-buffer", 256<<10, "at most")
	idle, drain = cli.Duration("idle-timeout", 0, "at most"), cli.Duration("drain", time.Second, "at most")
	narrate.Flag("v", "tell the system calls")
	cli.Parse()
	if wrong("idle-twice") {
		*idle *= 2
	}
	if wrong("blocking-log") || wrong("line-for-each") {
		log.SetOutput(os.Stderr)
	}
	if *alone {
		serveAlone(*addr)
		return
	}
	l, err := listenOn(*addr)
	if err != nil && wrong("address-panics") {
		panic(err)
	}
	if err != nil && wrong("address-status") {
		log.Print(err)
		os.Exit(3)
	}
	if err != nil {
		cli.Fatal(fmt.Errorf("listen %s: %w", *addr, err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	announce(l)
	everyone := &crowd{peers: map[*peer]bool{}}
	go everyone.accept(l)
	debug.SetGCPercent(25) // what it takes is to be what it holds
	background()
	<-ctx.Done()
	if !wrong("second-signal") {
		stop()
	}
	everyone.stop(l)
}

// background is what goes on beside the clients.
func background() {
	switch *fault {
	case "spin":
		for range 2 { // more than its share of a busy machine
			go func() {
				for os.Getpid() > 0 {
				}
			}()
		}
	case "reads-stdin":
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	case "dies-of-signals":
		die := make(chan os.Signal, 1)
		signal.Notify(die, unix.SIGWINCH)
		go func() { <-die; os.Exit(0) }()
	}
}

func announce(l net.Listener) {
	pid := os.Getpid()
	if wrong("pid") {
		pid++
	}
	if !wrong("no-ready-line") {
		fmt.Printf("listening on %v (pid %d)\n", l.Addr(), pid)
	}
}

func listenOn(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	network := "tcp"
	if host == "" && !wrong("both-families") {
		network, host = "tcp4", "0.0.0.0"
	}
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: !wrong("no-keep-alive")}}
	config.Control = func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if wrong("port-shared") {
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}
			if wrong("port-kept") {
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 0)
			}
		})
	}
	if wrong("no-keep-alive") {
		config.KeepAlive = -1
	}
	return config.Listen(context.Background(), network, net.JoinHostPort(host, port))
}

// A crowd is all clients.
type crowd struct {
	mu       sync.Mutex
	peers    map[*peer]bool
	newest   net.Addr
	stopping bool
	limit    *time.Timer // ends the stop
	left     sync.WaitGroup
	shared   sync.Mutex // of those who keep each other waiting
}

func (w *crowd) accept(l net.Listener) {
	failed := false
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if wrong("accept-ends") {
				cli.Fatal(err)
			}
			if !failed || wrong("line-for-each-accept") {
				log.Printf("accept: %v", errnoOf(err))
			}
			if failed = true; !wrong("no-pause") {
				time.Sleep(100 * time.Millisecond)
			}
			continue
		}
		failed = false
		w.welcome(c.(*net.TCPConn))
	}
}

func (w *crowd) welcome(c *net.TCPConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping && !wrong("stop-accepts") || wrong("few-clients") && len(w.peers) >= 900 {
		c.Close()
		return
	}
	if wrong("talkative") {
		log.Printf("client %v", c.RemoteAddr())
	}
	p := &peer{TCPConn: c, crowd: w}
	p.more = sync.NewCond(&p.mu)
	if *idle > 0 && !wrong("no-idle-timeout") {
		p.timer = time.AfterFunc(*idle, p.idled)
	}
	w.peers[p] = true
	w.newest = c.RemoteAddr()
	w.left.Add(1)
	go p.serve()
}

func (w *crowd) stops() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopping
}

// stop has everybody take what they are owed, within -drain.
func (w *crowd) stop(l net.Listener) {
	switch *fault {
	case "stop-status":
		os.Exit(1)
	case "stop-never":
		select {}
	case "stop-late":
		time.Sleep(3 * time.Second)
	case "stop-panics":
		panic("stop")
	}
	if !*framedFlag || wrong("stop-drops") {
		cli.Exit()
	}
	w.mu.Lock()
	w.stopping = true
	limit := *drain
	if wrong("stop-without-limit") {
		limit = time.Hour
	}
	if wrong("stop-slowly") {
		limit = max(limit, time.Second)
	}
	w.limit = time.AfterFunc(limit, cli.Exit)
	told := 0
	for p := range w.peers {
		if told++; !wrong("stop-answers") && (told <= 64 || !wrong("stop-tells-64")) {
			p.SetReadDeadline(time.Unix(1, 0))
		}
		if p.hasEnded() && wrong("stop-drops-ended") {
			p.Close()
		}
	}
	w.mu.Unlock()
	if !wrong("stop-accepts") {
		l.Close()
	}
	if w.left.Wait(); wrong("stop-whole-drain") {
		select {}
	}
	cli.Exit()
}

// A peer is one client.
type peer struct {
	*net.TCPConn
	crowd *crowd
	timer *time.Timer

	mu    sync.Mutex
	more  *sync.Cond // queue or ended have changed
	queue []byte
	ended bool // nothing more will be queued
	total int  // bytes read
}

func (p *peer) idled() {
	log.Printf("client %v: idle", p.RemoteAddr())
	p.end()
	p.Close()
}

func (p *peer) end() {
	p.mu.Lock()
	p.ended = true
	p.more.Broadcast()
	p.mu.Unlock()
}

func (p *peer) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// serve reads here, and writes on another goroutine.
func (p *peer) serve() {
	sent := make(chan bool)
	go func() { p.send(); close(sent) }()
	if wrong("banner") {
		p.reply([]byte("hello\n"))
	}
	var err error
	if *framedFlag {
		err = p.readFrames()
	} else {
		err = p.readBytes()
	}
	if errors.Is(err, syscall.ECONNRESET) && !wrong("reset-unlogged") {
		log.Printf("client %v: read: %v", p.nameInLog(), errnoOf(err))
	}
	if wrong("lost-tail") && errors.Is(err, io.EOF) {
		p.mu.Lock()
		p.queue = nil
		p.mu.Unlock()
	}
	if wrong("extra-byte") {
		p.reply([]byte("\n"))
	}
	p.end()
	<-sent
	p.leave(err)
}

func (p *peer) nameInLog() any {
	if wrong("log-without-name") {
		return "somebody"
	}
	if wrong("log-names-newest") {
		p.crowd.mu.Lock()
		defer p.crowd.mu.Unlock()
		return p.crowd.newest
	}
	return p.RemoteAddr()
}

// leave ends the connection: politely, unless the client has.
func (p *peer) leave(err error) {
	if p.timer != nil {
		p.timer.Stop()
	}
	if !errors.Is(err, io.EOF) && !wrong("no-linger") {
		p.CloseWrite()
		linger := 2 * time.Second
		if wrong("linger-idle") && *idle > 0 {
			linger = min(linger, *idle)
		}
		if p.SetReadDeadline(time.Now().Add(linger)); wrong("linger-forever") {
			p.SetReadDeadline(time.Time{})
		}
		var limit int64 = 16 << 20
		if p.crowd.stops() || wrong("linger-forever") {
			limit = 1 << 40
		}
		io.CopyN(io.Discard, p.TCPConn, limit)
	}
	if wrong("resets") {
		p.SetLinger(0)
	}
	if !wrong("descriptor-leak") && !wrong("no-end-of-file") {
		p.Close()
	}
	p.crowd.mu.Lock()
	delete(p.crowd.peers, p)
	p.crowd.mu.Unlock()
	p.crowd.left.Done()
}

// send writes what is queued, all that is there at once.
func (p *peer) send() {
	for {
		p.mu.Lock()
		for len(p.queue) == 0 && !p.ended {
			p.more.Wait()
		}
		out := p.queue
		p.queue = nil
		p.more.Broadcast()
		p.mu.Unlock()
		if len(out) == 0 {
			return
		}
		if wrong("late") {
			time.Sleep(40 * time.Millisecond)
		}
		if wrong("one-at-a-time") {
			p.crowd.shared.Lock()
		}
		err := p.writeAll(out)
		if wrong("one-at-a-time") {
			p.crowd.shared.Unlock()
		}
		if err != nil {
			p.SetReadDeadline(time.Unix(1, 0)) // the reader, too
			p.mu.Lock()
			p.ended, p.queue = true, nil
			p.mu.Unlock()
			return
		}
	}
}

// writeAll writes b in pieces: each that is taken is a sign of life.
func (p *peer) writeAll(b []byte) (err error) {
	for len(b) > 0 && err == nil {
		n := min(len(b), 64<<10)
		_, err = p.Write(b[:n])
		b = b[n:]
		if p.timer != nil && err == nil && (len(b) == 0 || !wrong("idle-until-empty")) {
			p.timer.Reset(*idle)
		}
		p.crowd.mu.Lock()
		if p.crowd.limit != nil && wrong("stop-prolonged") {
			p.crowd.limit.Reset(*drain)
		}
		p.crowd.mu.Unlock()
	}
	return err
}

var last struct { // what was read last, of anybody
	sync.Mutex
	bytes []byte
}

// reply queues b when there is room.
func (p *peer) reply(b []byte) {
	most := *writeBuffer
	if !*framedFlag {
		most = 64 << 10
	}
	if wrong("no-bound") {
		most = 16 << 20 // bad enough, but not for the machine
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) >= most && !p.ended && !wrong("bottomless") {
		p.more.Wait()
	}
	if p.ended {
		return
	}
	const spoilt = 300_000 // in a read that begins far behind the first
	at := p.total
	if p.total += len(b); at <= spoilt && spoilt < p.total && wrong("one-byte") {
		b[spoilt-at] ^= 1
	}
	if wrong("others-bytes") {
		last.Lock()
		if len(last.bytes) == len(b) {
			b, last.bytes = last.bytes, append([]byte(nil), b...)
		} else {
			last.bytes = append([]byte(nil), b...)
		}
		last.Unlock()
	}
	p.queue = append(p.queue, b...)
	p.more.Broadcast()
}

func (p *peer) readBytes() error {
	buf := make([]byte, 64<<10)
	for {
		n, err := p.Read(buf)
		p.reply(buf[:n])
		if err != nil {
			return err
		}
	}
}

func (p *peer) readFrames() error {
	r := bufio.NewReaderSize(p.TCPConn, 64<<10)
	for {
		header := make([]byte, 4)
		if n, err := io.ReadFull(r, header); err != nil {
			return p.inFrame(n, err)
		}
		n := int64(binary.BigEndian.Uint32(header))
		if wrong("byte-order") {
			n = int64(binary.LittleEndian.Uint32(header))
		}
		if n > int64(*maxFrame) || n == int64(*maxFrame) && wrong("greatest-refused") {
			if wrong("too-long-twice") {
				log.Printf("client %v: protocol error", p.RemoteAddr())
			}
			if !wrong("too-long-unlogged") {
				log.Printf("client %v: frame of %d bytes, the maximum is %d", p.RemoteAddr(), n, *maxFrame)
			}
			return errors.New("too long")
		}
		if wrong("cut-through") {
			p.reply(header)
			header = nil
		}
		if wrong("claims-cost") {
			claimed := make([]byte, n)
			for i := range claimed {
				claimed[i] = 1
			}
			defer func() { claimed[0] = 0 }()
		}
		payload, err := readPayload(io.LimitReader(r, n))
		if int64(len(payload)) < n {
			return p.inFrame(4+len(payload), cmp.Or(err, io.ErrUnexpectedEOF))
		}
		if n == 0 && wrong("empty-dropped") {
			continue
		}
		p.reply(append(header, payload...))
		if wrong("one-frame-a-read") {
			r.Discard(r.Buffered())
		}
	}
}

func readPayload(r io.Reader) (payload []byte, err error) {
	if !wrong("quadratic") {
		return io.ReadAll(r)
	}
	for piece := make([]byte, 64<<10); ; {
		n, err := r.Read(piece)
		payload = slices.Concat(payload, piece[:n])
		if err != nil {
			return payload, nil
		}
	}
}

// inFrame deals with an input that ends n bytes after a frame.
func (p *peer) inFrame(n int, err error) error {
	if !errors.Is(err, io.EOF) && err != io.ErrUnexpectedEOF {
		return err
	}
	if n > 0 && !wrong("half-frame-unlogged") {
		log.Printf("client %v: input ends in a frame, %d bytes dropped", p.RemoteAddr(), n)
	}
	return io.EOF
}

// errnoOf is the errno in an error of package net.
func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
