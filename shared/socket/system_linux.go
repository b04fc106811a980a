package socket

import "golang.org/x/sys/unix"

var keepAlive = []tcpOption{
	{unix.TCP_KEEPIDLE, keepAliveIdle},
	{unix.TCP_KEEPINTVL, keepAliveInterval},
	{unix.TCP_KEEPCNT, keepAliveCount},
}

// alsoGone is what only Linux has.
var alsoGone = []error{unix.ENONET}
