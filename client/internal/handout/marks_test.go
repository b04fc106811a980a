package handout

import (
	"strings"
	"testing"
)

func TestUnmark(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"nothing":          {"a.md", "one\n\n\ntwo\n", "one\n\n\ntwo\n"},
		"lines":            {"a.md", "one\n\n<!-- teacher -->\nx\n<!-- /teacher -->\n\ntwo\n", "one\n\ntwo\n"},
		"lines of a text":  {"a.md", "one\n<!-- teacher -->\nx\n<!-- /teacher -->\ntwo\n", "one\ntwo\n"},
		"at the beginning": {"a.md", "<!-- teacher -->\nx\n<!-- /teacher -->\n\none\n", "one\n"},
		"at the end":       {"a.md", "one\n\n<!-- teacher -->\nx\n<!-- /teacher -->\n", "one\n"},
		"two in a row": {"a.md", "one\n\n<!-- teacher -->\nx\n<!-- /teacher -->\n\n<!-- teacher -->\ny\n<!-- /teacher -->\n\ntwo\n",
			"one\n\ntwo\n"},
		"all":                  {"a.md", "<!-- teacher -->\n# Notes\n<!-- /teacher -->\n", ""},
		"words":                {"a.md", "one <!-- teacher -->x<!-- /teacher --> two\n", "one two\n"},
		"words behind a word":  {"a.md", "one<!-- teacher --> x<!-- /teacher -->.\n", "one.\n"},
		"the end of a line":    {"a.md", "one <!-- teacher -->x<!-- /teacher -->\ntwo\n", "one\ntwo\n"},
		"an item of a list":    {"a.md", "- one <!-- teacher -->\n- x<!-- /teacher -->\n- two\n", "- one\n- two\n"},
		"a block of code":      {"a.md", "<!-- teacher -->\n```sh\nls\n```\n<!-- /teacher -->\none\n", "one\n"},
		"a mark in code":       {"a.md", "`<!-- teacher -->` and\n\n```\n<!-- /teacher -->\n```\n", "`<!-- teacher -->` and\n\n```\n<!-- /teacher -->\n```\n"},
		"another comment":      {"a.md", "<!-- run 04-kqueue -->\n", "<!-- run 04-kqueue -->\n"},
		"for students":         {"a.md", "one\n\n<!-- student\nhello\nthere\n-->\n\ntwo\n", "one\n\nhello\nthere\n\ntwo\n"},
		"words for students":   {"a.md", "one <!-- student and two -->.\n", "one and two.\n"},
		"students and teacher": {"a.md", "<!-- student one -->\n<!-- teacher -->\n<!-- student x -->\n<!-- /teacher -->\n", "one\n"},
		"Go":                   {"a.go", "var a = []int{\n\t1,\n\t// teacher\n\t2,\n\t// /teacher\n}\n", "var a = []int{\n\t1,\n}\n"},
		"Go that speaks of it": {"a.go", "// teacher is a name\nvar s = `<!-- teacher -->`\n", "// teacher is a name\nvar s = `<!-- teacher -->`\n"},
		"go.mod":               {"b/go.mod", "go 1.26\n\n// teacher\nignore ./x\n\n// /teacher\nrequire y v1\n", "go 1.26\n\nrequire y v1\n"},
		"another file":         {"a.txt", "<!-- teacher -->\n", "<!-- teacher -->\n"},
	} {
		got, err := unmark(c.file, c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %q, want %q", name, err, got, c.want)
		}
	}
}

// A mark that is not one would hand out what nobody means to hand out.
func TestWrongMarks(t *testing.T) {
	for text, want := range map[string]string{
		"one\n<!-- teacher -->\nx\n":                            "a.md:2: marked text that does not end",
		"one\n<!-- /teacher -->\n":                              "a.md:2: marked text ends that did not begin",
		"<!-- teacher -->\n<!-- teacher -->\n<!-- /teacher -->": "a.md:2: a mark inside",
		"<!--teacher-->\n":                                      `a.md:1: not a mark: "<!--teacher-->"`,
		"<!-- Teacher -->\n":                                    "not a mark",
		"<!-- teachers -->\n":                                   "not a mark",
		"<!-- / teacher -->\n":                                  "not a mark",
		"<!-- teacher: x -->\n":                                 "not a mark",
		"<!-- student -->\n":                                    "not a mark",
		"<!-- students: x -->\n":                                "not a mark",
		"<!-- /student -->\n":                                   "not a mark",
	} {
		if got, err := unmark("a.md", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %q, want the error %q", text, err, got, want)
		}
	}
	for _, text := range []string{"//teacher\n", "// Teacher\n", "// / teacher\n", "// teachers\n", "\t//  teacher\n"} {
		if _, err := unmark("a.go", text); err == nil {
			t.Errorf("%q passes for a mark", text)
		}
	}
}
