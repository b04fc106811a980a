//go:build dragonfly || freebsd || linux

package socket

import "golang.org/x/sys/unix"

// accept sets close-on-exec in the same system call.
func accept(listener int) (int, unix.Sockaddr, error) {
	return unix.Accept4(listener, unix.SOCK_CLOEXEC)
}
