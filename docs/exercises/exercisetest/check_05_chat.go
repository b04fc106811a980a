package exercisetest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

var chat = Exercise{
	Name:     "05-chat",
	Rung:     "05-framing",
	Promises: echotest.Promises{Concurrent: true, Sleeps: true, Framed: true},
	NotGraded: []string{
		"your predictions",
		"how often names and rooms are looked up, and how that grows",
	},
	Checks: append([]echotest.Check{
		{Name: "join-speak-leave", Proof: on(chatRoom),
			Promise: "all in the room hear who joins, speaks and leaves, in the same order",
			Cause:   "one of the three is not said, or not to everybody; the member itself hears it too, unless it has left"},
		{Name: "rooms", Proof: on(chatRooms),
			Promise: "what is said in one room is not heard in another; a name is taken in one room only",
			Cause:   "there is one list of members for all rooms"},
		{Name: "joins-that-fail", Proof: on(chatBadJoins),
			Promise: "a join that cannot be is answered to that client alone, who may try again; until then it hears nothing",
			Cause:   "a name is not looked at, or the client is closed"},
		{Name: "every-way-out", Proof: on(chatLeaves),
			Promise: "half-close, close, reset, a frame cut off and a frame too long all mean: left; the name is free again",
			Cause:   "only one of the ways on which a client ends leads through the room"},
		{Name: "pieces", Proof: on(chatPieces),
			Promise: "it makes no difference how the frames are spread over reads",
			Cause:   "one read is taken for one frame"},
		{Name: "owed", Proof: on(chatOwed, "-write-buffer", "67108864"),
			Promise: "a client that half-closes gets all that was said until then, then end of file",
			Cause:   "end of file is taken for 'close', with messages still queued"},
		{Name: "too-long", Proof: on(chatTooLong, "-max-frame", "100"),
			Promise: "a frame over the limit ends its client, after what it said before has been sent",
			Cause:   "what came before it is thrown away, or the connection is reset"},
		{Name: "one-stops-reading", Proof: on(chatStalled, "-write-buffer", "65536"),
			Promise: "a member that stops reading does not stop the room, does not grow the server, and is shown out",
			Cause:   "the room waits for it, or all that it does not read is kept"},
		{Name: "rooms-are-forgotten", Alone: true, Proof: chatForgets,
			Promise: "a room is forgotten when its last member leaves: rooms that come and go cost nothing",
			Cause:   "s.rooms keeps a room without members: delete it when the last one parts"},
		{Name: "crowd", Proof: on(chatCrowd),
			Promise: "a hundred members who speak in turn hear every word of each other, in one order",
			Cause:   "a write that fell short loses or repeats something"},
		{Name: "stops", Proof: chatStops,
			Promise: "SIGTERM sends what is queued, and ends with status 0, whatever the members do",
			Cause:   "the end waits for a member that does not read"},
	}, echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}, "bad-address", "bad-flag", "help")...),
}

// A member is a client of the chat.
type member struct {
	*echotest.Conn
	name string
}

// joins connects, and joins an empty room or one in which those who are given
// hear it.
func (s *server) joins(room, name string, others ...*member) (*member, error) {
	c, err := s.Connect(0)
	if err != nil {
		return nil, err
	}
	m := &member{c, name}
	return m, m.join(room, others...)
}

func (m *member) join(room string, others ...*member) error {
	if err := m.say(fmt.Sprintf("join %s %s", room, m.name)); err != nil {
		return err
	}
	return heard("* "+m.name+" joined", append(others, m)...)
}

// say sends one frame, and hears wants one.
func (m *member) say(text string) error   { return m.Send(frame(text)) }
func (m *member) hears(text string) error { return m.Recv(frame(text)) }

// heard wants all of them to hear the text.
func heard(text string, all ...*member) error {
	for _, m := range all {
		if err := m.hears(text); err != nil {
			return echotest.After(err, fmt.Sprintf("%s listens", m.name))
		}
	}
	return nil
}

// spoken has m say text, and wants all to hear it.
func (m *member) spoken(text string, all ...*member) error {
	if err := m.say(text); err != nil {
		return err
	}
	return echotest.After(heard(m.name+": "+text, all...), fmt.Sprintf("%s says %q", m.name, text))
}

// trio is a room of three.
func (s *server) trio() (ann, bob, cy *member, err error) {
	if ann, err = s.joins("tea", "ann"); err != nil {
		return
	}
	if bob, err = s.joins("tea", "bob", ann); err != nil {
		return
	}
	cy, err = s.joins("tea", "cy", ann, bob)
	return
}

