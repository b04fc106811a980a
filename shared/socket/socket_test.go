package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain is also a few programs, when a test starts it as one of them.
func TestMain(m *testing.M) {
	switch os.Getenv("SOCKET_TEST_PROGRAM") {
	case "few descriptors":
		fewDescriptors()
	case "narrated":
		narrated()
	default:
		os.Exit(m.Run())
	}
}

// program runs the test program as one of them.
func program(name string) *exec.Cmd {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "SOCKET_TEST_PROGRAM="+name, "GORACE=atexit_sleep_ms=0")
	return command
}

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
			if strings.HasPrefix(want, "[") {
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

// On every system alike, [::] is every IPv6 address and no IPv4 address.
func TestAllIPv6AddressesAreNotIPv4(t *testing.T) {
	fd, err := Listen("[::]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer unix.Close(fd)
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(client)
	err = unix.Connect(client, &unix.SockaddrInet4{Port: int(Addr(fd).Port()), Addr: [4]byte{127, 0, 0, 1}})
	if err != unix.ECONNREFUSED {
		t.Errorf("IPv4 to a listener on [::]: %v, want %v", err, unix.ECONNREFUSED)
	}
}

func TestListenErrorsNameTheAddress(t *testing.T) {
	fd, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	free := next()
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
		fd, err := Listen(addr)
		if now := next(); fd != -1 || now != free {
			t.Errorf("Listen(%q): descriptor %d with %v; the next one was %d and is %d", addr, fd, err, free, now)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "listen tcp "+addr+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Listen(%q): %v, want one line with the address and %q", addr, err, want)
		}
	}
}

// next returns the number that the next descriptor will get, or -1.
func next() int {
	fd, err := unix.Dup(0)
	if err == nil {
		unix.Close(fd)
	}
	return fd
}

// leave lowers the limit so that n more descriptors can be opened.
func leave(n int, limit unix.Rlimit) {
	for limit.Cur = 0; ; limit.Cur++ {
		unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		var opened []int
		for fd, err := unix.Dup(0); err == nil; fd, err = unix.Dup(0) {
			opened = append(opened, fd)
		}
		for _, fd := range opened {
			unix.Close(fd)
		}
		if len(opened) == n && (n > 0 || limit.Cur > 2) {
			return
		}
	}
}

// fewDescriptors prints, for numbers of descriptors that can still be opened,
// what Listen says and whether it leaves anything open.
func fewDescriptors() {
	fd, err := Listen("127.0.0.1:0") // which opens what the Go runtime needs
	if err != nil {
		fmt.Println(err)
		return
	}
	Close(fd)
	var limit unix.Rlimit
	unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	for _, left := range []int{0, 1, spare - 1, spare} {
		leave(left, limit)
		free := next()
		fd, err := Listen("127.0.0.1:0")
		fmt.Printf("%d: %v, open: %v\n", left, err, fd >= 0)
		Close(fd)
		if now := next(); now != free {
			fmt.Printf("the next descriptor was %d and is %d\n", free, now)
		}
	}
	leave(0, limit)
	<-time.After(time.Millisecond) // for which the runtime waits with what Listen had it open
	fmt.Println("0: a timer")
}

func TestListenWithFewDescriptors(t *testing.T) {
	out, err := program("few descriptors").CombinedOutput()
	const want = `0: listen tcp 127.0.0.1:0: too many open files: a server needs 16 more, and gets 0 (see ulimit -n), open: false
1: listen tcp 127.0.0.1:0: too many open files: a server needs 16 more, and gets 1 (see ulimit -n), open: false
15: listen tcp 127.0.0.1:0: too many open files: a server needs 16 more, and gets 15 (see ulimit -n), open: false
16: <nil>, open: true
0: a timer
`
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s\nwant:\n%s", err, out, want)
	}
}

func listener(t *testing.T) int {
	t.Helper()
	return listenerOn(t, "127.0.0.1:0")
}

