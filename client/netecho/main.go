// Command netecho is the echo server that one would write in Go without this
// course: a goroutine for each connection, on package net. The rungs are
// measured against it.
package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

var (
	addr = flag.String("addr", "127.0.0.1:9999", "`address` to listen on")
	raw  = flag.Bool("raw", false, "echo bytes as they come, without frames")
)

// maxFrame is the longest payload, in bytes; buffer is that of each connection
// for reading and again for writing.
const (
	maxFrame = 1 << 20
	buffer   = 64 << 10
)

func main() {
	flag.Parse()
	log.SetFlags(0)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() { <-stop; os.Exit(0) }()
	fmt.Printf("listening on %v (pid %d)\n", listener.Addr(), os.Getpid())
	serve(listener)
}

// serve starts a goroutine for each client. Out of descriptors it tries again.
func serve(listener net.Listener) {
	echo := echoFrames
	if *raw {
		echo = echoBytes
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Printf("accept: %v", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go func() {
			defer conn.Close()
			if err := echo(conn); err != nil && err != io.EOF {
				log.Printf("client %v: %v", conn.RemoteAddr(), err)
			}
		}()
	}
}

// echoBytes sends back each read. Write returns when the kernel has taken all of
// it, so a client that does not read holds up its own goroutine and no other.
func echoBytes(conn net.Conn) error {
	buf := make([]byte, buffer)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// echoFrames sends the replies of one read together: it writes before it would
// have to wait.
func echoFrames(conn net.Conn) error {
	r, w := bufio.NewReaderSize(conn, buffer), bufio.NewWriterSize(conn, buffer)
	var frame []byte
	for {
		if !wholeFrame(r) {
			if err := w.Flush(); err != nil {
				return err
			}
		}
		header, err := r.Peek(4)
		if err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(header)
		if n > maxFrame {
			return fmt.Errorf("frame of %d bytes, the maximum is %d", n, maxFrame)
		}
		frame = slices.Grow(frame[:0], 4+int(n))[:4+n]
		if _, err := io.ReadFull(r, frame); err != nil {
			return err
		}
		if _, err := w.Write(frame); err != nil {
			return err
		}
	}
}

// wholeFrame reports whether a frame can be had without waiting.
func wholeFrame(r *bufio.Reader) bool {
	if r.Buffered() < 4 {
		return false
	}
	header, _ := r.Peek(4)
	return r.Buffered()-4 >= int(binary.BigEndian.Uint32(header))
}
