package main

import (
	"errors"

	"example/tcpladder/shared/cli"
)

// A conversation is what has to be remembered of one client from one read to the
// next.
type conversation struct {
	// Your part: what is it?
}

// answer takes the next bytes of the client and returns the answer to them, which
// may lie in the memory of in.
func (c *conversation) answer(in []byte) []byte {
	// Your part.
	cli.Fatal(errors.New("not implemented yet"))
	return nil
}
