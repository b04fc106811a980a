package echotest

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// holdTerminal makes a terminal whose master nobody reads.
func holdTerminal() (*heldLog, error) {
	// Both ends are not opened by package os, which would make them not block.
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, Skipf("no pseudo-terminal here: %v", err)
	}
	h := &heldLog{reader: os.NewFile(uintptr(master), "terminal's master")}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	slave := -1
	if err == nil {
		slave, err = unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		h.reader.Close()
		return nil, Skipf("no pseudo-terminal here: %v", err)
	}
	h.server = os.NewFile(uintptr(slave), "terminal")
	return h, nil
}

// press types Ctrl and a letter on the terminal, and waits until the terminal
// takes output as that key has it.
func (h *heldLog) press(letter byte, takes bool) error {
	if _, err := unix.Write(int(h.reader.Fd()), []byte{letter & 0x1f}); err != nil {
		return os.NewSyscallError("write", err)
	}
	beat := time.NewTicker(time.Millisecond)
	defer beat.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-beat.C {
		poll := []unix.PollFd{{Fd: int32(h.server.Fd()), Events: unix.POLLOUT}}
		if n, err := unix.Poll(poll, 0); err == nil && (n > 0) == takes {
			return nil
		}
	}
	return Skipf("the terminal does not obey Ctrl-%c", letter)
}
