package socket

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestListenAddresses(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:0":          "127.0.0.1:",
		"localhost:0":          "127.0.0.1:",
		":0":                   "0.0.0.0:",
		"0.0.0.0:0":            "0.0.0.0:",
		"[::1]:0":              "[::1]:",
		"[::]:0":               "[::]:",
		"[::ffff:127.0.0.1]:0": "127.0.0.1:",
	} {
		fd, err := Listen(addr)
		if err != nil {
			if strings.HasPrefix(addr, "[::") {
				t.Logf("no IPv6 here? %v", err)
				continue
			}
			t.Errorf("Listen(%q): %v", addr, err)
			continue
		}
		if got := Addr(fd).String(); !strings.HasPrefix(got, want) || strings.HasSuffix(got, ":0") {
			t.Errorf("Listen(%q) is bound to %s, want %s and a port", addr, got, want)
		}
		Close(fd)
	}
}

func TestListenErrorsNameTheAddress(t *testing.T) {
	fd, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	for addr, want := range map[string]string{
		Addr(fd).String():  "address already in use",
		"":                 "not an IP address",
		"9999":             "not an IP address",
		"127.0.0.1":        "not an IP address",
		"127.0.0.1:65536":  "not an IP address",
		"127.0.0.1:http":   "not an IP address",
		"example.com:9999": "not an IP address",
		"300.0.0.1:9999":   "not an IP address",
		"::1:9999":         "not an IP address",
		"[fe80::1%lo]:0":   "zones",
	} {
		_, err := Listen(addr)
		if err == nil || !strings.HasPrefix(err.Error(), "listen tcp "+addr+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Listen(%q): %v, want one line with the address and %q", addr, err, want)
		}
	}
}

// connect returns both ends of a connection to listener.
func connect(t *testing.T, listener int) (ours, theirs int) {
	t.Helper()
	theirs, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	local := Addr(listener)
	if err := unix.Connect(theirs, &unix.SockaddrInet4{Addr: local.Addr().As4(), Port: int(local.Port())}); err != nil {
		t.Fatal(err)
	}
	ours, peer, err := Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	if want := Addr(theirs); peer != want {
		t.Errorf("Accept says the peer is %v, want %v", peer, want)
	}
	t.Cleanup(func() { unix.Close(ours); unix.Close(theirs) })
	return ours, theirs
}

func TestAcceptedSocketIsSetUp(t *testing.T) {
	listener, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer Close(listener)
	ours, _ := connect(t, listener)
	for _, fd := range []int{listener, ours} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d is not close-on-exec (%d, %v)", fd, flags, err)
		}
	}
	if v, err := unix.GetsockoptInt(ours, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || v == 0 {
		t.Errorf("TCP_NODELAY = %d, %v", v, err)
	}
}

func TestTheCallsKeepTheirContract(t *testing.T) {
	listener, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer Close(listener)
	ours, theirs := connect(t, listener)
	if err := SetNonblock(ours); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := Read(ours, buf); n != 0 || err != unix.EAGAIN {
		t.Errorf("Read without input = %d, %v; want 0, EAGAIN", n, err)
	}
	for err == nil {
		_, err = Write(ours, make([]byte, 1<<16))
	}
	if n, err := Write(ours, buf); n != 0 || err != unix.EAGAIN {
		t.Errorf("Write without room = %d, %v; want 0, EAGAIN", n, err)
	}
	unix.Write(theirs, []byte("last"))
	unix.Shutdown(theirs, unix.SHUT_WR)
	if n, err := readWithin(ours, buf); string(buf[:n]) != "last" || err != nil {
		t.Errorf("Read = %q, %v; want what was sent before the end", buf[:n], err)
	}
	if n, err := readWithin(ours, buf); n != 0 || err != nil {
		t.Errorf("Read at the end = %d, %v; want 0 and no error", n, err)
	}
}

// readWithin reads, within 10 s: loopback is not instantaneous.
func readWithin(fd int, buf []byte) (n int, err error) {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if n, _ := unix.Poll(poll, 100); n > 0 {
			break
		}
	}
	return Read(fd, buf)
}
