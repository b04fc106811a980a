package watch

import (
	"bufio"
	"strconv"
	"strings"
)

// netstat parses the TCP rows of netstat(1) on macOS and the BSDs, and keeps those that
// concern a port:
//
//	tcp4       0      5  127.0.0.1.9999         127.0.0.1.51234        ESTABLISHED
//
// These systems count what is in the buffers, so a FIN is not a byte in a queue.
func netstat(lines *bufio.Scanner, port int) (list []row, err error) {
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || !strings.HasPrefix(f[0], "tcp") {
			continue
		}
		r := row{local: lastNumber(f[3]), peer: lastNumber(f[4]), state: strings.Replace(f[5], "WAIT_", "WAIT", 1)}
		r.unread, _ = strconv.ParseInt(f[1], 10, 64)
		r.unsent, _ = strconv.ParseInt(f[2], 10, 64)
		if r.local == port || r.peer == port {
			list = append(list, r)
		}
	}
	return list, lines.Err()
}

// lastNumber returns the port in 127.0.0.1.9999.
func lastNumber(addr string) int {
	n, _ := strconv.Atoi(addr[strings.LastIndexByte(addr, '.')+1:])
	return n
}
