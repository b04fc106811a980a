package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"example/tcpladder/client/internal/load"
	"example/tcpladder/client/internal/target"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// rungs are all servers of the ladder; net is the one on package net.
var rungs = func() (numbers []string) {
	for _, folder := range echotest.Folders() {
		numbers = append(numbers, folder[:2])
	}
	return slices.Clip(numbers)
}()

// A lab builds and starts the servers.
type lab struct {
	ctx      context.Context
	quick    bool
	pinned   bool // server on CPU 0, load on CPU 1
	programs map[string]string
	say      func(format string, args ...any) // progress, in one line
}

// newLab builds all servers; that is to be done before this process is kept on
// one CPU.
func newLab(ctx context.Context, b *target.Builder, quick bool, say func(string, ...any)) (*lab, error) {
	l := &lab{ctx: ctx, quick: quick, programs: map[string]string{}, say: say}
	for _, name := range append([]string{"net"}, rungs...) {
		say("building %s", name)
		build := b.Rung
		if name == "net" {
			build = func(string) (string, error) { return b.Net() }
		}
		path, err := build(name)
		if err != nil {
			return nil, err
		}
		l.programs[name] = path
	}
	// On one CPU each, the two ends do not get in each other's way, and the
	// scheduler's choice of a CPU does not show in the figures.
	if runtime.GOOS == "linux" && runtime.NumCPU() > 1 && proc.Pin(1) == nil {
		l.pinned = true
	}
	return l, nil
}

// start starts a server; line, which may be nil, gets its standard error.
func (l *lab) start(name string, line func(string), flags ...string) (*target.Server, error) {
	cpu := -1
	if l.pinned {
		cpu = 0
	}
	args := append([]string{l.programs[name], "-addr", "127.0.0.1:0"}, flags...)
	s, err := target.Start(l.ctx, cpu, line, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// load makes a load on one worker. If nothing comes back it takes more time, and
// more: on a machine that does much else, 02 may not get its turn before.
func (l *lab) load(s *target.Server, conns, depth int, d time.Duration) (r *load.Result, err error) {
	for range 4 {
		r, err = load.Run(l.ctx, load.Config{
			Addr: s.Addr, Framed: true, Conns: conns, Depth: depth, Size: 64, Workers: 1,
			Warmup: d / 5, Duration: d,
			ServerCPU: s.CPU,
		})
		if err != load.ErrNothing {
			break
		}
		d *= 4
	}
	if err != nil {
		return nil, s.Explain(err)
	}
	return r, nil
}

// pick returns the first value, or the second for -quick.
func pick[T any](l *lab, whole, quick T) T {
	if l.quick {
		return quick
	}
	return whole
}

// progress returns a function that shows what is going on, on one line of
// standard error.
func progress(on bool) func(string, ...any) {
	return func(format string, args ...any) {
		if on {
			fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
		}
	}
}
