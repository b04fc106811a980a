package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"example/tcpladder/client/internal/load"
	"example/tcpladder/client/internal/target"
	"example/tcpladder/shared/echotest"
)

// A subject is a server that is measured.
type subject struct {
	name   string
	addr   string   // of one that runs already,
	args   []string // or the command that starts it
	cpus   int      // that it can use
	rounds []round
}

// A round is one measurement of one server.
type round struct {
	*load.Result
	empty, crowded int64 // resident bytes of the server, without and with the idle clients
}

// subjects lists the servers, and builds those that are part of this project.
func (f *benchFlags) subjects(b *target.Builder) (list []*subject, err error) {
	if f.addr != "" {
		list = append(list, &subject{name: f.addr, addr: f.addr, cpus: runtime.NumCPU()})
	} else {
		s, err := rungSubject(b, f.rung)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	for _, v := range f.vs {
		s, err := f.other(b, v)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	for _, s := range list {
		// A server that runs already is where its user has put it.
		if f.serverCPU >= 0 && s.addr == "" {
			s.cpus = 1
		}
	}
	return list, nil
}

// rungSubject builds a rung. It runs on one thread, so that one CPU is its limit.
func rungSubject(b *target.Builder, name string) (*subject, error) {
	path, err := b.Rung(name)
	if err != nil {
		return nil, err
	}
	rung, _ := echotest.FindRung(name)
	return &subject{name: rung.Folder, args: []string{path, "-addr", "127.0.0.1:0"}, cpus: 1}, nil
}

// other makes a subject of the value of -vs.
func (f *benchFlags) other(b *target.Builder, v string) (*subject, error) {
	if v == "net" {
		path, err := b.Net()
		if err != nil {
			return nil, err
		}
		args := []string{path, "-addr", "127.0.0.1:0"}
		if f.raw {
			args = append(args, "-raw")
		}
		return &subject{name: "net", args: args, cpus: runtime.NumCPU()}, nil
	}
	if _, err := echotest.FindRung(v); err == nil {
		return rungSubject(b, v)
	}
	return &subject{name: program(v), args: []string{"sh", "-c", v}, cpus: runtime.NumCPU()}, nil
}

// program returns a short name for a command: that of its program.
func program(command string) string {
	words := strings.Fields(command)
	if len(words) > 1 && words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 {
		return command
	}
	return filepath.Base(words[0])
}

// round measures s once.
func (s *subject) round(ctx context.Context, f *benchFlags, number int) error {
	cfg := f.config()
	cfg.Addr = s.addr
	if f.progress {
		// The line is written over until the round is over.
		cfg.Progress = func(messages uint64, elapsed time.Duration) {
			fmt.Fprintf(os.Stderr, "\r\033[K%s: round %d of %d, %.0f messages/s", s.name, number+1, f.rounds, float64(messages)/elapsed.Seconds())
		}
		defer fmt.Fprint(os.Stderr, "\r\033[K")
	}
	if s.addr != "" {
		return s.measure(ctx, f, cfg, nil)
	}
	server, err := target.Start(ctx, f.serverCPU, nil, s.args...)
	if err != nil {
		return err
	}
	defer server.Stop()
	cfg.Addr = server.Addr
	cfg.ServerCPU = server.CPU
	// What a connection saw is the symptom, what the server says the cause.
	if err := s.measure(ctx, f, cfg, server); err != nil {
		return server.Explain(err)
	}
	return nil
}

// measure makes the load, among idle clients if that is wanted. Without a server
// of our own nothing is known of its memory.
func (s *subject) measure(ctx context.Context, f *benchFlags, cfg load.Config, server *target.Server) error {
	var r round
	memory := func() int64 {
		if server == nil {
			return 0
		}
		return server.RSS()
	}
	if f.idle > 0 {
		r.empty = memory()
		crowd, err := load.Hold(cfg, f.idle)
		if err != nil {
			return err
		}
		defer crowd.Close()
		r.crowded = memory()
	}
	var err error
	if r.Result, err = load.Run(ctx, cfg); err != nil {
		return err
	}
	s.rounds = append(s.rounds, r)
	return nil
}
