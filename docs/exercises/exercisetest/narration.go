package exercisetest

import "example/tcpladder/shared/echotest"

// A story is the narration of a server, as far as it has been read.
type story struct {
	journal *echotest.Journal
	open    map[int]*echotest.Descriptor
	asleep  bool // in a call that may sleep
}

func (s *server) story() *story {
	return &story{journal: s.Journal(), open: map[int]*echotest.Descriptor{}}
}

// until returns the first object for which match is true.
func (s *story) until(match func(*echotest.Object) bool) (echotest.Object, error) {
	for {
		o, err := s.journal.Next()
		if err != nil {
			return o, err
		}
		if s.follow(&o); match(&o) {
			return o, nil
		}
	}
}

// follow keeps account of the descriptors.
func (s *story) follow(o *echotest.Object) {
	switch o.Kind {
	case "enter":
		s.asleep = true
	case "call":
		s.asleep = false
	case "gap":
		s.asleep = o.Inside != nil
		clear(s.open)
		for _, d := range o.Descriptors {
			s.open[d.FD] = &d
		}
	}
	d := s.open[o.Arg]
	switch {
	case o.Kind != "call" || o.Result == nil:
	case o.Call == "accept":
		s.open[*o.Result] = &echotest.Descriptor{FD: *o.Result, Peer: o.Words}
	case o.Call == "read" && d != nil:
		d.Read += int64(*o.Result)
	case o.Call == "write" && d != nil:
		d.Written += int64(*o.Result)
	}
	if d := s.open[o.FD]; o.Kind == "call" && o.FD != 0 && o.Want != nil && d != nil {
		d.Want.Read, d.Want.Write = len(o.Want.Read) > 0, len(o.Want.Write) > 0
	}
}

// served returns what the server knows of c: nil before it has accepted it.
func (s *story) served(c *echotest.Conn) *echotest.Descriptor {
	for _, d := range s.open {
		if d.Peer == c.LocalAddr().String() {
			return d
		}
	}
	return nil
}