func chatRoom(s *server) error {
	ann, bob, cy, err := s.trio()
	if err != nil {
		return err
	}
	for _, m := range []*member{bob, ann, cy, ann} {
		for _, text := range []string{"hello", "", "join tea dan", "zwölf\nlines"} {
			if err := m.spoken(text, ann, bob, cy); err != nil {
				return err
			}
		}
	}
	bob.Close()
	if err := heard("* bob left", ann, cy); err != nil {
		return echotest.After(err, "bob closes")
	}
	return ann.spoken("who is there?", ann, cy)
}

func chatRooms(s *server) error {
	tea, err := s.joins("tea", "ann")
	if err != nil {
		return err
	}
	coffee, err := s.joins("coffee", "ann")
	if err != nil {
		return echotest.After(err, "ann is in another room")
	}
	if err := tea.spoken("milk?", tea); err != nil {
		return err
	}
	// If it had heard of the milk, that would come first.
	return echotest.After(coffee.spoken("black", coffee), `ann says "milk?" in another room`)
}

func chatBadJoins(s *server) error {
	ann, err := s.joins("tea", "ann")
	if err != nil {
		return err
	}
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	bob := &member{c, "bob"}
	long := strings.Repeat("n", 33)
	for _, text := range []string{"hello", "", "join", "join tea", "join tea ", "join  bob", "join tea bob now", "JOIN tea bob",
		"join tea " + long, "join " + long + " bob", "join tea b\x00b", "join tea b\tb", "join tea b\xffb"} {
		if err := bob.say(text); err != nil {
			return err
		}
		if err := bob.hears("! say first: join ROOM NAME"); err != nil {
			return echotest.After(err, fmt.Sprintf("the first message is %q", text))
		}
	}
	if err := bob.say("join tea ann"); err != nil {
		return err
	}
	if err := bob.hears("! ann is taken"); err != nil {
		return echotest.After(err, "ann is there already")
	}
	if err := ann.spoken("psst", ann); err != nil {
		return err
	}
	if err := bob.join("tea", ann); err != nil {
		return echotest.After(err, "joins that failed")
	}
	return bob.spoken("at last", ann, bob)
}

// chatLeaves has bob join again and again, and leave in many ways.
func chatLeaves(s *server) error {
	ann, err := s.joins("tea", "ann")
	if err != nil {
		return err
	}
	ways := []struct {
		how string
		do  func(bob *member) error
	}{
		{"half-closes", func(bob *member) error { return bob.CloseWrite() }},
		{"closes", func(bob *member) error { return bob.Close() }},
		{"resets", func(bob *member) error { bob.Reset(); return nil }},
		{"closes inside a header", func(bob *member) error { bob.Send("\x00\x00"); return bob.CloseWrite() }},
		{"closes inside a frame", func(bob *member) error { bob.Send("\x00\x00\x00\x05hel"); return bob.CloseWrite() }},
		{"announces 4 GiB", func(bob *member) error { return bob.Send("\xff\xff\xff\xff") }},
	}
	for _, w := range ways {
		bob, err := s.joins("tea", "bob", ann)
		if err != nil {
			return echotest.After(err, "bob was there before")
		}
		defer bob.Close()
		if err := w.do(bob); err != nil {
			return err
		}
		if err := ann.hears("* bob left"); err != nil {
			return echotest.After(err, "bob "+w.how)
		}
	}
	return ann.spoken("gone", ann)
}

func chatPieces(s *server) error {
	ann, err := s.joins("tea", "ann")
	if err != nil {
		return err
	}
	c, err := s.Connect(0)
	if err != nil {
		return err
	}
	defer c.Close()
	bob := &member{c, "bob"}
	for _, b := range []byte(frame("join tea bob") + frame("slow")) {
		if err := bob.Send(string([]byte{b})); err != nil {
			return err
		}
	}
	for _, m := range []*member{bob, ann} {
		if err := m.Recv(frame("* bob joined") + frame("bob: slow")); err != nil {
			return echotest.After(err, "byte by byte")
		}
	}
	var all, want strings.Builder
	for i := range 1000 {
		all.WriteString(frame(fmt.Sprint(i)))
		want.WriteString(frame(fmt.Sprintf("bob: %d", i)))
	}
	if err := bob.Send(all.String()); err != nil {
		return err
	}
	for _, m := range []*member{bob, ann} {
		if err := m.Recv(want.String()); err != nil {
			return echotest.After(err, "1000 frames in one write")
		}
	}
	return nil
}

