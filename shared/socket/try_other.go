//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package socket

import "golang.org/x/sys/unix"

// On Linux a program may make its system calls itself; macOS and OpenBSD want them
// to go through libc. What the others promise was not checked.

func tryRead(fd int, p []byte) (int, error)  { return unix.Read(fd, p) }
func tryWrite(fd int, p []byte) (int, error) { return unix.Write(fd, p) }
