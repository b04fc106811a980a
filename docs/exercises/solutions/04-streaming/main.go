// Command main is a TCP server that shows its operator what ten clients say, and
// sends them what the operator types.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/narrate"
	"example/tcpladder/shared/socket"
)

var addr = flag.String("addr", "127.0.0.1:8080",
	"listen on this `host:port`; port 0 lets the kernel choose")

func main() {
	narrate.Flag("v", "print system calls and their results on standard error; -v=json: as JSON")
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
