module example/tcpladder/05-framing

go 1.26.0

require (
	example/tcpladder/shared v0.0.0
	golang.org/x/sys v0.49.0
)

replace example/tcpladder/shared => ../shared
