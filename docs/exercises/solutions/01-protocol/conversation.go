package main

// A conversation is what has to be remembered of one client from one read to the
// next. Where a read ends means nothing: messages begin and end anywhere in it.
type conversation struct {
	inMessage bool // a ^ has come, and not yet its $
}

// answer takes the next bytes of the client and returns the answer to them. It
// lies in the memory of in: it is never longer.
func (c *conversation) answer(in []byte) []byte {
	out := in[:0]
	for _, b := range in {
		switch {
		case !c.inMessage:
			c.inMessage = b == '^'
		case b == '$':
			c.inMessage = false
		default:
			out = append(out, b+1) // a byte: 255 plus one is 0
		}
	}
	return out
}
