package watch

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestRows: the rows that concern a port, and no others. They are from a machine where
// rung 01 had one client with 5 bytes in its queue.
func TestRows(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:270F 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 30157 1 00000000deae37ef 100 0 0 10 0
   1: 0100007F:270F 0100007F:AC6E 01 00000000:00000005 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:AC6E 0100007F:270F 01 0000000A:00000000 00:00000000 00000000     0        0 30158 1 000000000f366da8 20 4 30 10 -1
   3: 0100007F:0016 0100007F:BB7A 01 00000000:00000000 00:00000000 00000000     0        0 270F 2 000000007355d2b4 20 4 30 10 -1
`
	got, err := rows(bufio.NewScanner(strings.NewReader(table)), 9999)
	want := []row{
		{local: 9999, state: listening, unread: 1, inode: "30157"},
		{local: 9999, peer: 44142, state: open, unread: 5, inode: "0"},
		{local: 44142, peer: 9999, state: open, unsent: 10, inode: "30158"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestFIN: a FIN that has arrived and is not yet read counts as a byte in the kernel's
// table, but not here.
func TestFIN(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, sent := range []int64{5, 0} {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		client.Write(make([]byte, sent))
		expectQueue(t, client, sent, true)
		client.(*net.TCPConn).CloseWrite()
		expectQueue(t, client, sent, true)
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		expectQueue(t, client, sent, false)
		server.SetReadDeadline(time.Now().Add(10 * time.Second))
		io.ReadAll(server)
		expectQueue(t, client, 0, false)
	}
}

// expectQueue checks the server's end of a connection: how many bytes are unread, and
// whether it waits to be accepted.
func expectQueue(t *testing.T, client net.Conn, want int64, queued bool) {
	t.Helper()
	list, err := table(netip.MustParseAddrPort(client.RemoteAddr().String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.peer == client.LocalAddr().(*net.TCPAddr).Port {
			if r.unread != want || r.queued() != queued {
				t.Errorf("%d bytes, %s, queued: %t; want %d, %t", r.unread, r.state, r.queued(), want, queued)
			}
			return
		}
	}
	t.Error("the connection is not in the table")
}