// chatOwed has bob say more than there is room for on the way back to him, and
// half-close before he reads.
func chatOwed(s *server) error {
	c, err := s.Connect(8 << 10)
	if err != nil {
		return err
	}
	defer c.Close()
	bob := &member{c, "bob"}
	if err := bob.join("tea"); err != nil {
		return err
	}
	var want strings.Builder
	for i := range 400 {
		text := fmt.Sprintf("%d %s", i, strings.Repeat("-", 30000))
		if err := bob.say(text); err != nil {
			return err
		}
		want.WriteString(frame("bob: " + text))
	}
	if err := bob.CloseWrite(); err != nil {
		return err
	}
	if err := bob.Recv(want.String()); err != nil {
		return echotest.After(err, "12 MB of messages, then half-close")
	}
	return bob.RecvEOF()
}

func chatTooLong(s *server) error {
	ann, err := s.joins("tea", "ann")
	if err != nil {
		return err
	}
	bob, err := s.joins("tea", "bob", ann)
	if err != nil {
		return err
	}
	if err := bob.spoken(strings.Repeat("x", 100), ann, bob); err != nil {
		return echotest.After(err, "-max-frame 100")
	}
	// What comes behind it has to be read, or the close would be a reset.
	if err := bob.Send(frame("last words") + frame(strings.Repeat("x", 1<<20))); err != nil {
		return err
	}
	for _, want := range []string{"bob: last words", "* bob left"} {
		if err := ann.hears(want); err != nil {
			return echotest.After(err, "-max-frame 100, and bob sends a good frame and one of 1 MiB")
		}
	}
	if err := bob.hears("bob: last words"); err != nil {
		return err
	}
	return echotest.After(bob.RecvEOF(), "-max-frame 100")
}

// chatStalled has members who never read, while ann says 16 MiB to bob.
func chatStalled(s *server) error {
	ann, err := s.joins("tea", "ann")
	if err != nil {
		return err
	}
	bob, err := s.joins("tea", "bob", ann)
	if err != nil {
		return err
	}
	waiting := map[string]bool{}
	for i := range 20 {
		c, err := s.Connect(8 << 10)
		if err != nil {
			return err
		}
		defer c.Close()
		sloth := &member{c, fmt.Sprintf("sloth%d", i)}
		if err := sloth.say("join tea " + sloth.name); err != nil {
			return err
		}
		if err := heard("* "+sloth.name+" joined", ann, bob); err != nil {
			return err
		}
		waiting["* "+sloth.name+" left"] = true
	}
	before, _, _ := s.Memory()
	text := strings.Repeat("t", 1<<10)
	for range 512 {
		if err := chatBatch(ann, bob, text, waiting); err != nil {
			return echotest.After(err, "20 members do not read")
		}
	}
	if len(waiting) > 0 {
		return &echotest.Failure{Sent: "16 MiB said in the room, -write-buffer 65536", Want: "all 20 members who do not read are shown out", Got: fmt.Sprintf("%d are still there", len(waiting))}
	}
	now, _, err := s.Memory()
	if grown := now - before; err == nil && !proc.RaceEnabled && grown > 40<<20 {
		return &echotest.Failure{Sent: "16 MiB said in the room, 20 members do not read", Want: "a server that stays as it is", Got: fmt.Sprintf("it has grown by %d MiB", grown>>20)}
	}
	return ann.spoken("alone at last", ann, bob)
}

// chatForgets has clients come and go, each in a room of its own with the longest of
// names. The first ones show what the server needs to work. With a small GOGC its
// memory is what it holds, and not what has been thrown away since.
func chatForgets(p *echotest.Target) error {
	if proc.RaceEnabled {
		return echotest.Skipf("memory is not judged with the race detector")
	}
	started, err := p.StartWith(proc.Command{Env: []string{"GOGC=10"}})
	if err != nil {
		return err
	}
	s := &server{started}
	defer s.Kill()
	const warm, rooms, most = 1000, 6000, 1 << 20
	var before, now int64
	if err = s.passThrough(0, warm); err == nil {
		before, _, err = s.Memory()
	}
	if err == nil {
		err = s.passThrough(warm, rooms)
	}
	if err == nil {
		now, _, err = s.Memory()
	}
	if grown := now - before; err == nil && grown > most {
		err = &echotest.Failure{Sent: fmt.Sprintf("%d clients, each joins a room of its own and leaves", rooms), Want: "a server that stays as it is",
			Got: fmt.Sprintf("it has grown by %d KiB, %d bytes for each room", grown>>10, grown/rooms)}
	}
	if err == nil {
		err = s.StopBy(unix.SIGTERM, promptly)
	}
	return s.Explain(err)
}

