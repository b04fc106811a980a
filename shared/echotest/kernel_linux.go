package echotest

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// A re-executed server can hand the decision about some of its system calls to
// the tests: seccomp_unotify(2). It needs no privilege. The server puts the
// filter on all its threads before its main runs and sends the descriptor that
// notifies of calls over a socket.

func newKernel() *kernel {
	return &kernel{plans: map[string]plan{}, made: map[string][]time.Time{}, called: make(chan struct{})}
}

// decide answers one call.
func (k *kernel) decide(call string, now time.Time) unix.Errno {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.made[call])
	k.made[call] = append(k.made[call], now)
	close(k.called)
	k.called = make(chan struct{})
	if p := k.plans[call]; p != nil {
		return p(n)
	}
	return 0
}

// surrender is the server's side. The Go runtime opens its own epoll instance with
// the first file that can be polled: that is done here first, so that no plan
// hits it.
func surrender(socket int, io bool) {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	fd, err := filter(io)
	word, rights := "ok", []byte(nil)
	if err == nil {
		rights = unix.UnixRights(fd)
	} else {
		word = err.Error()
	}
	unix.Sendmsg(socket, []byte(word), rights, nil, 0)
	unix.Close(socket)
	unix.Close(fd)
}

// names are those of the calls that are announced. Of fcntl(2) it is only F_SETFL; of
// read(2) and write(2) those of more than 512 bytes, which are neither the Go runtime's
// nor a loop's own, nor a line of the log.
var names = map[int32]string{unix.SYS_ACCEPT4: "accept", unix.SYS_PSELECT6: "select", unix.SYS_FCNTL: "fcntl",
	unix.SYS_EPOLL_CREATE1: "epoll_create1", unix.SYS_EPOLL_CTL: "epoll_ctl", unix.SYS_READ: "read", unix.SYS_WRITE: "write"}

// announced is the program that looks at a call, see seccomp(2).
func announced(io bool) (program []unix.SockFilter) {
	const (
		load, ret   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_RET | unix.BPF_K
		jumpIfEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		jumpIfMore  = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
		number      = 0  // offsets in struct seccomp_data
		second      = 24 // argument, the half of it that counts where the low one comes first
		third       = 32
	)
	program = append(program, unix.SockFilter{Code: load, K: number})
	for nr := range names {
		if nr == unix.SYS_FCNTL || nr == unix.SYS_READ || nr == unix.SYS_WRITE {
			continue
		}
		program = append(program, unix.SockFilter{Code: jumpIfEqual, Jf: 1, K: uint32(nr)},
			unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	if io {
		program = append(program,
			unix.SockFilter{Code: jumpIfEqual, Jt: 1, K: unix.SYS_READ},
			unix.SockFilter{Code: jumpIfEqual, Jf: 4, K: unix.SYS_WRITE},
			unix.SockFilter{Code: load, K: third},
			unix.SockFilter{Code: jumpIfMore, Jf: 1, K: 512},
			unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_USER_NOTIF},
			unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
	}
	return append(program,
		unix.SockFilter{Code: jumpIfEqual, Jf: 3, K: unix.SYS_FCNTL},
		unix.SockFilter{Code: load, K: second},
		unix.SockFilter{Code: jumpIfEqual, Jf: 1, K: unix.F_SETFL},
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_USER_NOTIF},
		unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
}

// filter has every thread stop at the calls that are announced, until somebody
// who holds the descriptor has decided about the call.
func filter(io bool) (fd int, err error) {
	program := announced(io)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, os.NewSyscallError("prctl", err)
	}
	// A call that was announced is not broken off by a signal, or the runtime's
	// own signals would make it be announced again.
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return -1, os.NewSyscallError("seccomp", errno)
	}
	return int(r), nil
}

// startHostile starts a server some of whose system calls are answered by the
// kernel that is returned.
func (t *Target) startHostile(with proc.Command, args ...string) (s *Server, k *kernel, err error) {
	k = newKernel()
	s, err = t.startWithKernel(k, with, args...)
	return s, k, err
}

func (t *Target) startWithKernel(k *kernel, with proc.Command, args ...string) (s *Server, err error) {
	err = t.handOver(k, with, func(with proc.Command) (err error) {
		s, err = t.StartWith(with, args...)
		return err
	})
	if err != nil && s != nil {
		s.Kill()
	}
	return s, err
}

// handOver has start start a server, and k answer its calls from the first one on.
func (t *Target) handOver(k *kernel, with proc.Command, start func(proc.Command) error) error {
	if !t.self {
		return Skipf("system calls can be answered only if the server is the test binary itself")
	}
	syscall.ForkLock.RLock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "kernel")
	defer unix.Close(pair[0])
	name := kernelSocket
	if k.io {
		name = kernelSocketIO
	}
	with.Files = map[string]*os.File{name: theirs}
	got := make(chan error, 1) // ends when the server has surrendered, or ends
	go func() {
		fd, err := receive(pair[0])
		if err == nil {
			go k.serve(fd)
		}
		got <- err
	}()
	err = start(with)
	theirs.Close()
	if surrendered := <-got; err == nil {
		err = surrendered
	}
	return err
}

// receive takes the descriptor that a server sends, or the reason why not.
func receive(socket int) (fd int, err error) {
	word, rights := make([]byte, 200), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(socket, word, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	if m == 0 {
		return -1, Skipf("no notification of system calls here: %s", word[:n])
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return -1, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

// notification and response are struct seccomp_notif and seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	call       int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// serve answers calls until the server is gone.
func (k *kernel) serve(fd int) {
	defer unix.Close(fd)
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err == unix.EINTR {
			continue
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			return // no thread is left that has the filter
		}
		var n notification
		if err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
			continue // the call was broken off before
		}
		r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if errno := k.decide(names[n.call], time.Now()); errno != 0 {
			r.flags, r.errno = 0, -int32(errno)
		}
		ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	}
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return fmt.Errorf("ioctl: %w", errno)
	}
	return nil
}
