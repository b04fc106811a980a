package exercisetest

import (
	"testing"

	"example/tcpladder/shared/echotest"
)

func TestQuickChecksExist(t *testing.T) {
	echoChecks(echotest.Promises{Concurrent: true, Sleeps: true}, quick...) // panics
}
