package framing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"example/tcpladder/client/framing"
)

// Two frames go out, two come back, and the server closes when it has answered
// everything.
func Example() {
	addr := startEcho() // or "127.0.0.1:9999", where a rung is listening

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := framing.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	for _, text := range []string{"hello", "world"} {
		if err := conn.Send([]byte(text)); err != nil {
			log.Fatal(err)
		}
	}
	if err := conn.CloseWrite(); err != nil {
		log.Fatal(err)
	}
	for {
		payload, err := conn.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", payload)
	}
	// Output:
	// "hello"
	// "world"
}

// A frame over the maximum is refused before anything leaves.
func ExampleMaxFrame() {
	ctx := context.Background()
	conn, err := framing.Dial(ctx, startEcho(), framing.MaxFrame(8))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	err = conn.Send([]byte("a longer story"))
	var tooLong *framing.TooLongError
	if errors.As(err, &tooLong) {
		fmt.Println(tooLong.Length, "bytes; the maximum is", tooLong.Max)
	}
	// Output: 14 bytes; the maximum is 8
}

// startEcho serves one client: its bytes, and so its frames, come back.
func startEcho() (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer listener.Close()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.Copy(conn, conn)
	}()
	return listener.Addr().String()
}
