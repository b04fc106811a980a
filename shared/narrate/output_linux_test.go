package narrate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns the two sides of a terminal: what a person sees, and what
// a program writes to.
func openTerminal(t *testing.T) (screen, terminal int) {
	t.Helper()
	screen, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no terminal: %v", err)
	}
	t.Cleanup(func() { unix.Close(screen) })
	if err := unix.IoctlSetPointerInt(screen, unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no terminal: %v", err)
	}
	number, err := unix.IoctlGetInt(screen, unix.TIOCGPTN)
	if err != nil {
		t.Skipf("no terminal: %v", err)
	}
	terminal, err = unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal: %v", err)
	}
	t.Cleanup(func() { unix.Close(terminal) })
	return screen, terminal
}

// look returns what is on the screen, when want is on it or 10 s have passed.
func look(t *testing.T, screen int, want string) string {
	t.Helper()
	text := ""
	buf := make([]byte, 1<<16)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		unix.Poll([]unix.PollFd{{Fd: int32(screen), Events: unix.POLLIN}}, 100)
		if n, _ := unix.Read(screen, buf); n > 0 {
			text += strings.ReplaceAll(string(buf[:n]), "\r\n", "\n")
		}
		if strings.Contains(text, want) {
			return text
		}
	}
	t.Errorf("%q is not on the screen: %q", want, text[max(0, len(text)-200):])
	return text
}

func TestATerminalIsOpenedOnceMore(t *testing.T) {
	_, terminal := openTerminal(t)
	again := own(terminal)
	if again == terminal {
		t.Fatal("the terminal was not opened once more")
	}
	defer unix.Close(again)
	for fd, want := range map[int]int{terminal: 0, again: unix.O_NONBLOCK} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != want {
			t.Errorf("flags %#x, %v; want O_NONBLOCK only where nobody else sees it", flags, err)
		}
	}
	if flags, _ := unix.FcntlInt(uintptr(again), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("it would be inherited")
	}
	var here, there unix.Stat_t
	unix.Fstat(terminal, &here)
	unix.Fstat(again, &there)
	if here.Rdev != there.Rdev {
		t.Error("it is another terminal")
	}
	p := openPipe(t)
	if fd := own(p.write); fd != p.write {
		t.Errorf("a pipe was opened once more: %d for %d", fd, p.write)
	}
}

func TestInstall(t *testing.T) {
	screen, terminal := openTerminal(t)
	l := narrateInto(t, terminal, "false")
	Install()
	if l.out.fd == terminal {
		t.Error("the log still uses the terminal as everybody does")
	}
	logLine("a line")
	look(t, screen, "a line\n")
	unix.Close(l.out.fd)
}

// Somebody has pressed Ctrl-S.
func TestATerminalThatIsHeld(t *testing.T) {
	screen, terminal := openTerminal(t)
	o := &output{fd: own(terminal)}
	defer unix.Close(o.fd)
	o.begin("before\n", 0)
	look(t, screen, "before\n")
	if err := unix.IoctlSetInt(terminal, unix.TCXONC, unix.TCOOFF); err != nil {
		t.Fatal(err)
	}
	within(t, 10*time.Second, func() {
		for range 3 {
			if o.begin("during\n", 0) {
				t.Error("a line has got to a terminal that is held")
			}
		}
	})
	if err := unix.IoctlSetInt(terminal, unix.TCXONC, unix.TCOON); err != nil {
		t.Fatal(err)
	}
	o.begin("after\n", 10*time.Second)
	if got, want := look(t, screen, "after\n"), "… 3 lines dropped: nobody was reading\nafter\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A terminal whose window hangs.
func TestATerminalThatIsNeverRead(t *testing.T) {
	screen, terminal := openTerminal(t)
	o := &output{fd: own(terminal)}
	defer unix.Close(o.fd)
	within(t, 60*time.Second, func() {
		for o.dropped < 100 {
			o.begin(strings.Repeat("x", 70)+"\n", 0)
		}
	})
	read := look(t, screen, strings.Repeat("x", 70)+"\n")
	for n := 1; n > 0; {
		buf := make([]byte, 1<<16)
		n, _ = unix.Read(screen, buf)
		read += string(buf[:max(n, 0)])
	}
	o.begin("after\n", 10*time.Second)
	if got := look(t, screen, "after\n"); !strings.HasSuffix(got, "lines dropped: nobody was reading\nafter\n") {
		t.Errorf("told %q, want the count of what was dropped", got)
	}
}
