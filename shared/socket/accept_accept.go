//go:build darwin || netbsd || openbsd

package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// accept needs a second call for close-on-exec: x/sys has no accept4(2) here. A
// child started between the two would inherit the connection; these servers
// start none.
func accept(listener int) (int, netip.AddrPort, error) {
	fd, name, err := unix.Accept(listener)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	return fd, addrPort(name), err
}
