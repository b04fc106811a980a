package docs

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example/tcpladder/shared/proc"
)

// A foreignClient is a client of protocol.md in another language. It sends one
// frame that says hello, and prints the answer.
type foreignClient struct {
	name   string
	files  []string   // as the text names them; they are written to a folder
	run    [][]string // commands, tried in turn; the host and the port follow
	absent string     // what is said when a library is not there: a regular expression
}

var foreignClients = []foreignClient{
	{"python", []string{"client.py"}, [][]string{{"python3", "client.py"}}, ""},
	{"twisted", []string{"client_twisted.py"},
		// Where several are installed, the system's has the system's packages.
		[][]string{{"python3", "client_twisted.py"}, {"/usr/bin/python3", "client_twisted.py"}}, "No module named 'twisted'"},
	{"erlang", []string{"client.escript"}, [][]string{{"escript", "client.escript"}}, ""},
	{"tokio", []string{"Cargo.toml", "src/main.rs"},
		[][]string{{"cargo", "run", "--quiet", "--offline", "--"}}, "no matching package|failed to get|unable to update"},
	{"netty", []string{"Client.java"},
		[][]string{{"java", "Client.java"}, {"java", "-cp", debianNetty(), "Client.java"}}, "package io.netty|compiler"},
}

// debianNetty is a class path of the package libnetty-java.
func debianNetty() string {
	jars, _ := filepath.Glob("/usr/share/java/netty-*.jar") // the pattern is good
	return strings.Join(jars, string(filepath.ListSeparator))
}

func TestProtocolClients(t *testing.T) {
	text := string(read(t, "docs/protocol.md"))
	addr, _ := startFraming(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range foreignClients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t, text, host, port)
		})
	}
}

func (c foreignClient) check(t *testing.T, text, host, port string) {
	dir := t.TempDir()
	for _, name := range c.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(clientIn(t, text, name)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	missing := "nothing of this kind is installed"
	for _, command := range c.run {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue
		}
		said, complaint, err := runIn(dir, append(command[1:], host, port), command[0])
		if err != nil && c.absent != "" && regexp.MustCompile(c.absent).MatchString(complaint) {
			missing = "the library is not installed"
			continue
		}
		if err != nil || strings.TrimSpace(said) != "hello" {
			t.Errorf("%s of protocol.md against 05-framing: printed %q, want hello: %v\n%s", c.name, said, err, complaint)
		}
		return
	}
	t.Skip(missing)
}

// runIn runs a command to its end, within a minute: a compiler can be part of it.
func runIn(dir string, args []string, name string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &complaint
	cmd.WaitDelay = time.Second // for a child that holds the output open
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// clientIn returns the block of the text that follows <!-- client NAME -->.
func clientIn(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "<!-- client "+name+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("protocol.md: no block below <!-- client %s -->", name)
	}
	return code + "\n"
}

// conversationRow is a line of the table of bytes: sent, received, note.
var conversationRow = regexp.MustCompile("(?m)^\\| (?:`([0-9a-f ]+)`)? ?\\| (?:`([0-9a-f ]+)`)? ?\\| (.+) \\|$")

func TestProtocolConversations(t *testing.T) {
	_, table, _ := strings.Cut(string(read(t, "docs/protocol.md")), "## Conversations")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := conversationRow.FindAllStringSubmatch(table, -1)
	if want := strings.Count(table, "\n|") - 2; len(rows) != want {
		t.Fatalf("protocol.md: %d of %d conversations can be read", len(rows), want)
	}
	addr, _ := startFraming(t)
	for _, row := range rows {
		got, err := converse(addr, fromHex(t, row[1]))
		if want := fromHex(t, row[2]); err != nil || !bytes.Equal(got, want) {
			t.Errorf("protocol.md, %s: sent %s, got % x (%v), want % x", row[3], row[1], got, err, want)
		}
	}
}

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// converse sends, closes the sending side, and reads to the end.
func converse(addr string, send []byte) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write(send); err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return nil, err
	}
	return io.ReadAll(conn)
}

// The server's log has the lines that the table of errors shows.
func TestProtocolLog(t *testing.T) {
	text := string(read(t, "docs/protocol.md"))
	addr, logged := startFraming(t, "-idle-timeout", "200ms")
	for what, do := range map[string]func(*net.TCPConn){
		"announces more than the maximum":        func(c *net.TCPConn) { c.Write(fromHex(t, "00100001 62")) },
		"closes its sending side inside a frame": func(c *net.TCPConn) { c.Write(fromHex(t, "00000005 6162")); c.CloseWrite() },
		"resets the connection": func(c *net.TCPConn) {
			c.Write(make([]byte, 4)) // an empty frame: its answer says that c has been accepted
			io.ReadFull(c, make([]byte, 4))
			c.SetLinger(0)
			c.Close()
		},
		"lets `-idle-timeout` pass": func(c *net.TCPConn) {},
	} {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(what) + ` \|.*\| ` + "`client 127.0.0.1:51514: (.*)`").FindStringSubmatch(text)
		if row == nil {
			t.Errorf("protocol.md: no line of the log for a client that %s", what)
			continue
		}
		conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		do(conn.(*net.TCPConn))
		want := fmt.Sprintf("client %v: %s", conn.LocalAddr(), row[1])
		if _, ok := logged.Wait(proc.Patience, func(line string) bool { return line == want }); !ok {
			t.Errorf("a client that %s: the log says\n%s\nand not, as the text, %q", what, logged.Excerpt(), want)
		}
	}
}

// startFraming builds and starts 05-framing on a port of its own until the test
// is over. It returns the server's address and its log.
func startFraming(t *testing.T, flags ...string) (addr string, log *proc.Lines) {
	t.Helper()
	program, remove, err := proc.Build(filepath.Join(root, "05-framing"), ".")
	if errors.Is(err, proc.ErrCannotBuild) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	server, err := proc.Command{Args: append([]string{program, "-addr", "127.0.0.1:0"}, flags...)}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	if addr, err = server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return addr, server.Stderr
}
