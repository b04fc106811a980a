package socket

import (
	"slices"

	"golang.org/x/sys/unix"
)

// ClientGone reports whether an error of Accept is about one client, which is
// gone, and not about the listener: the next call may succeed. ECONNABORTED comes
// from macOS and the BSDs; on Linux accept succeeds, and read returns ECONNRESET.
// The others are network errors that accept(2) of Linux lists, and says to treat
// like EAGAIN.
func ClientGone(err error) bool {
	switch err {
	case unix.ECONNABORTED, unix.EPROTO, unix.ENOPROTOOPT, unix.EOPNOTSUPP,
		unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH:
		return true
	}
	return slices.Contains(alsoGone, err)
}

// ListenerBroken reports whether an error of Accept means that no call on this
// listener can ever succeed, see accept(2).
func ListenerBroken(err error) bool {
	switch err {
	case unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EFAULT:
		return true
	}
	return false
}
