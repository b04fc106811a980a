package watch

import (
	"bufio"
	"bytes"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ownersListed: an inode of 0 means that no process has the socket.
const ownersListed = true

// states are those of include/net/tcp_states.h.
var states = map[string]string{"01": open, "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT1", "05": "FIN_WAIT2", "06": "TIME_WAIT",
	"07": "CLOSE", "08": ours, "09": "LAST_ACK", "0A": listening, "0B": "CLOSING", "0C": "NEW_SYN_RECV"}

// table reads the rows of /proc/net/tcp, or tcp6, that concern a listener's port.
func table(addr netip.AddrPort) ([]row, error) {
	name := "/proc/net/tcp"
	if addr.Addr().Is6() {
		name = "/proc/net/tcp6"
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return rows(bufio.NewScanner(f), int(addr.Port()))
}

// rows parses such a table:
//
//	0: 0100007F:270F 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 30157
func rows(lines *bufio.Scanner, port int) (list []row, err error) {
	mark := []byte(":" + strconv.FormatUint(0x10000|uint64(port), 16)[1:])
	mark = bytes.ToUpper(mark)
	for lines.Scan() {
		line := lines.Bytes()
		if !bytes.Contains(line, mark) { // most rows, on a busy machine
			continue
		}
		f := bytes.Fields(line)
		if len(f) < 10 {
			continue
		}
		sent, unread, _ := bytes.Cut(f[4], []byte(":"))
		r := row{local: int(hex(after(f[1]))), peer: int(hex(after(f[2]))), state: states[string(f[3])],
			unsent: hex(sent), unread: hex(unread), inode: string(f[9])}
		if r.local == port || r.peer == port {
			r.forgetFIN()
			list = append(list, r)
		}
	}
	return list, lines.Err()
}

func after(addr []byte) []byte { return addr[bytes.LastIndexByte(addr, ':')+1:] }

func hex(digits []byte) int64 {
	n, _ := strconv.ParseInt(string(digits), 16, 64)
	return n
}

// ownQueues returns how many bytes are in the queues of one of this process's sockets.
// SIOCOUTQ and SIOCINQ, tcp(7), have the same numbers as TIOCOUTQ and TIOCINQ.
func ownQueues(fd int) (unsent, unread int64) {
	return ioctl(fd, unix.TIOCOUTQ), ioctl(fd, unix.TIOCINQ)
}

func ioctl(fd int, request uint) int64 {
	n, err := unix.IoctlGetInt(fd, request)
	if err != nil {
		return -1
	}
	return int64(n)
}

// roomy enlarges a pipe to hold what a rung prints at once: a rung never waits for its
// reader.
func roomy(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}
