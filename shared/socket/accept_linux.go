package socket

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// accept makes the call itself, since unix.Accept4 allocates 112 bytes each time
// for an address of any family, also when nobody is waiting.
func accept(listener int) (int, netip.AddrPort, error) {
	var name unix.RawSockaddrInet6 // the longer one of the two
	size := uint32(unsafe.Sizeof(name))
	fd, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(listener),
		uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size)), unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	ip := netip.AddrFrom16(name.Addr)
	if name.Family == unix.AF_INET {
		ip = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&name)).Addr)
	}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:]) // in network order
	return int(fd), netip.AddrPortFrom(ip, port), nil
}
