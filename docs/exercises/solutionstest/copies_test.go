package solutionstest

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
)

// differences has a line for each copy that is not what its original is: the file,
// and a short hash of each line by which the two differ.
const differences = exercises + "/solutions/differences.txt"

var record = flag.Bool("record", false, "write the overlay and the differences as they are")

const toRecord = "go test -run 'TestOverlay|TestCopies' ./docs/exercises/solutionstest -record"

// TestOverlay compares the overlay with the files that are there. All solutions
// have one test.
func TestOverlay(t *testing.T) {
	needSources(t)
	replace := map[string]string{}
	for _, e := range exercisetest.Exercises() {
		start, solution := exercises+"/"+e.Name, exercises+"/solutions/"+e.Name
		replace[start+"/exercise_test.go"] = exercises + "/solutions/exercise_test.go"
		for _, file := range goFiles(t, solution) {
			replace[start+"/"+file] = solution + "/" + file
		}
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	upToDate(t, overlay, string(text)+"\n")
}

// upToDate wants the file to hold text, or makes it so.
func upToDate(t *testing.T, file, text string) {
	t.Helper()
	file = filepath.Join(root, file)
	if *record {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != text {
		t.Errorf("%s is not up to date (%v): %s", filepath.Base(file), err, toRecord)
	}
}

// A duplicate is a file of a start that its rung has too, or of a solution that its
// start has too.
type duplicate struct{ original, file string }

func duplicates(t *testing.T) (list []duplicate) {
	t.Helper()
	for _, e := range exercisetest.Exercises() {
		start, solution := exercises+"/"+e.Name, exercises+"/solutions/"+e.Name
		for _, folder := range []duplicate{{e.Rung, start}, {start, solution}} {
			for _, file := range goFiles(t, folder.file) {
				d := duplicate{folder.original + "/" + file, folder.file + "/" + file}
				if _, err := os.Stat(filepath.Join(root, d.original)); err == nil {
					list = append(list, d)
				}
			}
		}
	}
	return list
}

// TestCopies compares what a start has of its rung, and a solution of its start. In
// a file that is to be different, the difference must be the one that was recorded:
// so a change of the rung that was not carried over is noticed there too.
func TestCopies(t *testing.T) {
	needSources(t)
	if _, err := exec.LookPath("diff"); err != nil || runtime.GOOS != "linux" {
		t.Skip("no diff, or one that may print other lines")
	}
	recorded, now := recordedDifferences(t), ""
	for _, d := range duplicates(t) {
		lines := d.difference(t)
		if len(lines) == 0 && strings.HasPrefix(d.file, exercises+"/solutions/") {
			t.Errorf("%s is %s: remove it", d.file, d.original)
		}
		if len(lines) > 0 {
			now += d.file + " " + strings.Join(hashes(lines), " ") + "\n"
		}
		if !*record {
			d.compare(t, lines, recorded[d.file])
		}
	}
	if !t.Failed() {
		upToDate(t, differences, now)
	}
}

func recordedDifferences(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, differences))
	if err != nil && !*record {
		t.Fatal(err)
	}
	recorded := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 0 {
			recorded[words[0]] = words[1:]
		}
	}
	return recorded
}

// difference returns the lines that diff(1) prints of the two, those of the
// original with a < before them.
func (d duplicate) difference(t *testing.T) (lines []string) {
	t.Helper()
	cmd := exec.Command("diff", d.original, d.file)
	cmd.Dir = root
	out, err := cmd.Output()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > 1 {
		t.Fatalf("diff %s %s: %v", d.original, d.file, err)
	}
	for line := range strings.Lines(string(out)) {
		if line[0] == '<' || line[0] == '>' {
			lines = append(lines, line)
		}
	}
	return lines
}

func hashes(lines []string) (list []string) {
	for _, line := range lines {
		sum := sha256.Sum256([]byte(line))
		list = append(list, fmt.Sprintf("%x", sum[:3]))
	}
	return list
}

// compare says which lines make the difference another one than was recorded.
func (d duplicate) compare(t *testing.T, lines, recorded []string) {
	t.Helper()
	now := hashes(lines)
	if slices.Equal(now, recorded) {
		return
	}
	var unknown strings.Builder
	gone := slices.Clone(recorded)
	for i, hash := range now {
		if at := slices.Index(gone, hash); at >= 0 {
			gone = slices.Delete(gone, at, at+1)
		} else {
			unknown.WriteString(lines[i])
		}
	}
	if len(gone) > 0 {
		fmt.Fprintf(&unknown, "and without %d lines that are recorded\n", len(gone))
	}
	t.Errorf(`%[1]s (<) and %[2]s (>) do not differ as is recorded, but:
%[3]sIf the former was changed since HEAD, or another commit, carry that over:
	git diff -U1 HEAD %[1]s | sed 's|%[1]s|%[2]s|g' | git apply
If they are to differ like that:
	%[4]s`, d.original, d.file, &unknown, toRecord)
}

// goFiles lists the Go files below a folder, relative to it.
func goFiles(t *testing.T, folder string) (files []string) {
	t.Helper()
	dir := filepath.Join(root, folder)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") {
			file, _ := filepath.Rel(dir, path) // path is below dir
			files = append(files, filepath.ToSlash(file))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
