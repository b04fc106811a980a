//go:build freebsd || netbsd

package socket

import "golang.org/x/sys/unix"

var keepAlive = []tcpOption{
	{unix.TCP_KEEPIDLE, keepAliveIdle},
	{unix.TCP_KEEPINTVL, keepAliveInterval},
	{unix.TCP_KEEPCNT, keepAliveCount},
}

var alsoGone []error
