package narrate

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// An output writes lines to a descriptor and never waits for those who read
// them. A pipe that nobody empties and a terminal held by Ctrl-S would put the
// writer to sleep, and every client of a server with it. So it asks poll(2)
// whether the descriptor takes bytes; a line that it does not take is dropped
// and counted.
//
// O_NONBLOCK would be no help: it belongs to the open file, which this process
// shares with the shell and with every other program on that terminal.
type output struct {
	fd       int
	open     bool // the last line has no newline yet
	dropped  int  // lines, since the last one that was written
	announce func(dropped int) string
}

// chunk is how much a pipe takes without waiting when poll says it is writable.
// POSIX promises _POSIX_PIPE_BUF, which is 512; Linux has 4,096.
const chunk = 512

// tearing is how long the rest of a line may wait after its first chunk, which
// everybody can already see: long enough for a busy reader, but not forever.
const tearing = 20 * time.Millisecond

// begin writes s, which begins a line, and before it what has to be said about
// lines that were dropped. It waits for patience at most. It reports whether s
// was written; if not, it was counted, if it is a whole line.
func (o *output) begin(s string, patience time.Duration) bool {
	before := ""
	if o.open {
		before = "…\n"
	}
	if o.dropped > 0 {
		before += o.notice()
	}
	whole := len(s) > 0 && s[len(s)-1] == '\n'
	n := o.write(before+s, patience)
	if n >= len(before) {
		o.dropped = 0 // that has been said, whatever becomes of s
	}
	if n == len(before+s) {
		o.open = len(s) > 0 && !whole
		return true
	}
	if whole {
		o.dropped++
	}
	o.open = o.open || n > 0
	return false
}

// finish writes the second half of the line that is open. If that does not
// work, the line stays open.
func (o *output) finish(s string) bool {
	if !o.open || o.dropped > 0 || o.write(s, 0) < len(s) {
		return false
	}
	o.open = false
	return true
}

func (o *output) notice() string {
	if o.announce != nil {
		return o.announce(o.dropped)
	}
	lines := "lines"
	if o.dropped == 1 {
		lines = "line"
	}
	return fmt.Sprintf("… %s %s dropped: nobody was reading\n", thousands(o.dropped), lines)
}

// write writes s in pieces that do not make it wait, and returns how many bytes
// were taken: none, if the first piece is not taken within patience, or not all,
// if the others are not within tearing.
func (o *output) write(s string, patience time.Duration) (written int) {
	for end := time.Now().Add(patience); written < len(s); {
		n := 0
		if o.ready(time.Until(end)) {
			n, _ = unix.Write(o.fd, []byte(s[written:min(len(s), written+chunk)]))
		}
		if n <= 0 {
			break
		}
		if written == 0 {
			end = time.Now().Add(tearing)
		}
		written += n
	}
	return written
}

// ready waits until the descriptor takes bytes, for patience at most. A system
// that cannot tell, such as macOS for some devices, says POLLNVAL: then write(2) is tried.
func (o *output) ready(patience time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLOUT}}
	for end := time.Now().Add(patience); ; {
		n, err := unix.Poll(fds, int(max(0, time.Until(end)).Milliseconds()))
		if err != unix.EINTR {
			return n > 0
		}
	}
}
