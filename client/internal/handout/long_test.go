package handout

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example/tcpladder/shared/echotest"
)

// TestStudentsCopy takes minutes. It makes a copy of the course as it is, committed
// or not, and lets students begin.
func TestStudentsCopy(t *testing.T) {
	if !echotest.LongRun() {
		t.Skip("set TCPLADDER_LONG=1")
	}
	c := strip(t)
	dir := filepath.Join(t.TempDir(), "course")
	if err := c.Write(t.Context(), dir, Commit{"1234567", "2026-11-21T20:00:00+01:00", 0}); err != nil {
		t.Fatal(err)
	}
	if n, status := said(t, dir, "rev-list", "--count", "--all"), said(t, dir, "status", "--porcelain", "--ignored"); n != "1" || status != "" {
		t.Errorf("%s commits, not committed: %q", n, status)
	}
	for _, c := range []struct{ name, command string }{
		{"it builds", "go build work && go vet work"},
		{"it is formatted", `test -z "$(gofmt -l .)"`},
		{"a module by itself", "cd docs && GOWORK=off go list -deps ./... >/dev/null"},
		{"the texts are true", "go test -count=1 ./docs/..."},
		{"its parts work", "go test -count=1 ./shared/socket ./04-kqueue/eventloop ./client/framing ./client/internal/eventloop"},
		{"a rung keeps its word", "go run ./client check -run '^(echo|half-close)$' 03"},
		{"a start is not done", `go run ./client check -exercise 02-naps | grep 'not implemented yet'`},
		{"a start comes back", "rm docs/exercises/01-threads/*.go && git checkout --quiet docs/exercises/01-threads && git diff --exit-code"},
		{"a clone is as good", "git clone --quiet . ../mine && cd ../mine && go run ./01-blocking -h"},
		{"nothing for teachers", `! go run ./client -h | grep -E 'handout|compare|grade'`},
	} {
		t.Run(c.name, func(t *testing.T) { shell(t, dir, c.command) })
	}
	t.Run("modules on a stick", func(t *testing.T) { stick(t, dir) })
	t.Run("modules in the copy", func(t *testing.T) { vendored(t, dir) })
}

// offline sets up a go command that has no modules yet, and no network.
func offline(t *testing.T, proxy string) string {
	return "export GOPROXY=" + proxy + " GOFLAGS=-modcacherw GOMODCACHE=" + t.TempDir() + " && "
}

// stick takes the modules along as docs/teaching.md says. They are taken from the
// cache of this machine where it has them.
func stick(t *testing.T, dir string) {
	modules := t.TempDir()
	shell(t, dir, `GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" GOFLAGS=-modcacherw GOMODCACHE=`+modules+
		` go list -deps -test work >/dev/null`)
	shell(t, dir, offline(t, "file://"+modules+"/cache/download")+"go list -deps -test work >/dev/null && go run ./client/walls -h")
}

// vendored puts the modules into the copy: git does not see them, nor do the tests
// that look at all files, in a clone or not.
func vendored(t *testing.T, dir string) {
	size, err := Vendor(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", size)
	if status := said(t, dir, "status", "--porcelain"); status != "" {
		t.Errorf("git sees the modules:\n%s", status)
	}
	shell(t, dir, offline(t, "off")+`go build work && test -z "$(find vendor -name '*_test.go')"`)
	const quick = "go test -count=1 -run 'Links|TopLevel|Modules|Functions' ./docs"
	shell(t, dir, offline(t, "off")+quick)
	shell(t, dir, "mv .git ../git && "+offline(t, "off")+quick+"; status=$?; mv ../git .git; exit $status")
}

// shell runs a command line in dir and wants it to succeed.
func shell(t *testing.T, dir, command string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TCPLADDER_LONG=", "GOWORK=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, strings.TrimSpace(string(out)))
	}
}
