package socket

import "golang.org/x/sys/unix"

// macOS calls the idle time TCP_KEEPALIVE.
var keepAlive = []tcpOption{
	{unix.TCP_KEEPALIVE, keepAliveIdle},
	{unix.TCP_KEEPINTVL, keepAliveInterval},
	{unix.TCP_KEEPCNT, keepAliveCount},
}

var alsoGone []error
