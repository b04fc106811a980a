package watch

import (
	"reflect"
	"testing"
)

// TestLook: who is in the accept queue, and what lies in whose queue. A FIN is no byte.
func TestLook(t *testing.T) {
	rows := []row{
		{local: 9999, state: listening, unread: 2},
		{local: 9999, peer: 40001, state: open, unread: 5, nobodys: true},
		{local: 40001, peer: 9999, state: open},
		{local: 9999, peer: 40002, state: ours, unread: 4, unsent: 7},
		{local: 40002, peer: 9999, state: "FIN_WAIT2", unread: 7},
		{local: 9999, peer: 40003, state: open, nobodys: true},
		{local: 9999, peer: 40004, state: "LAST_ACK", unread: 1, unsent: 1, nobodys: true},
		{local: 9999, peer: 40005, state: open, unread: 9},
		{local: 9999, peer: 40006, state: "TIME_WAIT", nobodys: true},
	}
	pipes := map[string]*pipe{"A": {Send: 1, Take: 2, Receive: -1, Reply: -1}, "B": {Receive: -1, Reply: -1}}
	v := look(rows, 9999, pipes, map[int]string{40001: "A", 40002: "B"}, map[int]bool{40003: true, 40004: true})
	want := kernelView{queue: 2, pipes: map[string]*pipe{
		"A": {Send: 1, Take: 2, Receive: 5, Client: open, Server: open, Queued: true},
		"B": {Receive: 3, Reply: 7, Client: "FIN_WAIT2", Server: ours},
	}, idle: mass{Connections: 2, Queued: 1}, other: mass{Connections: 1, Unread: 9}}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got %+v, A %+v, B %+v", v, v.pipes["A"], v.pipes["B"])
	}
}

func TestRounded(t *testing.T) {
	for x, want := range map[float64]int{0: 0, 3.4: 3, 99: 99, 104: 100, 187654: 190000, 0.2: 0} {
		if got := rounded(x); got != want {
			t.Errorf("%v is %d, want %d", x, got, want)
		}
	}
}
