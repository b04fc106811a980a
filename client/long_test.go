package main

import (
	"testing"

	"example/tcpladder/shared/echotest"
)

// long skips a test that takes more than a few seconds, unless TCPLADDER_LONG=1
// asks for it.
func long(t *testing.T) {
	t.Helper()
	if !echotest.LongRun() {
		t.Skip("set TCPLADDER_LONG=1")
	}
}