// listenerOn skips a test of IPv6 where there is none.
func listenerOn(t *testing.T, addr string) int {
	t.Helper()
	fd, err := Listen(addr)
	if err != nil && addr[0] == '[' {
		t.Skip("no IPv6 here:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fd) })
	return fd
}

// dial connects to a listener, which has not accepted the connection yet.
func dial(t *testing.T, listener int) int {
	t.Helper()
	family, to := sockaddr(Addr(listener))
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Connect(fd, to); err != nil {
		t.Fatal(err)
	}
	return fd
}

// connect returns both ends of a connection to listener.
func connect(t *testing.T, listener int) (ours, theirs int) {
	t.Helper()
	theirs = dial(t, listener)
	ours, peer, err := Accept(listener)
	if err != nil {
		t.Fatal(err)
	}
	if want := Addr(theirs); peer != want {
		t.Errorf("Accept says the peer is %v, want %v", peer, want)
	}
	t.Cleanup(func() { unix.Close(ours) })
	return ours, theirs
}

// ready waits until fd can be read, for 10 s: loopback is not instantaneous.
func ready(t *testing.T, fd int) {
	t.Helper()
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if n, _ := unix.Poll(poll, 100); n > 0 {
			return
		}
	}
	t.Error("nothing came in 10 s")
}

func TestAcceptedSocketIsSetUp(t *testing.T) {
	l := listener(t)
	blocking, _ := connect(t, l)
	if err := SetNonblock(l); err != nil {
		t.Fatal(err)
	}
	dial(t, l)
	ready(t, l)
	nonblocking, _, err := TryAccept(l)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(nonblocking)
	for _, fd := range []int{l, blocking, nonblocking} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d is not close-on-exec (%d, %v)", fd, flags, err)
		}
	}
	for _, fd := range []int{blocking, nonblocking} {
		hasOptions(t, fd)
	}
}

// What connect looks at is the peer's address.
func TestIPv6ConnectionIsSetUp(t *testing.T) {
	ours, _ := connect(t, listenerOn(t, "[::1]:0"))
	hasOptions(t, ours)
}

func hasOptions(t *testing.T, fd int) {
	t.Helper()
	if v, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || v == 0 {
		t.Errorf("TCP_NODELAY = %d, %v", v, err)
	}
	if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil || v == 0 {
		t.Errorf("SO_KEEPALIVE = %d, %v", v, err)
	}
}

func TestKeepAlive(t *testing.T) {
	values := []int{15, 15, 9} // idle, interval, count
	switch runtime.GOOS {
	case "dragonfly":
		values = []int{15000, 15000, 9}
	case "openbsd":
		values = nil
	}
	if len(keepAlive) != len(values) {
		t.Fatalf("%d options, want %d", len(keepAlive), len(values))
	}
	ours, _ := connect(t, listener(t))
	seen := map[int]bool{}
	for i, want := range values {
		name := keepAlive[i].name
		if got, err := unix.GetsockoptInt(ours, unix.IPPROTO_TCP, name); err != nil || got != want {
			t.Errorf("option %d is %d, %v; want %d", i, got, err, want)
		}
		if seen[name] {
			t.Errorf("option %d is set twice", i)
		}
		seen[name] = true
	}
}

