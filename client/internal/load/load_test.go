package load

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// listen serves each connection by serve, and returns the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// change copies what comes in, and applies f to every read.
func change(f func(p []byte) []byte) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if _, err := c.Write(f(buf[:n])); err != nil {
				return
			}
		}
	}
}

func echo(c net.Conn) { change(func(p []byte) []byte { return p })(c) }

func config(addr string) Config {
	return Config{Addr: addr, Framed: true, Conns: 3, Depth: 2, Size: 100, Duration: 50 * time.Millisecond, Workers: 2}
}

func TestRun(t *testing.T) {
	addr := listen(t, echo)
	for name, cfg := range map[string]Config{
		"frames":    {Framed: true, Conns: 10, Depth: 4, Size: 64, Workers: 2},
		"raw":       {Conns: 1, Depth: 1, Size: 1, Workers: 4},
		"empty":     {Framed: true, Conns: 2, Depth: 3, Size: 0, Workers: 1},
		"large":     {Framed: true, Conns: 3, Depth: 2, Size: 1 << 20, Workers: 1},
		"pipelined": {Conns: 2, Depth: 1000, Size: 10, Workers: 1},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Addr, cfg.Duration, cfg.Warmup = addr, 100*time.Millisecond, 10*time.Millisecond
			r, err := Run(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if r.Messages == 0 || r.Silent != 0 || r.Elapsed < cfg.Duration {
				t.Errorf("%d messages in %v, %d connections silent", r.Messages, r.Elapsed, r.Silent)
			}
			if n := r.Latency.TotalCount(); n == 0 || r.Latency.Max() > int64(10*time.Second) {
				t.Errorf("%d latencies, the longest %v", n, time.Duration(r.Latency.Max()))
			}
		})
	}
}

// In a closed loop the messages under way are the rate times their mean latency
// (Little's law), which ties the two clocks of a run together.
func TestLittle(t *testing.T) {
	cfg := Config{Addr: listen(t, echo), Conns: 8, Depth: 4, Size: 100, Workers: 2, Warmup: 50 * time.Millisecond, Duration: 300 * time.Millisecond}
	r, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	underway := r.PerSecond() * r.Latency.Mean() / 1e9
	if want := float64(cfg.Conns * cfg.Depth); underway < want/2 || underway > want*2 {
		t.Errorf("%.0f messages/s of %.0f µs are %.1f under way, want %.0f", r.PerSecond(), r.Latency.Mean()/1e3, underway, want)
	}
}

// A server's fault must be found, and named.
func TestRunFindsFaults(t *testing.T) {
	second := 0
	for name, test := range map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"a wrong byte": {change(func(p []byte) []byte { p[50] ^= 1; return p }), "byte 50 of an echo is wrong"},
		"a byte lost":  {change(func(p []byte) []byte { return append(p[:10], p[11:]...) }), "byte 10 of an echo is wrong"},
		"twice":        {change(func(p []byte) []byte { return append(p, p...) }), "never sent"},
		"closed":       {func(c net.Conn) { io.ReadFull(c, make([]byte, 100)) }, "the server"},
		"nothing":      {func(c net.Conn) { io.Copy(io.Discard, c) }, "not one echo"},
		"to the wrong client": {change(func(p []byte) []byte {
			second++
			return bytes.Repeat([]byte{byte(second)}, len(p))
		}), "is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(listen(t, test.serve))
			cfg.Conns = 1
			_, err := Run(context.Background(), cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

// One client at a time: the others are counted, and waited for only so long.
func TestRunCountsTheSilent(t *testing.T) {
	turn := make(chan struct{}, 1)
	addr := listen(t, func(c net.Conn) {
		turn <- struct{}{}
		echo(c)
		<-turn
	})
	r, err := Run(context.Background(), config(addr))
	if err != nil {
		t.Fatal(err)
	}
	if r.Silent != 2 {
		t.Errorf("%d connections silent, want 2", r.Silent)
	}
}

func TestRunRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Run(context.Background(), config(l.Addr().String())); err == nil {
		t.Error("no error although nobody listens")
	}
}

func TestRunIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	cfg := config(listen(t, echo))
	cfg.Duration = time.Hour
	if _, err := Run(ctx, cfg); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestHold(t *testing.T) {
	cfg := config(listen(t, echo))
	crowd, err := Hold(cfg, 300)
	if err != nil {
		t.Fatal(err)
	}
	crowd.Close()
	cfg.Addr = listen(t, change(func(p []byte) []byte { p[0]++; return p }))
	if _, err := Hold(cfg, 1); err == nil {
		t.Error("a wrong echo was not noticed")
	}
}

// Every message is where its number says, and no two connections are in step.
func TestStream(t *testing.T) {
	s := newStream(Config{Framed: true, Depth: 16, Size: 1000})
	if s.period%s.frame != 0 || len(s.bytes) < s.period+16*s.frame {
		t.Fatalf("period %d, %d bytes for frames of %d", s.period, len(s.bytes), s.frame)
	}
	if !bytes.Equal(s.bytes[s.period:], s.bytes[:len(s.bytes)-s.period]) {
		t.Error("what follows the period is not its beginning")
	}
	seen := map[string]bool{}
	for pos := 0; pos < s.period; pos += s.frame {
		seen[string(s.at(pos, s.frame))] = true
	}
	if len(seen)*s.frame != s.period {
		t.Errorf("%d different messages of %d", len(seen), s.period/s.frame)
	}
	if s.start(0) == s.start(1) || s.start(5)%s.frame != 0 {
		t.Error("connections begin at the same message, or within one")
	}
}

func BenchmarkCheck(b *testing.B) {
	s := newStream(Config{Framed: true, Depth: 16, Size: 1024})
	got := bytes.Clone(s.at(0, 16*s.frame))
	b.SetBytes(int64(len(got)))
	for b.Loop() {
		if !s.equal(0, got) {
			b.Fatal("different")
		}
	}
}
