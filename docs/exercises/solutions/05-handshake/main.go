// Command main connects to any number of peers at once, shakes hands with each,
// and prints what they have to say.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/narrate"
)

var (
	helloSize = cli.Bytes("hello-size", len("hello"), "say hello with this many `bytes`, 5 or more; what is too much is filled with spaces")
	timeout   = cli.Duration("timeout", 2*time.Second, "give up when a peer stays in one state for this `duration`; 0s: never")
	verbose   = flag.Bool("v", false, "tell the system calls and their results on standard error")

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
	log.SetFlags(0)
	cli.Parse()
	if len(peers) == 0 || *helloSize < len("hello") {
		fmt.Fprintln(os.Stderr, "at least one -connect host:port, and a -hello-size of at least 5 (-h lists the flags)")
		os.Exit(2)
	}
	if *verbose {
		narrate.Start(os.Stderr)
	}
	ctx, _ := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	failed, err := connectAll(ctx, peers)
	if err != nil {
		log.Fatal(err)
	}
	if failed > 0 {
		os.Exit(1)
	}
}
