package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"example/tcpladder/client/framing"
)

// One at a time: three clients that pause between their messages.
var turns = wall{
	name:  "one-at-a-time",
	title: "One at a time: three clients that pause, and who is being served",
	// An event is connected, echo or left; ms counts from the start of the server's turn.
	columns: []string{"server", "client", "event", "ms"},
	measure: measureTurns,
	show:    showTurns,
	plot:    plotTurns,
}

// A moment is an event in the life of a client.
type moment struct {
	client int
	event  string
	at     time.Duration
}

// measureTurns goes from rung to rung.
func measureTurns(l *lab, t *table) error {
	for _, name := range rungs {
		l.say("one at a time: %s", name)
		s, err := l.start(name, nil)
		if err != nil {
			return err
		}
		moments, err := threeClients(l, s.Addr, pick(l, 200*time.Millisecond, 60*time.Millisecond))
		s.Stop()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, m := range moments {
			t.add(name, m.client, m.event, m.at.Seconds()*1e3)
		}
	}
	return nil
}

// threeClients connects one after the other and then talks with all at once. A
// frame is echoed by a server of bytes as well.
func threeClients(l *lab, addr string, pause time.Duration) (moments []moment, err error) {
	start, results := time.Now(), make(chan clientLife, 3)
	for i := 1; i <= 3; i++ {
		conn, err := framing.Dial(l.ctx, addr)
		if err != nil {
			return nil, err
		}
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		connected := moment{i, "connected", time.Since(start)}
		go func() { results <- live(conn, connected, start, pause) }()
	}
	for range 3 {
		r := <-results
		moments = append(moments, r.moments...)
		err = cmp.Or(err, r.err)
	}
	return moments, err
}

// A clientLife is what happened to a client, and what went wrong.
type clientLife struct {
	moments []moment
	err     error
}

// live has three messages echoed, with a pause after each, and leaves.
func live(conn *framing.Conn, connected moment, start time.Time, pause time.Duration) clientLife {
	defer conn.Close()
	life := clientLife{moments: []moment{connected}}
	note := func(event string) {
		life.moments = append(life.moments, moment{connected.client, event, time.Since(start)})
	}
	for range 3 {
		life.err = conn.Send([]byte("anybody there?"))
		if life.err == nil {
			_, life.err = conn.Recv()
		}
		if life.err != nil {
			return life
		}
		note("echo")
		time.Sleep(pause) // the client's own slowness is what is measured
	}
	note("left")
	return life
}

var threeNames = []string{"1", "2", "3"}

// served returns when a client connected, had its first echo, and left.
func served(t *table, server, client string) (connected, first, left float64) {
	mine := t.where("server", server).where("client", client)
	return mine.where("event", "connected").number(0, "ms"), mine.where("event", "echo").number(0, "ms"), mine.where("event", "left").number(0, "ms")
}

// showTurns draws a Gantt chart.
func showTurns(w io.Writer, t *table) {
	whole := longest(t)
	fmt.Fprintf(w, "░ connected and waiting   █ being served   (the line is %.0f ms)\n\n", whole)
	for _, server := range t.distinct("server") {
		for _, client := range threeNames {
			connected, first, left := served(t, server, client)
			fmt.Fprintf(w, "%s client %s |%-*s| first echo after %6.1f ms\n", server, client, wide,
				gantt(whole, span{connected, first, '░'}, span{first, left, '█'}), first-connected)
		}
	}
}

// longest returns the last moment of all.
func longest(t *table) float64 {
	whole := 0.0
	for _, ms := range t.numbers("ms") {
		whole = max(whole, ms)
	}
	return whole
}
