package echotest

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/narrate"
	"example/tcpladder/shared/socket"
)

// serveAlone is the reference for what needs a narration, and for the errors of
// accept(2): one client at a time.
func serveAlone(addr string) {
	if wrong("silent") {
		narrate.On = false
	}
	l, err := socket.Listen(addr)
	if err != nil {
		cli.Fatal(err)
	}
	ctx, _ := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, func() {
		if wrong("owed-lines") {
			os.Exit(0)
		}
		cli.Exit()
	})
	fmt.Printf("listening on %v (pid %d)\n", socket.Addr(l), os.Getpid())
	if wrong("wakes") {
		go func() {
			for range time.Tick(500 * time.Millisecond) {
				narrate.Done(narrate.Call{Name: "select", Arg: 0})
			}
		}()
	}
	var a alone
	for {
		if err := a.accept(l); err != nil {
			cli.Fatal(os.NewSyscallError("accept", err))
		}
	}
}

type alone struct {
	failed bool
	last   error // of accept
	gone   int
}

// accept serves a client, or deals with the error that came instead.
func (a *alone) accept(l int) error {
	fd, peer, err := socket.Accept(l)
	switch {
	case err == nil:
		if a.gone = 0; !wrong("one-episode") {
			a.failed = false
		}
		echoAlone(fd, peer)
	case socket.ListenerBroken(err) && wrong("broken-status"):
		cli.Exit()
	case socket.ListenerBroken(err) && !wrong("broken-retried"):
		return err
	case wrong("any-error-ends"):
		return err
	case socket.ClientGone(err) && (a.gone < 63 || wrong("never-pauses")) && !wrong("pauses-for-one"):
		a.gone++
	default:
		if !a.failed && !(err == a.last && wrong("same-error-silent")) || wrong("line-each") {
			log.Printf("accept: %v", err)
		}
		a.last = err
		if a.failed = true; !wrong("retries") {
			pause := 100 * time.Millisecond
			if wrong("long-pause") {
				pause = 2 * time.Second
			}
			time.Sleep(pause)
		}
	}
	return nil
}

func echoAlone(fd int, peer netip.AddrPort) {
	defer socket.Close(fd)
	if wrong("closes-twice") {
		defer socket.Close(fd)
	}
	if wrong("nagle") {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 0)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := readAlone(fd, buf)
		if unusual := err != nil && err != unix.ECONNRESET; unusual && wrong("read-errors-end") {
			cli.Fatal(err)
		} else if unusual && wrong("read-errors-ignored") {
			continue
		}
		if err != nil {
			log.Printf("client %v: read: %v", peer, err)
		}
		if n == 0 || err != nil {
			return
		}
		for p := buf[:n]; len(p) > 0; {
			n, err := socket.Write(fd, p)
			if err != nil {
				if err != unix.EPIPE || !wrong("broken-pipe-unlogged") {
					log.Printf("client %v: write: %v", peer, err)
				}
				return
			}
			if p = p[n:]; wrong("one-write") {
				break
			}
		}
	}
}

// readAlone has the faults of a narration.
func readAlone(fd int, buf []byte) (int, error) {
	switch *fault {
	case "whole-calls": // only told when they are over
		n, err := unix.Read(fd, buf)
		narrate.Done(narrate.Call{Name: "read", Arg: fd, Result: max(n, 0), Err: err, Bytes: buf[:max(n, 0)]})
		return max(n, 0), err
	case "wrong-sums":
		n, err := unix.Read(fd, buf)
		call := narrate.Enter(narrate.Call{Name: "read", Arg: fd})
		call.Return(max(n, 0)*2, err)
		return max(n, 0), err
	case "no-bytes":
		call := narrate.Enter(narrate.Call{Name: "read", Arg: fd})
		n, err := unix.Read(fd, buf)
		call.Return(max(n, 0), err)
		return max(n, 0), err
	case "stray-lines":
		fmt.Fprintln(os.Stderr, "reading")
	case "small-reads":
		return socket.Read(fd, buf[:5])
	}
	return socket.Read(fd, buf)
}
