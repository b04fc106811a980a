package socket

// OpenBSD sets the times for the whole system, see net.inet.tcp.keepidle in
// sysctl(2).
var keepAlive []tcpOption

var alsoGone []error
