package echotest

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"example/tcpladder/shared/proc"
)

// An Object is one line of -v=json; docs/narration.md describes it.
type Object struct {
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
	Inside      *Object      `json:"inside"`
	Descriptors []Descriptor `json:"descriptors"`
	Text        string       `json:"text"`
}

type fdSets struct {
	Read  []int `json:"read"`
	Write []int `json:"write"`
}

// A Descriptor is what the narration says about an open one.
type Descriptor struct {
	FD      int    `json:"fd"`
	Peer    string `json:"peer"`
	Read    int64  `json:"read"`
	Written int64  `json:"written"`

	Want struct {
		Read  bool `json:"read"`
		Write bool `json:"write"`
	} `json:"want"`
}

// did reports whether o is a call of that name that succeeded.
func (o *Object) did(call string) bool {
	return o.Kind == "call" && o.Call == call && o.Result != nil
}

// A Journal decodes a narration as it grows.
type Journal struct {
	log     *proc.Lines
	decoded int
	objects []Object
	next    int
	err     error // of the first line that is no object
}

func (s *Server) Journal() *Journal { return &Journal{log: s.Stderr} }

// read decodes what has come since.
func (j *Journal) read() []Object {
	list := j.log.All()
	for ; j.decoded < len(list) && j.err == nil; j.decoded++ {
		var o Object
		if err := json.Unmarshal([]byte(list[j.decoded]), &o); err != nil {
			j.err = &Failure{Want: "with -v=json, one JSON object on each line", Got: fmt.Sprintf("%s\n%v", list[j.decoded], err)}
			break
		}
		j.objects = append(j.objects, o)
	}
	return j.objects
}

// WaitAll waits until match accepts the objects there are.
func (j *Journal) WaitAll(limit time.Duration, match func([]Object) bool) bool {
	return j.log.WaitAll(limit, func([]string) bool { return match(j.read()) || j.err != nil }) && j.err == nil
}

// Wait waits for an object that match accepts.
func (j *Journal) Wait(limit time.Duration, match func(*Object) bool) (found Object, ok bool) {
	seen := 0 // those before it did not match
	ok = j.WaitAll(limit, func(list []Object) bool {
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

// Next returns the objects one by one, each once it is there.
func (j *Journal) Next() (Object, error) {
	if !j.WaitAll(patience, func(list []Object) bool { return len(list) > j.next }) {
		return Object{}, errors.Join(j.err, Failf("with -v=json, nothing more; so far:\n%s", j.log.Excerpt()))
	}
	j.next++
	return j.objects[j.next-1], nil
}

// state computes what a reader of the objects knows of the descriptors that are
// open at their end.
func state(list []Object) map[int]Descriptor {
	open := map[int]Descriptor{}
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
			open[*o.Result] = Descriptor{FD: *o.Result}
		case o.did("accept"):
			open[*o.Result] = Descriptor{FD: *o.Result, Peer: o.Words}
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
func ofPeer(open map[int]Descriptor, c *client) (Descriptor, bool) {
	for _, d := range open {
		if d.Peer == c.LocalAddr().String() {
			return d, true
		}
	}
	return Descriptor{}, false
}
