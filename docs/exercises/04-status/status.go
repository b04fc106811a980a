package main

import (
	"errors"
	"time"

	"example/tcpladder/shared/cli"
)

var status = cli.Duration("status", 5*time.Second,
	"send every client the number of clients whenever this `duration` has passed; 0s: never")

// keepBeat has the loop call broadcast whenever that time has passed.
func (s *server) keepBeat() {
	if *status > 0 {
		// Your part: this is once, and too early.
		s.broadcast()
	}
}

// broadcast sends every client the number of clients.
func (s *server) broadcast() {
	// Your part. And what of a client that does not read?
	cli.Fatal(errors.New("not implemented yet"))
}
