module example/tcpladder/docs

go 1.26.0

// teacher
ignore ./exercises/solutions // parts of programs: see exercises/README.md

// /teacher
require (
	example/tcpladder/04-kqueue v0.0.0
	example/tcpladder/05-framing v0.0.0
	example/tcpladder/shared v0.0.0
	github.com/yuin/goldmark v1.8.7
	golang.org/x/sys v0.49.0
)

replace example/tcpladder/shared => ../shared

replace example/tcpladder/04-kqueue => ../04-kqueue

replace example/tcpladder/05-framing => ../05-framing
