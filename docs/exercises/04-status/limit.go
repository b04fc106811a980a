package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/04-kqueue/eventloop"
	"example/tcpladder/shared/socket"
)

// farewell is how long a client that is turned away has to take the reason.
const farewell = time.Second

var maxClients = 1000

func init() {
	flag.Func("max-clients", "turn away who comes when this `number` of clients are served (default 1000)", func(v string) (err error) {
		if maxClients, err = strconv.Atoi(v); err != nil || maxClients < 1 {
			return errors.New("not a number from 1")
		}
		return nil
	})
}

// turnAway sends a connection the reason why it cannot stay, and closes it when
// the client has left or its time is over. Closed at once, with input unread or still
// to come, it would be reset, and the reason could be lost on the way.
func (s *server) turnAway(fd int, peer netip.AddrPort) {
	if !s.crowded {
		log.Printf("client %v: turned away: %d clients are served", peer, len(s.clients))
	}
	s.crowded = true
	socket.SetNonblock(fd)
	socket.TryWrite(fd, fmt.Appendf(nil, "Server full: %d active connections\n", len(s.clients)))
	socket.ShutdownWrite(fd)
	var timer *eventloop.Timer
	leave := func() {
		timer.Stop()
		s.loop.Remove(fd)
	}
	ignore := func() error {
		if n, err := socket.TryRead(fd, s.buf); n == 0 && err != unix.EAGAIN {
			leave()
		}
		return nil
	}
	if err := s.loop.Add(fd, ignore); err != nil {
		s.loop.Remove(fd)
		return
	}
	timer = s.loop.After(farewell, leave)
}
