// Command main is a TCP echo server: whatever a client sends comes back to it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/narrate"
	"example/tcpladder/shared/socket"
)

var (
	addr    = flag.String("addr", "127.0.0.1:9999", "listen on this `host:port`; port 0 lets the kernel choose")
	verbose = flag.Bool("v", false, "tell the system calls and their results on standard error")
)

func main() {
	log.SetFlags(0)
	cli.Parse()
	if *verbose {
		narrate.Start(os.Stderr)
	}
	listener, err := socket.Listen(*addr)
	if err != nil {
		log.Fatal(err)
	}
	// A log that nobody reads any more must not end the server: see os/signal.
	signal.Ignore(unix.SIGPIPE)
	ctx, _ := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	fmt.Printf("listening on %v (pid %d)\n", socket.Addr(listener), os.Getpid())
	if err := serve(ctx, listener); err != nil {
		log.Fatal(err)
	}
}
