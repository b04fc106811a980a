package echotest

import (
	"encoding/json"
	"fmt"
	"time"
)

// An object is one line of -v=json; docs/narration.md describes it.
type object struct {
	T       int64   `json:"t"` // microseconds
	Kind    string  `json:"kind"`
	Call    string  `json:"call"`
	Arg     int     `json:"arg"`
	Result  *int    `json:"result"`
	Errno   string  `json:"errno"`
	Words   string  `json:"words"`
	Bytes   []byte  `json:"bytes"`
	FD      int     `json:"fd"`
	Want    *fdSets `json:"want"`
	Ready   *fdSets `json:"ready"`
	Timeout *int64  `json:"timeout"`
	Slept   *int64  `json:"slept"`
	File    string  `json:"file"`
	Line    int     `json:"line"`

	Count       int          `json:"count"`
	Inside      *object      `json:"inside"`
	Descriptors []descriptor `json:"descriptors"`
	Text        string       `json:"text"`
}

type fdSets struct {
	Read  []int `json:"read"`
	Write []int `json:"write"`
}

// A descriptor is what the narration tells about an open one.
type descriptor struct {
	FD      int    `json:"fd"`
	Peer    string `json:"peer"`
	Read    int64  `json:"read"`
	Written int64  `json:"written"`
}

// did reports whether o is a call of that name that succeeded.
func (o *object) did(call string) bool {
	return o.Kind == "call" && o.Call == call && o.Result != nil
}

// A journal decodes a narration as it grows.
type journal struct {
	log     *lines
	decoded int
	objects []object
	err     error // of the first line that is no object
}

func (s *server) journal() *journal { return &journal{log: s.stderr} }

// read decodes what has come since.
func (j *journal) read() []object {
	list := j.log.all()
	for ; j.decoded < len(list) && j.err == nil; j.decoded++ {
		var o object
		if err := json.Unmarshal([]byte(list[j.decoded]), &o); err != nil {
			j.err = &Failure{Want: "with -v=json, one JSON object on each line", Got: fmt.Sprintf("%s\n%v", list[j.decoded], err)}
			break
		}
		j.objects = append(j.objects, o)
	}
	return j.objects
}

// waitAll waits until match accepts the objects there are.
func (j *journal) waitAll(limit time.Duration, match func([]object) bool) bool {
	return j.log.waitAll(limit, func([]string) bool { return match(j.read()) || j.err != nil }) && j.err == nil
}

// wait waits for an object that match accepts.
func (j *journal) wait(limit time.Duration, match func(*object) bool) (found object, ok bool) {
	seen := 0 // those before it did not match
	ok = j.waitAll(limit, func(list []object) bool {
		for ; seen < len(list); seen++ {
			if match(&list[seen]) {
				found = list[seen]
				return true
			}
		}
		return false
	})
	return found, ok
}

// state computes what a reader of the objects knows of the descriptors that are
// open at their end.
func state(list []object) map[int]descriptor {
	open := map[int]descriptor{}
	for i := range list {
		o := &list[i]
		d, known := open[o.Arg]
		switch {
		case o.Kind == "gap":
			clear(open)
			for _, d := range o.Descriptors {
				open[d.FD] = d
			}
		case o.Kind == "call" && o.Call == "close":
			delete(open, o.Arg)
		case o.did("socket"):
			open[*o.Result] = descriptor{FD: *o.Result}
		case o.did("accept"):
			open[*o.Result] = descriptor{FD: *o.Result, Peer: o.Words}
		case o.did("read") && known:
			d.Read += int64(*o.Result)
			open[o.Arg] = d
		case o.did("write") && known:
			d.Written += int64(*o.Result)
			open[o.Arg] = d
		}
	}
	return open
}

// ofPeer finds the descriptor of a client.
func ofPeer(open map[int]descriptor, c *client) (descriptor, bool) {
	for _, d := range open {
		if d.Peer == c.LocalAddr().String() {
			return d, true
		}
	}
	return descriptor{}, false
}
