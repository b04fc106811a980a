package main

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"example/tcpladder/05-framing/frame"
	"example/tcpladder/shared/cli"
)

// maxName is the length of the name of a room or a member, in bytes.
const maxName = 32

// A room is those who hear each other.
type room struct {
	name    string
	members map[string]*conn // by name
}

// hear takes one message of c: the first one has to be a join, and every other is
// said in the room.
func (s *server) hear(c *conn, message []byte) {
	if c.room == nil {
		s.join(c, message)
		return
	}
	s.say(c.room, fmt.Appendf(nil, "%s: %s", c.name, message))
}

// join brings c into the room that message, "join ROOM NAME", names. If it cannot
// be, only c hears of it, and may try again.
func (s *server) join(c *conn, message []byte) {
	word := bytes.Split(message, []byte(" "))
	if len(word) != 3 || string(word[0]) != "join" || !isName(word[1]) || !isName(word[2]) {
		s.tell(c, []byte("! say first: join ROOM NAME"))
		return
	}
	r := s.rooms[string(word[1])]
	if r == nil {
		r = &room{name: string(word[1]), members: map[string]*conn{}}
	}
	// Your part: one more member, or a name that is taken.
	cli.Fatal(fmt.Errorf("join %s with %d members: not implemented yet", r.name, len(r.members)))
}

// part takes c out of its room, if it is in one; the last one takes the room away.
// When the server is stopping, all leave, and nobody hears of it.
func (s *server) part(c *conn) {
	r := c.room
	if r == nil || s.draining {
		return
	}
	// Your part.
	cli.Fatal(fmt.Errorf("leave %s: not implemented yet", r.name))
}

// say tells all members of r, also the one who speaks: so all hear the same, in
// the same order.
func (s *server) say(r *room, message []byte) {
	// Your part.
	cli.Fatal(errors.New("not implemented yet"))
}

// tell queues a message for c. To send it here could end c, of which its room has
// to hear, which could end another, all in the middle of a walk through the
// members.
func (s *server) tell(c *conn, message []byte) {
	c.unsent = frame.Append(c.unsent, message)
	if c.queued {
		return
	}
	if len(s.queued) == 0 {
		s.loop.After(0, s.deliver) // when all handlers of this turn have returned
	}
	c.queued = true
	s.queued = append(s.queued, c)
}

// deliver sends what was said. What is said meanwhile comes next.
func (s *server) deliver() {
	queued := s.queued
	s.queued = nil
	for _, c := range queued {
		c.queued = false
		if s.clients[c.fd] == c { // it may have left
			s.visit(c)
		}
	}
}

// isName reports whether p can be the name of a room or a member: some printable
// characters without spaces, so that no name can be taken for something else.
func isName(p []byte) bool {
	unfit := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	return len(p) > 0 && len(p) <= maxName && utf8.Valid(p) && bytes.IndexFunc(p, unfit) < 0
}
