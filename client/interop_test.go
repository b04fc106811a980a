package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example/tcpladder/shared/echotest"
)

// These tests are the ladder seen by programs that other people wrote. They
// stand beside the project's own client because all of them need a rung that
// is running; each skips where its program is not installed.

// A foreigner is a client that somebody else wrote: it sends input to a rung
// and writes what comes back.
type foreigner struct {
	program string
	args    func(host, port string) []string
	stays   bool // after the end of its input, until the server hangs up
}

var foreigners = []foreigner{
	{"nc", func(host, port string) []string { return []string{"-N", host, port} }, false},
	{"socat", func(host, port string) []string { return []string{"-t10", "-", "TCP:" + host + ":" + port} }, false},
	{"curl", func(host, port string) []string {
		return []string{"--silent", "--show-error", "--no-buffer", "telnet://" + host + ":" + port}
	}, true},
}

func TestInterop(t *testing.T) {
	t.Parallel()
	for _, rung := range echotest.Rungs {
		t.Run(rung.Folder, func(t *testing.T) {
			addr := serveRung(t, "../"+rung.Folder)
			if rung.Promises.Framed {
				t.Run("erl", func(t *testing.T) { erlangPackets(t, addr) })
				return
			}
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range foreigners {
				t.Run(f.program, func(t *testing.T) { f.converse(t, host, port) })
			}
		})
	}
}

// installed skips the test where there is no such program.
func installed(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	if program != "nc" {
		return
	}
	// Only OpenBSD's nc half-closes at the end of its input when told by -N.
	if help, _ := exec.Command("nc", "-h").CombinedOutput(); !bytes.Contains(help, []byte("-N")) {
		t.Skip("this nc has no -N to half-close with; netcat-openbsd has")
	}
}

// converse sends a line and then a megabyte, and wants both back.
func (f foreigner) converse(t *testing.T, host, port string) {
	installed(t, f.program)
	for _, input := range []string{"hello\n", randomLines(1 << 20)} {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, f.program, f.args(host, port)...)
		cmd.Stdin, cmd.Stderr = strings.NewReader(input), os.Stderr
		output, err := f.collect(cmd, len(input))
		if string(output) != input {
			t.Errorf("%s sent %d bytes and printed %d: %.100q (%v)", f.program, len(input), len(output), output, err)
		} else if err != nil {
			t.Errorf("%s printed everything, then failed: %v", f.program, err)
		}
	}
}

// collect runs a foreigner and returns what it prints: all of it, or the first
// size bytes of one that would stay forever.
func (f foreigner) collect(cmd *exec.Cmd, size int) ([]byte, error) {
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if !f.stays {
		output, _ := io.ReadAll(stdout)
		return output, cmd.Wait()
	}
	output := make([]byte, size)
	n, err := io.ReadFull(stdout, output)
	cmd.Process.Kill()
	cmd.Wait() // says that it was killed
	return output[:n], err
}

// Erlang's {packet, 4} is the wire of the framed rung, in another runtime.
func erlangPackets(t *testing.T, addr string) {
	installed(t, "erl")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "packets.erl"), []byte(packetsErl), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	erl := exec.CommandContext(ctx, "erl", "-noshell", "-noinput", "-eval",
		`{ok, packets} = c:c(packets), packets:main("`+host+`", `+port+`).`)
	erl.Dir = dir
	out, err := erl.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "all came back\n") {
		t.Errorf("erl: %v\n%s", err, out)
	}
}

// packetsErl sends frames of many sizes one by one, then all at once and a
// half-close behind them, and compares what comes back.
const packetsErl = `
-module(packets).
-export([main/2]).

main(Host, Port) ->
    {ok, Socket} = gen_tcp:connect(Host, Port, [binary, {packet, 4}, {active, false}]),
    Frames = [binary:copy(<<"x">>, Size) || Size <- [0, 1, 3, 4, 5, 255, 256, 65535, 65536, 1048576]],
    [begin ok = gen_tcp:send(Socket, F), {ok, F} = gen_tcp:recv(Socket, 0, 10000) end || F <- Frames],
    Sender = fun() ->
        [ok = gen_tcp:send(Socket, F) || F <- Frames],
        ok = gen_tcp:shutdown(Socket, write)
    end,
    spawn_link(Sender),
    [{ok, F} = gen_tcp:recv(Socket, 0, 10000) || F <- Frames],
    {error, closed} = gen_tcp:recv(Socket, 0, 10000),
    io:format("all came back~n"),
    halt(0).
`
