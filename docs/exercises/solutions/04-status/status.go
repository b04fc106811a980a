package main

import (
	"bytes"
	"fmt"
	"time"

	"example/tcpladder/shared/cli"
)

var status = cli.Duration("status", 5*time.Second,
	"send every client the number of clients whenever this `duration` has passed; 0s: never")

// keepBeat has the loop call broadcast whenever that time has passed.
func (s *server) keepBeat() {
	if *status > 0 {
		s.loop.Every(*status, s.broadcast)
	}
}

// broadcast sends every client the number of clients. It leaves out a client with
// unsent bytes, which has not read what it was sent before: one more line behind
// them at every beat would grow without end. So a client still costs one buffer at
// most, and no line is ever cut in two.
func (s *server) broadcast() {
	line := fmt.Appendf(nil, "Server status: %d active connections\n", len(s.clients))
	for _, c := range s.clients {
		if !c.wantsWrite() {
			c.unsent = bytes.Clone(line)
			s.visit(c)
		}
	}
}