// passThrough has n clients join rooms and leave, a few at a time. They reset, so
// that their ports are free at once.
func (s *server) passThrough(first, n int) error {
	const atOnce = 8
	results := make(chan error)
	for worker := range atOnce {
		go func() {
			var err error
			for i := first + worker; err == nil && i < first+n; i += atOnce {
				var m *member
				if m, err = s.joins(fmt.Sprintf("room%028d", i), fmt.Sprintf("name%028d", i)); err == nil {
					m.Reset()
				}
			}
			results <- err
		}()
	}
	var err error
	for range atOnce {
		err = errors.Join(err, <-results)
	}
	return err
}

// chatBatch has ann say 32 KiB, and waits until both have heard it, so that
// neither falls behind. They also hear who leaves.
func chatBatch(ann, bob *member, text string, waiting map[string]bool) error {
	const batch = 32
	if err := ann.Send(strings.Repeat(frame(text), batch)); err != nil {
		return err
	}
	for _, m := range []*member{ann, bob} {
		if m == nil {
			continue
		}
		for said := 0; said < batch; {
			got, err := m.next()
			switch {
			case err != nil:
				return echotest.After(err, m.name+" listens")
			case got == "ann: "+text:
				said++
			case strings.HasPrefix(got, "* sloth") && strings.HasSuffix(got, " left"):
				delete(waiting, got)
			default:
				return &echotest.Failure{Sent: echotest.Quote([]byte(text)), Want: "the same, or who has left", Got: echotest.Quote([]byte(got))}
			}
		}
	}
	return nil
}

// next reads one frame, whatever it is.
func (m *member) next() (string, error) {
	header, err := m.take(4)
	if err != nil {
		return "", err
	}
	n := int(header[0])<<24 | int(header[1])<<16 | int(header[2])<<8 | int(header[3])
	if n > 1<<20 {
		return "", echotest.Failf("the header of a frame of %d bytes: % x", n, header)
	}
	return m.take(n)
}

// take reads n bytes.
func (m *member) take(n int) (string, error) {
	p := make([]byte, n)
	m.SetReadDeadline(time.Now().Add(proc.Patience))
	got, err := io.ReadFull(m, p)
	if err != nil {
		return "", &echotest.Failure{Want: fmt.Sprintf("%d bytes more", n), Got: fmt.Sprintf("%d of them, then %s", got, echotest.Plain(err))}
	}
	return string(p), nil
}

func chatCrowd(s *server) error {
	var all []*member
	defer func() {
		for _, m := range all {
			m.Close()
		}
	}()
	for i := range 100 {
		m, err := s.joins("hall", fmt.Sprintf("m%d", i), all...)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	for _, m := range all {
		if err := m.say(strings.Repeat(m.name, 100)); err != nil {
			return err
		}
	}
	var first []string
	for i, m := range all {
		var order []string
		for range all {
			text, err := m.next()
			if err != nil {
				return echotest.After(err, m.name+" listens")
			}
			order = append(order, text)
		}
		if i == 0 {
			first = order
		}
		if strings.Join(order, "\n") != strings.Join(first, "\n") {
			return echotest.Failf("%s heard something else, or in another order, than %s", m.name, all[0].name)
		}
	}
	return nil
}

// chatStops stops a server with a member that does not read, and one that does.
func chatStops(p *echotest.Target) error {
	s, err := serve(p, "-write-buffer", "67108864")
	if err != nil {
		return err
	}
	defer s.Kill()
	err = func() error {
		ann, err := s.joins("tea", "ann")
		if err != nil {
			return err
		}
		c, err := s.Connect(8 << 10)
		if err != nil {
			return err
		}
		defer c.Close()
		sloth := &member{c, "sloth"}
		if err := sloth.say("join tea sloth"); err != nil {
			return err
		}
		if err := ann.hears("* sloth joined"); err != nil {
			return err
		}
		for range 256 {
			if err := chatBatch(ann, nil, strings.Repeat("t", 1<<10), nil); err != nil {
				return err
			}
		}
		if err := s.Signal(unix.SIGTERM); err != nil {
			return err
		}
		if err := ann.RecvEOF(); err != nil {
			return echotest.After(err, "SIGTERM")
		}
		ann.Close()
		code, err := s.Wait(promptly)
		if err == nil && code != 0 {
			err = echotest.Failf("exit status %d", code)
		}
		return echotest.After(err, "SIGTERM, while one member does not read")
	}()
	return s.Explain(err)
}
