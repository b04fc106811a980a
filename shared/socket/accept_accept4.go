//go:build dragonfly || freebsd

package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// accept sets close-on-exec in the same system call.
func accept(listener int) (int, netip.AddrPort, error) {
	fd, name, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	return fd, addrPort(name), err
}
