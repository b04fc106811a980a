// Package load puts an echo server under load and checks every byte that comes
// back.
//
// Each connection keeps a fixed number of messages under way, its depth, and
// sends the next one when an echo is complete: a closed loop. So the server sets
// the pace, and the latency is that of a server at its limit, not of one at
// leisure. A few goroutines with an event loop each serve all connections,
// because a goroutine for each would cost more than the server does.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// ErrNothing is the error of a run in which no echo was complete.
var ErrNothing = errors.New("not one echo came back in time")

// A Config says what load is made.
type Config struct {
	Addr     string        // host:port of the server
	Framed   bool          // 4 bytes big-endian length before each payload
	Conns    int           // connections, at least 1
	Depth    int           // messages under way on each, at least 1
	Size     int           // bytes of payload; at least 1, framed also 0
	Warmup   time.Duration // load before anything is measured
	Duration time.Duration // measured
	Workers  int           // goroutines that make the load, at least 1

	// ServerCPU tells the CPU time that the server has used so far; nil if that
	// is not known.
	ServerCPU func() time.Duration
	// Progress is called a few times a second with the messages measured so far
	// and the time that took; it may be nil.
	Progress func(messages uint64, elapsed time.Duration)
}

// A Result is what was measured.
type Result struct {
	Messages  uint64                  // echoes that were complete, each compared byte by byte
	Elapsed   time.Duration           // of measuring, without the warm-up
	ServerCPU time.Duration           // 0 if not known
	LoadCPU   time.Duration           // used by this process
	Silent    int                     // connections that never got an echo
	Latency   *hdrhistogram.Histogram // nanoseconds from the decision to send to the last byte of the echo
}

// PerSecond returns the messages per second.
func (r *Result) PerSecond() float64 {
	return float64(r.Messages) / r.Elapsed.Seconds()
}

// The phases of a run.
const (
	warming int32 = iota
	measuring
	draining // nothing is sent any more
	givingUp // nor waited for
)

// A run is one load from its beginning to its end.
type run struct {
	Config
	ctx     context.Context
	stream  *stream
	base    time.Time // the clock of a run counts nanoseconds from here
	phase   atomic.Int32
	workers []*worker
	running sync.WaitGroup
	failed  chan error // room for one from each worker
}

// Run makes the load and measures it. It takes Warmup + Duration and at most a
// second more. The error says what is wrong with the server: a connection that
// it closed, an echo that differs, no echo at all; or it is that of ctx.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &run{Config: cfg, ctx: ctx, stream: newStream(cfg), base: time.Now(), failed: make(chan error, cfg.Workers)}
	defer r.close()
	if err := r.connect(); err != nil {
		return nil, err
	}
	r.start()
	result, err := r.measure()
	r.drain(err)
	if err == nil {
		err = r.summarize(result)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// check refuses what cannot be run, and has no more workers than connections.
func (cfg *Config) check() error {
	switch {
	case cfg.Conns < 1 || cfg.Depth < 1 || cfg.Workers < 1:
		return errors.New("connections, depth and workers are at least 1")
	case cfg.Size < 0 || cfg.Size == 0 && !cfg.Framed:
		return errors.New("the payload is at least 1 byte, of a frame also 0")
	case cfg.Duration <= 0:
		return errors.New("the duration is more than 0")
	}
	cfg.Workers = min(cfg.Workers, cfg.Conns)
	return nil
}

// connect opens all connections and deals them out to the workers.
func (r *run) connect() error {
	for range r.Workers {
		w, err := newWorker(r)
		if err != nil {
			return err
		}
		r.workers = append(r.workers, w)
	}
	for i := range r.Conns {
		fd, err := dial(r.Addr)
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, r.Conns, err)
		}
		if err := r.workers[i%r.Workers].add(fd, i); err != nil {
			return err
		}
	}
	return nil
}

// start lets the workers go. From here on the connections are theirs.
func (r *run) start() {
	for _, w := range r.workers {
		r.running.Go(func() {
			if err := w.serve(); err != nil {
				r.failed <- err
			}
		})
	}
}

// measure returns when the time is over, or a worker fails.
func (r *run) measure() (*Result, error) {
	if err := r.sleep(r.Warmup, func() {}); err != nil {
		return nil, err
	}
	var result Result
	before, server, own, start := r.messages(), r.serverCPU(), ownCPU(), time.Now()
	r.phase.Store(measuring)
	err := r.sleep(r.Duration, func() {
		if r.Progress != nil {
			r.Progress(r.messages()-before, time.Since(start))
		}
	})
	r.phase.Store(draining)
	result.Elapsed = time.Since(start)
	result.Messages = r.messages() - before
	result.ServerCPU = r.serverCPU() - server
	result.LoadCPU = ownCPU() - own
	return &result, err
}

// sleep calls tick every quarter of a second until d is over or a worker fails.
func (r *run) sleep(d time.Duration, tick func()) error {
	end := time.After(d)
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-r.failed:
			return err
		case <-r.ctx.Done():
			return r.ctx.Err()
		case <-end:
			return nil
		case <-ticker.C:
			tick()
		}
	}
}

// drain waits for the echoes that are still under way, but not forever: a
// server that serves one client at a time will never send those of the others.
func (r *run) drain(err error) {
	giveUp := func() {
		r.phase.Store(givingUp)
		r.wake()
	}
	if err != nil {
		giveUp()
	}
	late := time.AfterFunc(time.Second, giveUp)
	defer late.Stop()
	r.wake()
	r.running.Wait()
}

// wake makes the workers look at the phase.
func (r *run) wake() {
	for _, w := range r.workers {
		w.loop.Stop()
	}
}

// summarize adds what the workers know.
func (r *run) summarize(result *Result) error {
	select {
	case err := <-r.failed: // while draining
		return err
	default:
	}
	result.Latency = newHistogram()
	for _, w := range r.workers {
		result.Latency.Merge(w.latency)
		for _, c := range w.conns {
			if c.done == 0 {
				result.Silent++
			}
		}
	}
	if result.Messages == 0 {
		return ErrNothing
	}
	return nil
}

func (r *run) close() {
	for _, w := range r.workers {
		w.close()
	}
}

// messages adds up what the workers have counted so far.
func (r *run) messages() (n uint64) {
	for _, w := range r.workers {
		n += w.messages.Load()
	}
	return n
}

func (r *run) serverCPU() time.Duration {
	if r.ServerCPU == nil {
		return 0
	}
	return r.ServerCPU()
}

// ownCPU returns the CPU time of this process, in user mode and in the kernel.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Median returns 0 for no values.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
