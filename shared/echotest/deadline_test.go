package echotest

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// TestDeadline: progress does not keep a check alive, nor does a server that says
// nothing.
func TestDeadline(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"a byte now and then": trickle,
		"nothing":             func(net.Conn) { <-t.Context().Done() },
	} {
		for _, check := range []string{"any-segmentation", "flood-is-fair", "side-by-side"} {
			t.Run(name+"/"+check, func(t *testing.T) {
				p := Promises{Concurrent: true}
				target := Listening(serving(t, serve), p)
				target.Until(time.Now().Add(300 * time.Millisecond))
				began := time.Now()
				err := checkNamed(t, p, check).Run(target)
				var f *Failure
				if !errors.As(err, &f) || !strings.Contains(f.Got, "stopped after") || !strings.Contains(f.Cause, "slowly") {
					t.Error(err)
				}
				if took := time.Since(began); took > patience {
					t.Errorf("took %v", took)
				}
			})
		}
	}
}

// trickle echoes a byte every 20 ms.
func trickle(c net.Conn) {
	beat := time.NewTicker(20 * time.Millisecond)
	defer beat.Stop()
	buf := make([]byte, 1)
	for range beat.C {
		if n, _ := c.Read(buf); n == 0 {
			return
		}
		c.Write(buf)
	}
}

// serving serves each connection with serve and gives the address.
func serving(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}
