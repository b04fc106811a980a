package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"example/tcpladder/client/framing"
	"example/tcpladder/shared/cli"
)

// Bytes are not messages: what was sent by one call does not arrive as one.
var boundaries = wall{
	name:  "bytes-are-not-messages",
	title: "Bytes are not messages: sends against reads on 04, frames against frames on 05",
	// who: client sends, server reads or client receives; bytes: of one call, on 05 of one
	// frame where the client is concerned.
	columns: []string{"server", "who", "number", "bytes"},
	measure: measureBoundaries,
	show:    showBoundaries,
	plot:    plotBoundaries,
}

// messages are short ones, and one that is longer than the buffer of a server.
func messages() (all [][]byte) {
	for i := range 12 {
		all = append(all, fmt.Appendf(nil, "message %2d;", i+1))
	}
	return append(all, bytes.Repeat([]byte("long, "), 100_000))
}

func measureBoundaries(l *lab, t *table) error {
	for _, name := range []string{"04", "05"} {
		l.say("bytes are not messages: %s", name)
		if err := deliver(l, t, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// deliver sends the messages, each by one call, and notes what arrives where.
// The server's reads are what it says itself with -v=json.
func deliver(l *lab, t *table, name string) error {
	var reads readLog
	s, err := l.start(name, reads.line, "-v=json")
	if err != nil {
		return err
	}
	receive := receiveBytes
	if name == "05" {
		receive = receiveFrames
	}
	got, err := receive(l, s.Addr)
	s.Stop() // its last line has been read when it has ended
	if err != nil {
		return s.Explain(err)
	}
	if reads.gaps {
		return errors.New("a part of its narration is missing: is the machine busy?")
	}
	for i, list := range [][]int{sizes(messages()), reads.sizes, got} {
		for j, n := range list {
			t.add(name, parties[i], j+1, n)
		}
	}
	return nil
}

// parties are those who see the bytes, in the order in which they do.
var parties = []string{"client sends", "server reads", "client receives"}

// sizes returns the lengths.
func sizes(all [][]byte) (n []int) {
	for _, m := range all {
		n = append(n, len(m))
	}
	return n
}

// A readLog picks the reads that brought something from the narration.
type readLog struct {
	sizes []int
	gaps  bool // some calls were not told
}

// line takes a line of -v=json: one object, of which this is what matters here. A
// call that failed has no result.
func (r *readLog) line(s string) {
	var o struct {
		Kind, Call string
		Result     int
	}
	if json.Unmarshal([]byte(s), &o) != nil {
		return
	}
	switch {
	case o.Kind == "call" && o.Call == "read" && o.Result > 0:
		r.sizes = append(r.sizes, o.Result)
	case o.Kind == "gap" || o.Kind == "dropped":
		r.gaps = true
	}
}

// receiveBytes returns the bytes of each read until the end of file. Who sends and
// who receives are two goroutines: one alone would wait for itself when the
// buffers are full.
func receiveBytes(l *lab, addr string) (got []int, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		for _, m := range messages() {
			conn.Write(m)
		}
		conn.(*net.TCPConn).CloseWrite()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			got = append(got, n)
		}
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// receiveFrames returns the bytes of each frame until the end of file.
func receiveFrames(l *lab, addr string) (got []int, err error) {
	conn, err := framing.Dial(l.ctx, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() {
		for _, m := range messages() {
			conn.Send(m)
		}
		conn.CloseWrite()
	}()
	for {
		frame, err := conn.Recv()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return nil, err
		}
		got = append(got, len(frame))
	}
}

// showBoundaries writes a line for each party, with a field for each call or frame.
func showBoundaries(w io.Writer, t *table) {
	for _, server := range t.distinct("server") {
		for _, who := range parties {
			part := t.where("server", server).where("who", who)
			unit := ""
			if server == "05" && who != "server reads" {
				unit = " frames"
			}
			lead := fmt.Sprintf("%s %-16s %2d%-7s ", server, who, len(part.rows), unit)
			fmt.Fprintln(w, lead+fields(part, cli.Width-cli.Columns(lead)))
		}
	}
}

// fields shows the sizes side by side. It leaves out the middle of a row that is wider
// than width.
func fields(t *table, width int) string {
	var words []string
	for i := range t.rows {
		words = append(words, t.text(i, "bytes"))
	}
	row := func(words []string) string { return "|" + strings.Join(words, "|") + "|" }
	for kept := len(words) - 1; cli.Columns(row(words)) > width; kept-- {
		words = slices.Delete(words, (kept+1)/2, len(words)-kept/2)
		words = slices.Insert(words, (kept+1)/2, "…")
	}
	return row(words)
}