// Setting an option can fail on a connection that has been reset. That is no
// error of accept.
func TestAcceptOfAConnectionThatWasReset(t *testing.T) {
	l := listener(t)
	theirs := dial(t, l)
	unix.SetsockoptLinger(theirs, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	to, _ := unix.Getsockname(theirs)
	unix.Close(theirs)
	second := dial(t, l) // so that Accept returns, also where the kernel forgets the first
	for range 2 {
		ours, peer, err := Accept(l)
		if err != nil && !ClientGone(err) {
			t.Fatalf("Accept = %v; want a descriptor, or that a client has gone", err)
		}
		if err == nil {
			Close(ours)
		}
		if peer == Addr(second) {
			return
		}
		if peer.IsValid() && peer != addrPort(to) { // some systems no longer know where it came from
			t.Errorf("a connection from %v", peer)
		}
	}
	t.Error("the second connection was not accepted")
}

func TestTheNamesakesWithTryDoNotSleep(t *testing.T) {
	l := listener(t)
	SetNonblock(l)
	if fd, peer, err := TryAccept(l); err != unix.EAGAIN || fd >= 0 || peer.IsValid() {
		t.Errorf("TryAccept without a client = %d, %v, %v; want EAGAIN", fd, peer, err)
	}
	theirs := dial(t, l)
	ready(t, l)
	ours, peer, err := TryAccept(l)
	if err != nil || peer != Addr(theirs) {
		t.Fatalf("TryAccept = %d, %v, %v; want the client at %v", ours, peer, err, Addr(theirs))
	}
	defer Close(ours)
	if err := SetNonblock(ours); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	if n, err := TryRead(ours, buf); n != 0 || err != unix.EAGAIN {
		t.Errorf("TryRead without input = %d, %v; want 0, EAGAIN", n, err)
	}
	written := 0
	for err == nil {
		var n int
		n, err = TryWrite(ours, make([]byte, 1<<16))
		written += n
	}
	if n, err := TryWrite(ours, buf); written == 0 || n != 0 || err != unix.EAGAIN {
		t.Errorf("TryWrite without room = %d, %v; want 0, EAGAIN", n, err)
	}
	unix.Write(theirs, []byte("last"))
	unix.Shutdown(theirs, unix.SHUT_WR)
	ready(t, ours)
	if n, err := TryRead(ours, buf[:2]); string(buf[:n]) != "la" || err != nil {
		t.Errorf("TryRead = %q, %v; want as much as there is room for", buf[:n], err)
	}
	if n, err := TryRead(ours, buf); string(buf[:n]) != "st" || err != nil {
		t.Errorf("TryRead = %q, %v; want the rest", buf[:n], err)
	}
	ready(t, ours)
	if n, err := TryRead(ours, buf); n != 0 || err != nil {
		t.Errorf("TryRead at the end = %d, %v; want 0 and no error", n, err)
	}
}

func TestReadAndWrite(t *testing.T) {
	ours, theirs := connect(t, listener(t))
	for _, text := range []string{"hello", "a", strings.Repeat("x", 10000)} {
		if n, err := Write(ours, []byte(text)); n != len(text) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		got := ""
		for buf := make([]byte, 4096); len(got) < len(text); {
			n, err := Read(theirs, buf)
			if n <= 0 || err != nil {
				t.Fatalf("Read = %d, %v", n, err)
			}
			got += string(buf[:n])
		}
		if got != text {
			t.Errorf("%.20q came, want %.20q", got, text)
		}
	}
	if err := ShutdownWrite(ours); err != nil {
		t.Fatal(err)
	}
	if n, err := Read(theirs, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("Read at the end = %d, %v; want 0 and no error", n, err)
	}
	if n, err := Write(ours, []byte("x")); n != 0 || err != unix.EPIPE {
		t.Errorf("Write after ShutdownWrite = %d, %v; want 0, EPIPE", n, err)
	}
	if n, err := TryWrite(ours, []byte("x")); n != 0 || err != unix.EPIPE {
		t.Errorf("TryWrite after ShutdownWrite = %d, %v; want 0, EPIPE", n, err)
	}
}

func TestErrorsAreTheKernels(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, fd := range []int{-1, 99999} {
		_, peer, accepted := Accept(fd)
		_, _, tried := TryAccept(fd)
		n1, read := Read(fd, make([]byte, 1))
		n2, tryRead := TryRead(fd, make([]byte, 1))
		n3, write := Write(fd, make([]byte, 1))
		n4, tryWrite := TryWrite(fd, make([]byte, 1))
		for i, err := range []error{accepted, tried, read, tryRead, write, tryWrite,
			SetNonblock(fd), ShutdownWrite(fd), Close(fd)} {
			if err != unix.EBADF {
				t.Errorf("call %d on descriptor %d: %v, want EBADF", i, fd, err)
			}
		}
		if n := n1 | n2 | n3 | n4; n != 0 || peer.IsValid() {
			t.Errorf("with an error: %d bytes, peer %v", n, peer)
		}
	}
	if _, _, err := Accept(int(file.Fd())); err != unix.ENOTSOCK || !ListenerBroken(err) {
		t.Errorf("Accept of a file: %v, want ENOTSOCK", err)
	}
	if got := Addr(int(file.Fd())); got != (netip.AddrPort{}) {
		t.Errorf("a file is bound to %v", got)
	}
}

// A call that a signal has interrupted is made again.
func TestInterruptedCalls(t *testing.T) {
	for name, call := range map[string]func(func(int, []byte) (int, error), int, []byte) (int, error){
		"read": read, "write": write,
	} {
		for _, end := range []error{nil, unix.EAGAIN, unix.ECONNRESET} {
			calls := 0
			n, err := call(func(fd int, p []byte) (int, error) {
				if fd != 7 || string(p) != "hello" {
					t.Errorf("%s(%d, %q)", name, fd, p)
				}
				if calls++; calls < 4 {
					return -1, unix.EINTR
				}
				if end != nil {
					return -1, end
				}
				return 3, nil
			}, 7, []byte("hello"))
			if err != end || calls != 4 || (n == 3) != (end == nil) || n < 0 {
				t.Errorf("%s = %d, %v after %d calls; want %v after 4", name, n, err, calls, end)
			}
		}
	}
}

func TestErrorsOfAccept(t *testing.T) {
	gone := []error{unix.ECONNABORTED, unix.EPROTO, unix.ENOPROTOOPT, unix.EOPNOTSUPP,
		unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH}
	gone = append(gone, alsoGone...)
	broken := []error{unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EFAULT}
	neither := []error{nil, unix.EAGAIN, unix.EINTR, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM,
		unix.EPERM, unix.EACCES, unix.ENOSYS, errors.New("another")}
	for i, errs := range [][]error{gone, broken, neither} {
		for _, err := range errs {
			if ClientGone(err) != (i == 0) || ListenerBroken(err) != (i == 1) {
				t.Errorf("%v: client gone %v, listener broken %v", err, ClientGone(err), ListenerBroken(err))
			}
		}
	}
	if (len(alsoGone) == 1) != (runtime.GOOS == "linux") {
		t.Errorf("on %s also %v", runtime.GOOS, alsoGone)
	}
}
