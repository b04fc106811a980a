package main

import (
	"errors"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
	"example/tcpladder/shared/socket"
)

// parse reads an IP address (or localhost) and a port.
func parse(addr string) (netip.AddrPort, error) {
	if port, ok := strings.CutPrefix(addr, "localhost:"); ok {
		addr = "127.0.0.1:" + port
	}
	peer, err := netip.ParseAddrPort(addr)
	if err != nil || peer.Port() == 0 || peer.Addr().Zone() != "" {
		return peer, errors.New("not an IP address (or localhost) and a port from 1 to 65535")
	}
	return peer, nil
}

// dial begins to connect to peer and returns at once, see connect(2). The
// descriptor does not block. When it becomes writable, connectError knows whether
// there is a connection.
func dial(peer netip.AddrPort) (fd int, err error) {
	family, name := sockaddr(peer)
	fd, err = unix.Socket(family, unix.SOCK_STREAM, 0)
	narrate.Done(narrate.Call{Name: "socket", Arg: family, Result: fd, Err: err, Words: "TCP"})
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	if err = socket.SetNonblock(fd); err == nil {
		err = unix.Connect(fd, name)
		narrate.Done(narrate.Call{Name: "connect", Arg: fd, Err: err, Words: peer.String()})
	}
	// EINPROGRESS: it is on its way. So it is after EINTR, and connect must not be
	// called again. Without an error it was quick, which changes nothing.
	if err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		socket.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// connectError returns how connect(2) has ended, see SO_ERROR in socket(7). The
// kernel says it only once.
func connectError(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if code != 0 {
		return os.NewSyscallError("connect", unix.Errno(code))
	}
	return nil
}

func sockaddr(a netip.AddrPort) (family int, name unix.Sockaddr) {
	if ip := a.Addr().Unmap(); ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Addr: ip.As4(), Port: int(a.Port())}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}
