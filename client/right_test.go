package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// bufferedFrames answers from buffers, and sends what is in them when it would
// have to wait.
func bufferedFrames(c *net.TCPConn) {
	in, out := bufio.NewReaderSize(c, 16<<10), bufio.NewWriterSize(c, 128<<10)
	defer out.Flush()
	for {
		if in.Buffered() < 4 && out.Flush() != nil {
			return
		}
		header, err := in.Peek(4)
		if err != nil {
			return
		}
		n := binary.BigEndian.Uint32(header)
		if n > 1<<20 {
			out.Flush()
			linger(c)
			return
		}
		if in.Buffered() < 4+int(n) && out.Flush() != nil {
			return
		}
		frame := make([]byte, 4+n)
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		out.Write(frame)
	}
}

// python starts testdata/echo.py and gives its address.
func python(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	if _, err := os.Stat("testdata/echo.py"); err != nil {
		t.Skipf("no sources here: %v", err)
	}
	if exec.Command(path, "-c", "import asyncio; asyncio.timeout").Run() != nil {
		t.Skip("this python3 is older than 3.11")
	}
	server := exec.Command(path, append([]string{"testdata/echo.py"}, args...)...)
	server.Stderr = os.Stderr
	stdout, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("echo.py %q: %v", args, err)
	}
	return strings.TrimSpace(line)
}

// TestRightServers: servers that are built in another way keep the promises too.
// A false alarm may be rare: -count=20 looks for it.
func TestRightServers(t *testing.T) {
	long(t)
	servers := map[string]func(*testing.T) string{
		"bytes, goroutines":  func(t *testing.T) string { return listen(t, new(byteServer).serve) },
		"bytes, queue":       func(t *testing.T) string { return listen(t, (&byteServer{queue: 1 << 20}).serve) },
		"bytes, asyncio":     func(t *testing.T) string { return python(t, "asyncio", "bytes") },
		"bytes, threads":     func(t *testing.T) string { return python(t, "threads", "bytes") },
		"frames, goroutines": func(t *testing.T) string { return listen(t, new(frameServer).serve) },
		"frames, buffers":    func(t *testing.T) string { return listen(t, bufferedFrames) },
		"frames, asyncio":    func(t *testing.T) string { return python(t, "asyncio", "frames") },
		"frames, threads":    func(t *testing.T) string { return python(t, "threads", "frames") },
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := start(t)
			report, status := examine(t, addr, "")
			if status != 0 || strings.Contains(report, "skipped:") {
				t.Errorf("status %d\n%s", status, report)
			}
		})
	}
}
