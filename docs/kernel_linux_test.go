package docs

import (
	"errors"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the text says of Linux and of no manual page: each of these facts is in a
// chapter, with the source or "seen".

// listening returns a listener that does not block, and its address.
func listening(t *testing.T) (listener int, name unix.Sockaddr) {
	t.Helper()
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { unix.Close(listener) })
		err = errors.Join(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(listener, 8))
	}
	if err == nil {
		name, err = unix.Getsockname(listener)
	}
	if err != nil {
		t.Fatal(err)
	}
	return listener, name
}

// Chapter 01: without descriptors accept fails even if nobody is waiting.
func TestAcceptFailsWithAnEmptyQueue(t *testing.T) {
	listener, _ := listening(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, _, err := unix.Accept(listener)
	if restored := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); restored != nil {
		t.Fatal(restored)
	}
	if err != unix.EMFILE {
		t.Errorf("accept with an empty queue and no descriptors: %v, the text says EMFILE", err)
	}
	if _, _, err := unix.Accept(listener); err != unix.EAGAIN {
		t.Errorf("accept with an empty queue: %v, want EAGAIN", err)
	}
}

// Chapter 01: a client that has reset the connection is accepted all the same.
func TestAcceptOfAResetConnection(t *testing.T) {
	listener, name := listening(t)
	client, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(client)
	if err := unix.Connect(client, name); err != nil {
		t.Fatal(err)
	}
	arrived(listener)
	reset(client)
	fd, _, err := unix.Accept(listener)
	if err != nil {
		t.Fatalf("accept: %v, the text says that it succeeds", err)
	}
	defer unix.Close(fd)
	arrived(fd)
	if _, err := unix.Read(fd, make([]byte, 1)); err != unix.ECONNRESET {
		t.Errorf("the first read: %v, the text says ECONNRESET", err)
	}
}

// Chapter 03: the kernel writes the time that is left over the timeout, and x/sys
// gives it a copy.
func TestSelectChangesItsTimeout(t *testing.T) {
	peer, fd := tcpPair(t)
	send(peer)
	arrived(fd)
	hour := unix.Timespec{Sec: 3600}
	var readable unix.FdSet
	readable.Set(fd)
	n, _, errno := unix.Syscall6(unix.SYS_PSELECT6, uintptr(fd+1), uintptr(unsafe.Pointer(&readable)), 0, 0,
		uintptr(unsafe.Pointer(&hour)), 0)
	if n != 1 || errno != 0 || hour.Sec == 3600 {
		t.Errorf("pselect6 = %d, %v, and leaves a timeout of %d s: the text says that it is what is left", n, errno, hour.Sec)
	}
	timeout := unix.Timeval{Sec: 3600}
	if n, err := unix.Select(fd+1, &readable, nil, nil, &timeout); n != 1 || err != nil || timeout.Sec != 3600 {
		t.Errorf("Select = %d, %v, and leaves a timeout of %d s: the text says that x/sys passes a copy", n, err, timeout.Sec)
	}
}

// Chapter 04: the mark of urgent data ends a read early.
func TestUrgentDataCutsARead(t *testing.T) {
	peer, fd := tcpPair(t)
	unix.Write(peer, []byte("ab"))
	if err := unix.Sendto(peer, []byte("!"), unix.MSG_OOB, nil); err != nil {
		t.Fatal(err)
	}
	unix.Write(peer, []byte("cd"))
	arrived(fd)
	buf := make([]byte, 16)
	for _, want := range []string{"ab", "cd"} {
		if n, err := unix.Read(fd, buf); err != nil || string(buf[:n]) != want {
			t.Errorf("read = %q, %v; the text says that the mark cuts it: %q", buf[:max(n, 0)], err, want)
		}
	}
}

// Chapter 05: closing a socket with unread input sends a reset. What had arrived
// before can still be read.
func TestCloseWithUnreadInput(t *testing.T) {
	for _, reply := range []string{"", "last words"} {
		peer, fd := tcpPair(t)
		send(peer)
		arrived(fd)
		unix.Write(fd, []byte(reply))
		null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Dup3(null, fd, unix.O_CLOEXEC) // closes it, and keeps its number taken
		unix.Close(null)
		arrived(peer)
		buf := make([]byte, 16)
		if reply != "" {
			if n, err := unix.Read(peer, buf); err != nil || string(buf[:n]) != reply {
				t.Errorf("read = %q, %v; the text says that Linux hands out what had arrived: %q", buf[:max(n, 0)], err, reply)
			}
		}
		if n, err := unix.Read(peer, buf); err != unix.ECONNRESET {
			t.Errorf("read = %d, %v; the text says ECONNRESET", n, err)
		}
	}
}
