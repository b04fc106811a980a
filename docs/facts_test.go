package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// namedInGo is how a text names declarations of the Go installation: a file,
	// a colon, and one or more names.
	namedInGo  = regexp.MustCompile("`((?:runtime|net|internal|syscall)[a-z/_]*/[a-z_]+\\.go)`: ((?:`[A-Za-z_.]+`(?:, )?)+)")
	backquoted = regexp.MustCompile("`([^`]+)`")
)

// What the text says of Go's own source is there, in the Go that runs the test.
func TestNamesInGo(t *testing.T) {
	said, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("no go command")
	}
	src := filepath.Join(strings.TrimSpace(string(said)), "src")
	if _, err := os.Stat(filepath.Join(src, "runtime")); err != nil {
		t.Skip("this Go comes without its source")
	}
	for _, chapter := range []string{"docs/what-go-does.md", "docs/kqueue-and-epoll.md"} {
		for _, match := range namedInGo.FindAllStringSubmatch(string(read(t, chapter)), -1) {
			code, err := os.ReadFile(filepath.Join(src, filepath.FromSlash(match[1])))
			if err != nil {
				t.Errorf("%s: %v", chapter, err)
				continue
			}
			for _, name := range backquoted.FindAllStringSubmatch(match[2], -1) {
				if !declares(string(code), name[1]) {
					t.Errorf("%s: src/%s declares no %s: name what this release calls it", chapter, match[1], name[1])
				}
			}
		}
	}
}

// declares reports whether Go code declares a function, a method such as
// FD.Read, a type or a constant.
func declares(code, name string) bool {
	pattern := `(?m)^(func|type|const|\t)` + ` ?` + name + `\b`
	if receiver, method, ok := strings.Cut(name, "."); ok {
		pattern = `(?m)^func \([a-z]+ \*?` + receiver + `\) ` + method + `\(`
	}
	return regexp.MustCompile(pattern).MatchString(code)
}
