package watchtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Test01: B is connected, its bytes are in the kernel, and it has not been accepted.
func Test01(t *testing.T) {
	b := watch(t, "01")
	b.add("A")
	b.send("A", "hello")
	b.until("end.clients.A.got === 6")
	b.add("B")
	b.send("B", "hi")
	b.shows("#now", `read\(\d+\)[^]*asleep for [^]*B waits for A`)
	b.shows("#queue", "1\\s*B")
	b.shows("#lane-B", "waits to be accepted[^]*3 B[^]*in the\\s+accept queue")
	b.shows("#now", "The kernel shows a thread in read")
	b.expectRow("B", "01", 0, 3, true)
	if line := ask[string](b, `document.querySelector("#source .marked").innerText`); !strings.Contains(line, "socket.Read(") {
		t.Errorf("the marked line is %q", line)
	}
	b.shoot("01")
	b.click("close", "A")
	b.shows("#queue", "empty")
	b.until("end.clients.B.got === 3")
}

// Test02: a core burns for nobody.
func Test02(t *testing.T) {
	b := watch(t, "02")
	b.add("A")
	b.add("B")
	b.send("B", "hello")
	b.until("end.clients.B.got === 6 && end.sample.rate > 1000")
	b.shows("#now", "awake[^]*It never sleeps")
	b.shows("#asks", "A [\\d,]{5,} × no")
	b.until("end.sample.cpu > 30") // of a core, on a machine that may be busy
	b.expectNobodyAsleep()
	b.shoot("02")
}

// Test03: all the bits go in every time, and descriptor 1,024 is turned away.
func Test03(t *testing.T) {
	b := watch(t, "03")
	b.add("A")
	b.click("idle-100", "")
	b.until("end.crowd?.open === 100")
	b.click("idle-1000", "")
	b.until("end.crowd.ended > 0 && end.crowd.open + end.crowd.ended === 1100 && size(end.asked?.read) > 1000")
	b.shows("#lane-idle", "turned away by the server")
	b.shows("#now", "select\\(1024\\)")
	if n := b.descriptors(); n != 1024 {
		t.Errorf("the server has %d descriptors, want all 1,024", n)
	}
	b.send("A", "hello")
	b.until("end.clients.A.got === 6")
	b.shoot("03")
}

// Test04: two sends, one read; a client that does not read.
func Test04(t *testing.T) {
	b := watch(t, "04")
	b.add("A")
	b.click("stop", "")
	b.shows("#now", "frozen")
	b.send("A", "one")
	b.send("A", "two")
	b.shows("#lane-A", "8 B")
	b.expectRow("A", "01", 0, 8, false)
	b.shoot("04")
	b.click("cont", "")
	b.until("end.clients.A.got === 8")
	b.shows("#calls", `read\(\d+\) = 8 +"one`)
	b.click("deaf", "A")
	b.click("flood", "A")
	b.shows("#asks", "A write")
	b.expectRegistered("A", false, true)
	b.add("B")
	b.send("B", "still served")
	b.until("end.clients.B.got === 13")
}

// Test05: pause and resume with frames buffered, half a frame, a bad header, a stop.
func Test05(t *testing.T) {
	b := watch(t, "05")
	b.add("A")
	b.click("half-frame", "A")
	b.shows("#lane-A", "waits for 9 B[^]*holds 9 B")
	b.add("B")
	b.click("deaf", "B")
	b.click("flood", "B")
	b.shows("#asks", "B write")
	b.expectRegistered("A", true, false)
	b.expectRegistered("B", false, true)
	b.shoot("05")
	b.click("calm", "B")
	b.click("hear", "B")
	b.until("end.clients.B.sent === end.clients.B.got && !end.clients.B.left")
	b.shows("#asks", "B read")
	b.add("C")
	b.click("too-long", "C")
	b.shows("#lane-C", "ended by the server")
	b.shows("#calls", "frame of 4294967295 bytes")
	b.click("term", "")
	b.shows("#now", "ended[^]*exit status 0[^]*Its last words")
	b.click("start", "")
	b.shows("#now", "epoll_wait|kevent")
}

// TestStranger: the wall of 01 in another language, without reported calls.
func TestStranger(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip(err)
	}
	b := watch(t, "--", "python3", "-c", `
import socket, sys
l = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    c, _ = l.accept()
    while data := c.recv(4096):
        c.sendall(data)
`, "{host}", "{port}")
	b.add("A")
	b.send("A", "hello")
	b.until("end.clients.A.got === 6")
	b.add("B")
	b.send("B", "hi")
	b.shows("#now", `recv\(\d+\)[^]*B waits for A`)
	b.shows("#lane-B", "waits to be accepted[^]*3 B")
	b.expectRow("B", "01", 0, 3, true)
	b.shoot("stranger")
}

// expectRow checks the row of the server's end of a connection in /proc/net/tcp.
func (b *tab) expectRow(client, state string, unsent, unread int, queued bool) {
	b.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		b.Skip(err)
	}
	want := fmt.Sprintf("0100007F:%04X 0100007F:%04X %s %08X:%08X", ask[int](b, `+end.server.addr.split(":")[1]`),
		ask[int](b, "end.clients."+client+".port"), state, unsent, unread)
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, want) {
			if (strings.Fields(line)[9] == "0") != queued {
				b.Errorf("accepted or not: %s", line)
			}
			return
		}
	}
	b.Errorf("/proc/net/tcp has no row %q", want)
}

// descriptors counts the server's descriptors.
func (b *tab) descriptors() int {
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", ask[int](b, "end.server.pid")))
	if err != nil || len(list) == 0 {
		b.Skip("there is no /proc")
	}
	return len(list)
}
