package watch

// An About describes a rung to the page: what never changes.
type About struct {
	Name    string            `json:"name"`
	Asks    string            `json:"asks"` // how it asks the kernel: nothing, select, register, or unknown
	Framed  bool              `json:"framed"`
	Drawn   int               `json:"drawn"`
	Sources map[string]string `json:"sources"`
	Steps   []step            `json:"steps,omitempty"`
}

// A step is one step of "Try this".
type step struct {
	Do   string `json:"do"`
	Look string `json:"look"`
}

// About describes the rung.
func (w *Watch) About() About {
	if w.subject.Unknown {
		return About{Name: w.subject.Name, Asks: "unknown", Drawn: Drawn}
	}
	lesson := lessons[w.subject.Name[:2]]
	return About{w.subject.Name, lesson.asks, w.subject.Framed, Drawn, w.subject.Sources, lesson.steps}
}

// A lesson leads up to the wall of a rung.
type lesson struct {
	asks   string
	steps  []step
	scenes []Scene // for the recording
}

var lessons = map[string]lesson{
	"01": {"nothing", []step{
		{"Add client A and send a line.", "The server reads it, writes it back, and sleeps in read again: it waits for A, and for nobody else."},
		{"Add client B, and have it send hi.", "B is connected. It is in the accept queue, and its 3 bytes are in the server's receive queue: the server has not accepted it."},
		{"Send another line from A.", "A is answered at once. B still waits, and the server does not even know it is there."},
		{"Have A stop reading, and flood.", "Now the server sleeps in write: A's receive queue and its own send queue are full. One client holds up all the others."},
		{"Close A.", "Only now does the server accept B, and find its bytes where they have been all along."},
	}, []Scene{
		{Steps: "700ms A+ 500ms A:hello 700ms", Note: "A is served: its line was read and written back. Now the server sleeps in read, and waits for A alone."},
		{Steps: "B+ 500ms B>hi 1200ms", Note: "B is connected: the kernel did that. It is in the accept queue, and its 3 bytes are in the receive queue. The server knows nothing about it.", Key: true},
		{Steps: "A:again 800ms", Note: "A is answered at once. B still waits."},
		{Steps: "A- 500ms B< 700ms", Note: "A has left. Only now does the server accept B, and find its bytes."},
	}},
	"02": {"nothing", []step{
		{"Watch before you add a client.", "Nobody is connected, yet the server burns a core: it calls accept again and again, and gets EAGAIN."},
		{"Add A and B; send a line from B.", "B is served while A is silent: nobody waits for anybody else. That was the wall of 01."},
		{"Send nothing for a while.", "The server asks each descriptor in turn. Watch how often each says no."},
		{"Add 100 idle clients.", "It uses as much CPU as before, but each round takes longer: everybody else is asked before it is your turn."},
	}, []Scene{
		{Steps: "2500ms", Note: "Nobody is connected, yet the server burns a core: it calls accept again and again, and gets EAGAIN."},
		{Steps: "A+ 600ms B+ 600ms B:hello 2500ms", Note: "B is served while A is silent: the wall of 01 is gone. But the server asks each of them, over and over, whether there is anything to read.", Key: true},
		{Steps: "B- 500ms", Note: "B has left. The server still burns a core."},
	}},
	"03": {"select", []step{
		{"Add A and B.", "The server sleeps in one call for all of them: select. The bits are the descriptors it asks about; none is asked in vain."},
		{"Send a line from A.", "One bit comes back. But all of them went in, and will go in again every time."},
		{"Have A stop reading, and flood.", "A's echo no longer fits: its bit moves from the read set to the write set. B is served all the same."},
		{"Close A. Add 100 idle clients, and send a line from B.", "102 bits go in to find one that is ready."},
		{"Add 1,000 idle clients.", "A set has 1,024 bits. Descriptor 1,024 has none: whoever gets it is turned away. Close B and add it again: there is room for one."},
	}, []Scene{
		{Steps: "500ms A+ 300ms B+ 500ms A:hello 600ms", Note: "The server sleeps in select, asking about all of them. One bit came back, and the same bits go in again."},
		{Steps: "100+ 700ms B:hi 600ms", Note: "103 bits go in to find one that is ready."},
		{Steps: "stop 100+ 100+ 100+ 100+ 100+ cont 1200ms stop 100+ 100+ 100+ 100+ 100+ cont 1500ms", Note: "1,000 more have connected. A set has 1,024 bits. Descriptor 1,024 has none: whoever gets it is turned away.", Key: true},
		{Steps: "A:still 500ms", Note: "The others are served as before, if more slowly: all the bits go in every time."},
	}},
	"04": {"register", []step{
		{"Add A and B; send a line from A.", "Each descriptor was registered once. epoll_wait names the one that is ready; nothing is asked twice."},
		{"Add 1,000 idle clients; send a line from A.", "No ceiling, and no extra work: one descriptor is named, and one is read."},
		{"Freeze the server (SIGSTOP). From B, send the line one, then the line two.", "8 bytes are in its receive queue: nothing there says where one line ends and the next begins."},
		{"Resume it (SIGCONT).", "Two sends, one read. TCP carries bytes, not messages: that is the wall."},
		{"Have A stop reading, and flood.", "A is registered for writing instead of reading, until it takes its bytes. B does not notice."},
	}, []Scene{
		{Steps: "500ms A+ 300ms B+ 300ms A:hello 600ms", Note: "Each descriptor was registered once. epoll_wait names the one that is ready; nothing is asked twice."},
		{Steps: "stop 300ms B>one 300ms B>two 700ms", Note: "The server is frozen, and B has sent two lines: 8 bytes in its receive queue. Nothing there says where one ends and the next begins.", Key: true},
		{Steps: "cont B< 600ms", Note: "Two sends, one read. TCP carries bytes, not messages."},
	}},
	"05": {"register", []step{
		{"Add A. As in 04, freeze the server, send two lines, resume it.", "One read returns both, and they come back as two frames: each begins with its length."},
		{"Send half a frame from A, then add B and send a line.", "The server keeps what it has and waits for the rest. B does not notice."},
		{"Have B stop reading, and flood. Then have it read again.", "At the high-water mark B is paused: the server stops reading from it. When B reads again, the buffered frames are answered first."},
		{"From a new client, send a header that announces too long a frame.", "The server logs it, shuts down its sending side, reads whatever still arrives, and closes: nothing it owes is lost."},
		{"Send SIGTERM while B is not reading.", "The server accepts no one else, spends at most a second sending what it owes, and exits with status 0."},
	}, []Scene{
		{Steps: "500ms A+ 300ms A:hello 400ms A!half-frame 700ms", Note: "Half a frame: the server holds 9 bytes and waits for the rest. Nobody else has to."},
		{Steps: "B+ 300ms B!deaf B!mib B!mib B!mib B!mib B!mib B!mib B!mib 900ms", Note: "B is not reading its replies. At the high-water mark it is paused: it is registered for writing only, and TCP slows it down.", Key: true},
		{Steps: "B!hear B< 700ms", Note: "B reads again: the buffered frames are answered first, then the server reads from B again."},
		{Steps: "C+ 300ms C!too-long 600ms term 1200ms", Note: "A header that announces too long a frame is logged, and its connection closed. SIGTERM: the server sends what it owes and exits with status 0."},
	}},
}
