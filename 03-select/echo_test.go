package main

import (
	"testing"

	"example/tcpladder/shared/echotest"
)

func TestMain(m *testing.M) { echotest.Main(m, main) }

func TestEcho(t *testing.T) {
	echotest.Run(t, echotest.Promises{Concurrent: true, Sleeps: true, FDSet: true})
}

func BenchmarkEcho(b *testing.B) { echotest.Benchmark(b, serve) }
