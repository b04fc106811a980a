package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"example/tcpladder/client/internal/load"
	"example/tcpladder/client/internal/target"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

const benchAbout = `usage: go run ./client bench [flags]

Puts an echo server under load: every connection keeps -depth messages under way
and sends the next when an echo is complete. Every echoed byte is compared with
what was sent. Without -addr the server is built and started here.

  go run ./client bench                           05 alone
  go run ./client bench -vs net                   and package net, in turn
  go run ./client bench -raw -rung 04 -c 1000     plain bytes, 1,000 connections
  go run ./client bench -rung 03 -idle 900        ping-pong, 900 idle clients
  go run ./client bench -vs './server -p {addr}'  and any other server, in turn

A server given as a command runs in a shell. It prints the line "listening on
ADDRESS (pid N)" when it is ready, or listens on the address that takes the
place of {addr}. With -vs each round starts every server again, one after the
other, and the ratio is the ratio of the medians of all rounds.

`

// benchFlags is the command line of bench.
type benchFlags struct {
	addr, rung         string
	vs                 []string
	raw, json          bool
	progress           bool
	conns, depth, size int
	idle, rounds       int
	duration, warmup   time.Duration
	workers            int
	serverCPU, loadCPU int
}

// set defines the flags.
func (f *benchFlags) set() *flag.FlagSet {
	s := flag.NewFlagSet("bench", flag.ContinueOnError)
	s.StringVar(&f.addr, "addr", "", "`address` of a server that is running already")
	s.StringVar(&f.rung, "rung", "05", "`rung` to build and start: 01 to 05")
	s.Func("vs", "other `server` to measure in turn: net, a rung, or a command; may be repeated", func(v string) error {
		f.vs = append(f.vs, v)
		return nil
	})
	s.BoolVar(&f.raw, "raw", false, "send plain bytes instead of frames")
	s.BoolVar(&f.json, "json", false, "print the result as JSON")
	s.BoolVar(&f.progress, "progress", cli.IsTerminal(os.Stderr), "show progress on standard error (on a terminal anyway)")
	s.IntVar(&f.conns, "c", 64, "`connections`; with -idle 1 unless given")
	s.IntVar(&f.depth, "depth", 1, "`messages` under way on each connection")
	s.IntVar(&f.size, "size", 64, "payload of a message, in `bytes`")
	s.DurationVar(&f.duration, "d", 2*time.Second, "`time` to measure in each round")
	s.DurationVar(&f.warmup, "warmup", 200*time.Millisecond, "`time` of load before measuring")
	s.IntVar(&f.idle, "idle", 0, "idle `clients` to hold meanwhile; each has had one echo")
	s.IntVar(&f.rounds, "rounds", 1, "`rounds`; with -vs 5 unless given")
	s.IntVar(&f.workers, "workers", min(max(1, runtime.NumCPU()/2), 4), "`goroutines` that make the load; with -load-cpu always 1")
	s.IntVar(&f.serverCPU, "server-cpu", -1, "the only `CPU` of the servers started here (Linux; -1: any)")
	s.IntVar(&f.loadCPU, "load-cpu", -1, "the only `CPU` of the load (Linux; -1: any)")
	return s
}

// complete sets the defaults that depend on other flags, and refuses what makes
// no sense.
func (f *benchFlags) complete(s *flag.FlagSet) error {
	// A default is known only when it is known what was given.
	given := map[string]bool{}
	s.Visit(func(g *flag.Flag) { given[g.Name] = true })
	if f.idle > 0 && !given["c"] {
		f.conns = 1
	}
	if len(f.vs) > 0 && !given["rounds"] {
		f.rounds = 5
	}
	if f.loadCPU >= 0 {
		f.workers = 1
	}
	if _, err := echotest.FindRung(f.rung); err != nil {
		return err
	}
	switch {
	case f.addr != "" && given["rung"]:
		return errors.New("-addr and -rung exclude each other")
	case f.raw && f.addr == "" && strings.Contains(f.rung, "5"):
		return errors.New("05 speaks frames: choose another -rung for -raw")
	case f.conns < 1 || f.depth < 1 || f.rounds < 1 || f.workers < 1:
		return errors.New("-c, -depth, -rounds and -workers are at least 1")
	case f.size < 0 || f.raw && f.size == 0 || f.size > 64<<20:
		return errors.New("-size is from 1 byte, framed from 0, to 64 MiB")
	case f.duration <= 0 || f.warmup < 0 || f.idle < 0:
		return errors.New("-d is more than 0, -warmup and -idle are not negative")
	case f.conns*f.depth > 1<<24 || f.depth*f.size > 1<<28:
		return errors.New("-c times -depth is at most 16 million messages, -depth times -size at most 256 MiB")
	}
	return nil
}

// bench runs the command and returns its exit status.
func bench(args []string) int {
	var f benchFlags
	flags := f.set()
	if status, done := parse(flags, benchAbout, args); done {
		return status
	}
	if err := f.complete(flags); err != nil {
		cli.Complain("bench", fmt.Errorf("%w (-h lists the flags)", err))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := benchRun(ctx, &f); err != nil {
		cli.Complain("bench", err)
		return 1
	}
	return 0
}

// benchRun measures and reports. Whatever it has started or built is gone when it
// returns, also after an interrupt.
func benchRun(ctx context.Context, f *benchFlags) error {
	if err := target.Descriptors(f.conns + f.idle + 64); err != nil {
		return err
	}
	builder := target.NewBuilder()
	defer builder.Close()
	subjects, err := f.subjects(builder)
	if err != nil {
		return err
	}
	// Only after the building: the compiler may use all CPUs.
	if f.loadCPU >= 0 {
		if err := proc.Pin(f.loadCPU); err != nil {
			return err
		}
	}
	// In turn, so that a slow minute of the machine hits all servers and not one.
	for round := range f.rounds {
		for _, s := range subjects {
			if err := s.round(ctx, f, round); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return f.report(subjects)
}

// config is the load; the address differs from server to server.
func (f *benchFlags) config() load.Config {
	return load.Config{
		Framed: !f.raw, Conns: f.conns, Depth: f.depth, Size: f.size,
		Warmup: f.warmup, Duration: f.duration, Workers: f.workers,
	}
}
