package watch

import (
	"bufio"
	"reflect"
	"strings"
	"testing"
)

// TestLook: who is in the accept queue, and how much is in each queue.
func TestLook(t *testing.T) {
	rows := []row{
		{local: 9999, state: listening, unread: 2},
		{local: 9999, peer: 40001, state: open, unread: 5, inode: nobodys},
		{local: 40001, peer: 9999, state: open},
		{local: 9999, peer: 40002, state: ours, unread: 3, unsent: 7},
		{local: 40002, peer: 9999, state: "FIN_WAIT2", unread: 7},
		{local: 9999, peer: 40003, state: open, inode: nobodys},
		{local: 9999, peer: 40004, state: "LAST_ACK", inode: nobodys},
		{local: 9999, peer: 40005, state: open, unread: 9},
		{local: 9999, peer: 40006, state: "TIME_WAIT", inode: nobodys},
	}
	pipes := map[string]*pipe{"A": {Send: 1, Take: 2, Receive: -1, Reply: -1}, "B": {Send: -1, Receive: -1, Reply: -1, Take: -1}}
	v := look(rows, 9999, pipes, map[int]string{40001: "A", 40002: "B"}, map[int]bool{40003: true, 40004: true})
	want := kernelView{queue: 2, pipes: map[string]*pipe{
		"A": {Send: 1, Take: 2, Receive: 5, Client: open, Server: open, Queued: true},
		"B": {Receive: 3, Reply: 7, Take: 7, Client: "FIN_WAIT2", Server: ours},
	}, idle: mass{Connections: 2, Queued: 1}, other: mass{Connections: 1, Unread: 9}}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %+v, A %+v, B %+v", v, v.pipes["A"], v.pipes["B"])
	}
}

func TestForgetFIN(t *testing.T) {
	for state, want := range map[string]row{
		open: {unsent: 3, unread: 3}, "CLOSE_WAIT": {unsent: 3, unread: 2}, "FIN_WAIT1": {unsent: 2, unread: 3}, "FIN_WAIT2": {unsent: 3, unread: 3},
		"LAST_ACK": {unsent: 2, unread: 2}, "CLOSING": {unsent: 2, unread: 2}, "TIME_WAIT": {unsent: 3, unread: 2},
	} {
		r := row{state: state, unsent: 3, unread: 3}
		want.state = state
		if r.forgetFIN(); r != want {
			t.Errorf("got %+v, want %+v", r, want)
		}
	}
}

// TestNetstat: the format is from the manual pages of macOS and the BSDs.
func TestNetstat(t *testing.T) {
	const printed = `Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  127.0.0.1.9999         127.0.0.1.51234        ESTABLISHED
tcp4       5      0  127.0.0.1.9999         127.0.0.1.51235        CLOSE_WAIT
tcp4       0      7  127.0.0.1.51235        127.0.0.1.9999         FIN_WAIT_2
tcp4       0      0  127.0.0.1.22           127.0.0.1.51236        ESTABLISHED
tcp4       0      0  127.0.0.1.9999         *.*                    LISTEN
udp4       0      0  *.9999                 *.*
`
	got, err := netstat(bufio.NewScanner(strings.NewReader(printed)), 9999)
	want := []row{
		{local: 9999, peer: 51234, state: open}, {local: 9999, peer: 51235, state: ours, unread: 5},
		{local: 51235, peer: 9999, state: "FIN_WAIT2", unsent: 7}, {local: 9999, state: listening},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	s := newStory()
	s.line(`{"t":1,"kind":"call","call":"accept","arg":7,"result":8,"words":"127.0.0.1:51234"}`)
	s.markQueued(got, 9999)
	if got[0].queued() || !got[1].queued() || got[3].queued() {
		t.Errorf("only the second should wait to be accepted: %+v", got)
	}
}

func TestRounded(t *testing.T) {
	for x, want := range map[float64]int{0: 0, 3.4: 3, 99: 99, 104: 100, 187654: 190000, 0.2: 0} {
		if got := rounded(x); got != want {
			t.Errorf("%v is %d, want %d", x, got, want)
		}
	}
}
