// Command main connects to any number of peers at once, shakes hands with each,
// and prints what they have to say.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/narrate"
)

var (
	helloSize = cli.Bytes("hello-size", len("hello"),
		"say hello with this many `bytes`, 5 or more, filled up with spaces")
	timeout = cli.Duration("timeout", 2*time.Second,
		"give up when a peer stays in one state for this `duration`; 0s: never")

	peers []netip.AddrPort
)

func init() {
	flag.Func("connect", "connect to this `host:port`; may be repeated", func(v string) error {
		peer, err := parse(v)
		peers = append(peers, peer)
		return err
	})
}

func main() {
	narrate.Flag("v", "print system calls and their results on standard error; -v=json: as JSON")
	cli.Parse()
	if len(peers) == 0 || *helloSize < len("hello") {
		fmt.Fprintln(os.Stderr, "at least one -connect host:port, and a -hello-size of at least 5 (-h lists the flags)")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := connectAll(ctx, peers); err != nil {
		cli.Fatal(err)
	}
	cli.Exit()
}
