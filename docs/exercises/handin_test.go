package exercises_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
)

var (
	workLine = regexp.MustCompile(`(?m)^\*\*Time:\*\* .+\. \*\*Difficulty:\*\* (easy|medium|hard)\. \*\*Hand in:\*\* (.+)$`)
	linkTo   = regexp.MustCompile(`\]\(([^)]+)\)`)
)

// TestHandIn wants each text to say how long the exercise takes, how hard it is and
// what to hand in, and what is not graded: the same that client check prints.
func TestHandIn(t *testing.T) {
	if _, err := os.Stat("README.md"); err != nil {
		t.Skip("there are no sources here")
	}
	for _, e := range exercisetest.Exercises() {
		name := filepath.Join(e.Name, "README.md")
		text, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		before, _, _ := strings.Cut(string(text), "\n## ")
		line := workLine.FindStringSubmatch(before)
		if line == nil {
			t.Errorf("%s: no line before the first part like: **Time:** about an hour. **Difficulty:** easy. **Hand in:** [server.go](server.go).", name)
			continue
		}
		files := linkTo.FindAllStringSubmatch(line[2], -1)
		if len(files) == 0 {
			t.Errorf("%s names no file to hand in", name)
		}
		for _, file := range files {
			if _, err := os.Stat(filepath.Join(e.Name, file[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if len(e.NotGraded) == 0 {
			t.Errorf("%s: nothing is said not to be graded", e.Name)
		}
		for _, words := range e.NotGraded {
			if !strings.Contains(string(text), "\n- "+words+"\n") {
				t.Errorf("%s does not say what client check says is not graded: %s", name, words)
			}
			if len(words) > 78 {
				t.Errorf("%s: more than 80 columns when printed: %s", e.Name, words)
			}
		}
	}
}
