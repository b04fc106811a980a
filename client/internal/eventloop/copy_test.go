package eventloop

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The loop that makes the load is the ladder's, but a copy: learners change the
// original, and break it. The tests of the original are in its own folder.
const (
	original = "04-kqueue/eventloop"
	copied   = "client/internal/eventloop"
)

// sources returns the files of a folder of the project that are no tests.
func sources(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join("../../..", folder, "*.go")) // the pattern is well formed
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(text)
	}
	return files
}

func TestCopy(t *testing.T) {
	there, here := sources(t, original), sources(t, copied)
	if len(there) == 0 || len(here) == 0 {
		t.Skip("no sources here")
	}
	all := slices.AppendSeq(slices.Collect(maps.Keys(there)), maps.Keys(here))
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		if _, ok := there[name]; !ok {
			t.Errorf("%[1]s/%[3]s is gone: git rm %[2]s/%[3]s", original, copied, name)
		} else if there[name] != here[name] {
			t.Errorf("%[1]s/%[3]s is not what client bench runs on. If the change to it is to stay, at the top of the project: "+
				"cp %[1]s/%[3]s %[2]s/%[3]s; if it was an experiment: git checkout %[1]s/%[3]s", original, copied, name)
		}
	}
}

// A rung that does not compile must not take the tools along that would show why.
func TestClientNeedsNoRung(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil || len(sources(t, original)) == 0 {
		t.Skip("no go command or no sources")
	}
	list := exec.Command("go", "list", "-deps", "-test", "example/tcpladder/client/...")
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", list, err, out)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.HasPrefix(pkg, "example/tcpladder/0") {
			t.Errorf("the client depends on %s: give it what it needs of that as its own", strings.TrimSpace(pkg))
		}
	}
}
