// Command main is a TCP server that answers what a client sends between ^ and $
// with each byte plus one.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/narrate"
	"example/tcpladder/shared/socket"
)

var addr = flag.String("addr", "127.0.0.1:9090",
	"listen on this `host:port`; port 0 lets the kernel choose")

func main() {
	narrate.Flag("v", "print system calls and their results on standard error; -v=json: as JSON")
	acceptPort(os.Args)
	cli.Parse()
	listener, err := socket.Listen(*addr)
	if err != nil {
		cli.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	fmt.Printf("listening on %v (pid %d)\n", socket.Addr(listener), os.Getpid())
	if err := serve(ctx, listener); err != nil {
		cli.Fatal(err)
	}
	cli.Exit()
}

// acceptPort replaces an only argument that is a number by -addr with that port:
// the test script starts a server like that.
func acceptPort(args []string) {
	if len(args) != 2 {
		return
	}
	if _, err := strconv.ParseUint(args[1], 10, 16); err == nil {
		args[1] = "-addr=127.0.0.1:" + args[1]
	}
}
