package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// read and write enter the kernel without telling Go's scheduler. That is for
// non-blocking descriptors only: on a blocking one nothing else would run, and
// no signal be heard, until the call returns. recvfrom(2) and sendto(2) do what
// read(2) and write(2) do, and go past the layer for files: 1 or 2 % faster.

func read(fd int, p []byte) (int, error) { return call(unix.SYS_RECVFROM, fd, p) }

func write(fd int, p []byte) (int, error) { return call(unix.SYS_SENDTO, fd, p) }

func call(number uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, err := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
		switch err {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, err
		}
	}
}
