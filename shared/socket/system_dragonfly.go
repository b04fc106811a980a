package socket

import "golang.org/x/sys/unix"

// DragonFly counts in milliseconds.
var keepAlive = []tcpOption{
	{unix.TCP_KEEPIDLE, keepAliveIdle * 1000},
	{unix.TCP_KEEPINTVL, keepAliveInterval * 1000},
	{unix.TCP_KEEPCNT, keepAliveCount},
}

var alsoGone []error
