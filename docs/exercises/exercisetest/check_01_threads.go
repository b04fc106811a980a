package exercisetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var threads = Exercise{
	Name:     "01-threads",
	Rung:     "01-blocking",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true},
	NotGraded: []string{
		"your predictions, and what you noticed",
		"a data race that harms no byte: go run -race may show one",
	},
	Checks: append([]echotest.Check{
		{Name: "three-at-once", Proof: on(threeAtOnce),
			Promise: "three clients who take their time are served at once",
			Cause:   "accept waits until a client has been served to the end: serve it in a goroutine"},
		{Name: "nothing-shared", Proof: on(nothingShared),
			Promise: "each client gets its own bytes, also when all send at once",
			Cause:   "two goroutines use one buffer"},
		{Name: "a-thread-each", Proof: on(aThreadEach),
			Promise: "40 clients are served at once, and a thread sleeps in read(2) for each: the descriptors block",
			Cause:   "a fixed number of goroutines serves, or nothing blocks: package net, O_NONBLOCK or an event loop have a few threads for any number of clients"},
		// There are no turns: the kernel shares the time out between the threads, and
		// each has a buffer. The one that accepts blocks, or sleeps out its pause. And
		// calls overlap, so -v shows one that has begun and another that returns.
	}, without(echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}), "turns-are-fair",
		"accept-turns", "accept-nobody", "accept-when-one-leaves", "idle-holds-nothing", "rest-is-freed",
		"narration", "narration-order", "narration-halves", "narration-between", "narration-json", "narration-state")...),
}

// threeAtOnce has three clients take turns, letter by letter. None leaves before
// all are done.
func threeAtOnce(s *server) error {
	var slow [3]*echotest.Conn
	for i := range slow {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		slow[i] = c
	}
	for _, letter := range "patience" {
		for i, c := range slow {
			if err := c.Exchange(string(letter), string(letter)); err != nil {
				return echotest.After(err, fmt.Sprintf("client %d of 3, with the others connected", i+1))
			}
		}
	}
	return nil
}

// aThreadEach counts the threads that sleep in read(2), which may take a moment.
func aThreadEach(s *server) error {
	const clients = 40
	for i := range clients {
		c, err := s.Connect(0)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Exchange("hello", "hello"); err != nil {
			return echotest.After(err, fmt.Sprintf("client %d of %d, with the others connected", i+1, clients))
		}
	}
	reading, all := 0, 0
	for deadline := time.Now().Add(proc.Patience / 5); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		list, err := s.Threads()
		if err != nil {
			return err
		}
		reading, all = 0, len(list)
		for _, t := range list {
			if t.Call == "read" {
				reading++
			}
		}
		if reading >= clients {
			return nil
		}
	}
	return &echotest.Failure{Sent: fmt.Sprintf("%d clients, all silent now", clients), Want: fmt.Sprintf("%d threads asleep in read", clients),
		Got: fmt.Sprintf("%d of %d threads are", reading, all)}
}

// nothingShared has eight clients send 2 MiB each, of one letter each: a letter of
// somebody else's is seen at once.
func nothingShared(s *server) error {
	results := make(chan error)
	const clients = 8
	for i := range clients {
		go func() { results <- monotone(s, byte('a'+i)) }()
	}
	var err error
	for range clients {
		err = errors.Join(err, <-results)
	}
	return err
}

func monotone(s *server, letter byte) error {
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	block := string(bytes.Repeat([]byte{letter}, 32<<10))
	for range 64 {
		if err := c.Exchange(block, block); err != nil {
			return echotest.After(err, fmt.Sprintf("8 clients at once, each with a letter of its own, this one with %q", letter))
		}
	}
	return nil
}
