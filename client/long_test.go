package main

import (
	"os"
	"testing"
)

// long skips a test that takes more than a few seconds, unless TCPLADDER_LONG=1
// asks for it.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("TCPLADDER_LONG") != "1" {
		t.Skip("set TCPLADDER_LONG=1")
	}
}
