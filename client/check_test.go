package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/shared/echotest"
)

// TestPromises: the table of the rungs says what each rung's own test says.
func TestPromises(t *testing.T) {
	line := regexp.MustCompile(`echotest\.Promises\{(.*)\}`)
	for _, r := range echotest.Rungs {
		source, err := os.ReadFile(filepath.Join("..", r.Folder, "echo_test.go"))
		if err != nil {
			t.Skipf("no sources here: %v", err)
		}
		m := line.FindSubmatch(source)
		if m == nil {
			t.Errorf("%s/echo_test.go names no echotest.Promises", r.Folder)
			continue
		}
		var p echotest.Promises
		for field := range strings.SplitSeq(string(m[1]), ",") {
			name, value, _ := strings.Cut(field, ":")
			f := reflect.ValueOf(&p).Elem().FieldByName(strings.TrimSpace(name))
			if !f.IsValid() || strings.TrimSpace(value) != "true" {
				t.Errorf("%s/echo_test.go: cannot read %q", r.Folder, field)
				continue
			}
			f.SetBool(true)
		}
		if p != r.Promises {
			t.Errorf("%s: echo_test.go says %+v, echotest.Rungs %+v", r.Folder, p, r.Promises)
		}
	}
}

// listen serves every connection with serve and gives the address.
func listen(t *testing.T, serve func(*net.TCPConn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}

// echoBytes copies through user space, as any server in any language would.
func echoBytes(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}) }

func examine(t *testing.T, addr string, only string, names ...string) (report string, status int) {
	chosen, err := choose(names, addr)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := &examination{match: regexp.MustCompile(only), out: &out}
	status = e.all(chosen, addr)
	fits(t, out.String())
	return out.String(), status
}

func TestCheckListening(t *testing.T) {
	t.Parallel()
	const quick = "^(echo|dribble|half-close|keeps-boundaries)$"
	report, status := examine(t, listen(t, echoBytes), quick)
	if status != 0 || !strings.Contains(report, "3 passed, 0 failed, 0 skipped") {
		t.Errorf("a server that echoes: status %d\n%s", status, report)
	}
	if !strings.Contains(report, "echoes bytes") {
		t.Errorf("a server of bytes is taken for one of frames:\n%s", report)
	}
}

func TestCheckSeesAFault(t *testing.T) {
	t.Parallel()
	addr := listen(t, func(c *net.TCPConn) {
		first := make([]byte, 1000)
		n, err := c.Read(first)
		if err == nil && n > 6 { // the first 6 bytes are those that tell the protocol
			first[n-1]++
		}
		c.Write(first[:n])
		echoBytes(c)
	})
	report, status := examine(t, addr, "^echo$", "04")
	if status != 1 {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{"✗ echo", "sent ", "expected ", "came ", "cause ", "docs/01-blocking.md", "0 passed, 1 failed"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in the report:\n%s", want, report)
		}
	}
}

// TestCheckFirst: the first cross says so, and with -failfast it is the last.
func TestCheckFirst(t *testing.T) {
	t.Parallel()
	addr := listen(t, func(c *net.TCPConn) {
		buf, at := make([]byte, 4096), 0
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if at <= 30 && 30 < at+n { // behind those that tell the protocol
				buf[30-at]++
			}
			at += n
			c.Write(buf[:n])
		}
	})
	chosen, err := choose([]string{"04"}, addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, failfast := range []bool{false, true} {
		var out bytes.Buffer
		e := &examination{match: regexp.MustCompile("^(echo|any-segmentation|half-close)$"), out: &out, failfast: failfast}
		e.all(chosen, addr)
		report, crosses := out.String(), map[bool]int{false: 3, true: 1}[failfast]
		fits(t, report)
		if strings.Count(report, "✗") != crosses || strings.Count(report, "fix this one first") != 1 || e.left != 3-crosses {
			t.Errorf("failfast %v, %d not run:\n%s", failfast, e.left, report)
		}
	}
}

func TestCheckUsage(t *testing.T) {
	for _, args := range [][]string{{"-format", "csv"}, {"-format", "json", "-list"}, {"-format", "junit", "-faults"}, {"06"}, {"-nonsense"}, {"-run", "("}, {"-addr", "127.0.0.1:1", "01", "02"}} {
		if status := check(args); status != 2 {
			t.Errorf("check %q: status %d, want 2", args, status)
		}
	}
	if status := check([]string{"04", "-addr", "127.0.0.1:1"}); status != 1 {
		t.Errorf("nobody listens: status %d, want 1", status)
	}
}

// TestCheckFormat: the same results for other programs.
func TestCheckFormat(t *testing.T) {
	t.Parallel()
	addr := listen(t, echoBytes)
	chosen, err := choose([]string{"04"}, addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"json", "junit"} {
		var out bytes.Buffer
		e := examinationFor(format, false)
		e.match, e.formatted = regexp.MustCompile("^(echo|half-close)$"), &out
		if status := e.all(chosen, addr); status != 0 {
			t.Errorf("status %d", status)
		}
		var suites []report.Suite
		var tests struct {
			Tests  int `xml:"tests,attr"`
			Suites []struct {
				Cases []struct {
					Name string `xml:"name,attr"`
				} `xml:"testcase"`
			} `xml:"testsuite"`
		}
		if err := json.Unmarshal(out.Bytes(), &suites); format == "json" && (err != nil || len(suites) != 1 || len(suites[0].Results) != 2 || suites[0].Results[1].Outcome != report.Passed) {
			t.Errorf("%v\n%s", err, &out)
		}
		if err := xml.Unmarshal(out.Bytes(), &tests); format == "junit" && (err != nil || tests.Tests != 2 || tests.Suites[0].Cases[0].Name != "echo") {
			t.Errorf("%v\n%s", err, &out)
		}
	}
}
