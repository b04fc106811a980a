package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// renew replaces the block of a wall on a page of Markdown: what stands between
// two comments that name it. A page that does not exist, or has no such block,
// is left alone.
func renew(path, name, text, machine string) error {
	page, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	begin, end := fmt.Sprintf("<!-- measured: %s -->\n", name), "<!-- end -->\n"
	before, rest, ok := strings.Cut(string(page), begin)
	if !ok {
		return nil
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return fmt.Errorf("%s: no %q after %q", path, end, begin)
	}
	return os.WriteFile(path, []byte(before+begin+block(text, machine)+end+after), 0o666)
}

// block is what is shown of a measurement on a page.
func block(text, machine string) string {
	return fmt.Sprintf("```text\n%s\n```\n\nMeasured on %s.\n", strings.TrimRight(text, "\n"), machine)
}
