package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// backlog is the number of finished handshakes that may wait for accept(2).
// The kernel lowers it to its own limit (somaxconn). A small backlog costs a
// client that comes in a crowd a full second: its SYN is dropped and sent again.
const backlog = 4096

// Listen returns a blocking descriptor that listens on addr.
//
// The host is an IPv4 or IPv6 address, localhost (127.0.0.1) or nothing
// (0.0.0.0, every IPv4 address of the machine); other names are not looked up.
// Port 0 lets the kernel choose, Addr tells what it chose. An error names addr.
func Listen(addr string) (fd int, err error) {
	// With its first timer, perhaps one of its own, the Go runtime opens an epoll
	// or kqueue descriptor, and ends the program if there is none left by then
	// (runtime: netpollinit failed). Here there still is one.
	time.AfterFunc(0, func() {})
	local, err := parse(addr)
	if err == nil {
		err = checkSpare()
	}
	if err == nil {
		fd, err = listen(local)
	}
	if err != nil {
		return -1, fmt.Errorf("listen tcp %s: %w", addr, err)
	}
	return fd, nil
}

// spare is how many descriptors a server needs: for the listener, for an event
// loop, and for a few clients. With fewer it would fail after it had said that it
// was ready.
const spare = 16

// checkSpare opens as many as are needed, and closes them again.
func checkSpare() error {
	var opened []int
	defer func() {
		for _, fd := range opened {
			unix.Close(fd)
		}
	}()
	for len(opened) < spare {
		fd, err := unix.Dup(2)
		if err != nil {
			return fmt.Errorf("%w: a server needs %d more, and gets %d (see ulimit -n)", err, spare, len(opened))
		}
		opened = append(opened, fd)
	}
	return nil
}

func listen(local netip.AddrPort) (int, error) {
	family, name := sockaddr(local)
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	narrate.Done(narrate.Call{Name: "socket", Arg: family, Result: fd, Err: err, Words: "TCP, " + local.Addr().String()})
	if err != nil {
		return -1, err
	}
	if err := prepare(fd, family, name); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func prepare(fd, family int, name unix.Sockaddr) error {
	unix.CloseOnExec(fd)
	// Connections of the last run may linger in TIME_WAIT on this port; without
	// SO_REUSEADDR they would keep it for a minute or more. (SO_REUSEPORT would
	// let a second server steal half of the clients in silence. On macOS and the
	// BSDs, SO_REUSEADDR lets 0.0.0.0 and 127.0.0.1 have the same port.)
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && family == unix.AF_INET6 {
		// Whether [::] takes IPv4 too differs between systems: here it never does.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil {
		err = unix.Bind(fd, name)
		narrate.Done(narrate.Call{Name: "bind", Arg: fd, Err: err})
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
		narrate.Done(narrate.Call{Name: "listen", Arg: fd, Err: err})
	}
	return err
}

// Addr returns the address to which fd is bound.
func Addr(fd int) netip.AddrPort {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(name)
}

func parse(addr string) (netip.AddrPort, error) {
	numeric := addr
	if port, ok := strings.CutPrefix(addr, "localhost:"); ok {
		numeric = "127.0.0.1:" + port
	} else if strings.HasPrefix(addr, ":") {
		numeric = "0.0.0.0" + addr
	}
	local, err := netip.ParseAddrPort(numeric)
	switch {
	case err != nil:
		return local, errors.New("not an IP address (or localhost) and a port from 0 to 65535")
	case local.Addr().Zone() != "":
		return local, errors.New("IPv6 zones are not supported")
	}
	return netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), nil
}

// sockaddr turns an address into what bind(2) wants, addrPort does the reverse.
func sockaddr(a netip.AddrPort) (family int, name unix.Sockaddr) {
	if a.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

func addrPort(name unix.Sockaddr) netip.AddrPort {
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return netip.AddrPort{}
}
