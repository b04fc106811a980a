package echotest

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/socket"
)

// Benchmark plays ping-pong with a rung's serve, which runs in this process: so
// the allocations that it reports are those of the server as well. The client
// makes none. What it sends is a frame, which means nothing to a rung that
// echoes bytes.
//
//	go test -run '^$' -bench .
func Benchmark(b *testing.B, serve func(ctx context.Context, listener int) error) {
	listener, err := socket.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	// It is never told to stop: some rungs do that by ending the process.
	go func() {
		if err := serve(context.Background(), listener); err != nil {
			panic(err) // or the client would wait forever
		}
	}()
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%d-bytes", size), func(b *testing.B) {
			pingPong(b, listener, size)
		})
	}
}

func pingPong(b *testing.B, listener, size int) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	local := socket.Addr(listener)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: local.Addr().As4(), Port: int(local.Port())}); err != nil {
		b.Fatal(err)
	}
	message := append([]byte{0, byte(size >> 16), byte(size >> 8), byte(size)}, make([]byte, size)...)
	echo := make([]byte, len(message))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := exchange(fd, message, echo); err != nil {
			b.Fatal(err)
		}
	}
}

// exchange sends message and waits for as many bytes.
func exchange(fd int, message, echo []byte) error {
	for len(message) > 0 {
		n, err := socket.Write(fd, message)
		if err != nil {
			return err
		}
		message = message[n:]
	}
	for len(echo) > 0 {
		n, err := socket.Read(fd, echo)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("the server hung up")
		}
		echo = echo[n:]
	}
	return nil
}
