// Package exercises_test holds the exercises to their form.
package exercises_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
)

// TestOwnChecksFirst: what an exercise is about is looked at first, and its text is
// the one to read; then come the promises of the rung, with the rung's chapter.
func TestOwnChecksFirst(t *testing.T) {
	for _, e := range exercisetest.Exercises() {
		own := true
		for _, c := range e.Checks {
			if c.Own && !own {
				t.Errorf("%s: %s comes after a check of the rung", e.Name, c.Name)
			}
			own = c.Own
			if want := "docs/exercises/" + e.Name + "/README.md"; c.Own != (c.Chapter == want) || !c.Own && !strings.HasPrefix(c.Chapter, "docs/0") {
				t.Errorf("%s: %s sends its reader to %s", e.Name, c.Name, c.Chapter)
			}
		}
	}
}

// TestTexts wants every exercise to have the parts of a text, and its line in the
// list.
func TestTexts(t *testing.T) {
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Skip("there are no sources here")
	}
	for _, e := range exercisetest.Exercises() {
		if link := fmt.Sprintf("[%s](%s/README.md)", e.Name, e.Name); !bytes.Contains(list, []byte(link)) {
			t.Errorf("README.md does not list %s", link)
		}
		text, err := os.ReadFile(filepath.Join(e.Name, "README.md"))
		if err != nil {
			t.Error(err)
			continue
		}
		at := -1
		for _, part := range []string{"Goal", "Predict", "Build", "Check", "Hints", "Notice", "Going further"} {
			next := bytes.Index(text, []byte("\n## "+part+"\n"))
			if next <= at {
				t.Errorf("%s/README.md: no part %q, or not in its place", e.Name, part)
			}
			at = next
		}
		if command := "go run ./client check -exercise " + e.Name; !bytes.Contains(text, []byte(command)) {
			t.Errorf("%s/README.md does not say: %s", e.Name, command)
		}
	}
}
