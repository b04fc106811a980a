package cli

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text string
		hang int
		want string
	}{
		{"", 2, ""},
		{"it  fits  here, yes ", 2, "it  fits  here, yes "},
		{"it does not fit in twenty", 2, "it does not fit in\n  twenty"},
		{"  ✗ é is one column, one", 4, "  ✗ é is one column,\n    one"},
		{"\x1b[31m✗\x1b[0m a colour is none", 2, "\x1b[31m✗\x1b[0m a colour is none"},
		{"name      a text  that hangs", 10, "name      a text\n          that hangs"},
		{"each line of many words\nby itself, with the same indent", 3, "each line of many\n   words\nby itself, with the\n   same indent"},
		{"name      docs/a/path/that-is-long", 10, "name      docs/a/path/that-is-long"},
		{`it says "a quoted string stays whole", then`, 4, "it says\n    \"a quoted string stays whole\",\n    then"},
		{`say "quote \" inside, too" it`, 2, "say\n  \"quote \\\" inside, too\"\n  it"},
		{`a lone " is a word of them`, 2, "a lone \" is a word\n  of them"},
		{"it's read(7<a (b) c>, 1) = -1 EIO (Input output) 2 times", 2, "it's\n  read(7<a (b) c>, 1) = -1 EIO (Input output)\n  2 times"},
		{"so f(x y z) of the (a b) = word", 2, "so f(x y z) of the\n  (a b) = word"},
	} {
		if got := WrapAt(20, test.text, test.hang); got != test.want {
			t.Errorf("%q, hang %d:\n%s\nwant\n%s", test.text, test.hang, got, test.want)
		}
	}
	if long := strings.Repeat("x ", 40); Wrap(long+"y", 3) != long[:79]+"\n   y" {
		t.Error("Wrap does not wrap at 80")
	}
}

func TestList(t *testing.T) {
	var out strings.Builder
	List(&out, [][2]string{{"é", "short"}, {"wider", strings.Repeat("word ", 16)}})
	want := "  é      short\n  wider  " + strings.Repeat("word ", 13) + "word\n         word word\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// Only the first line of an error is the command's own.
func TestComplain(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func(old *os.File) { os.Stderr = old }(os.Stderr)
	os.Stderr = writer
	quoted := strings.Repeat("quoted ", 20) + "end"
	Complain("name", errors.New(strings.Repeat("word ", 16)+"end\n"+quoted+"\n"+quoted+"\n"))
	writer.Close()
	got, _ := io.ReadAll(reader)
	reader.Close()
	if want := "name: " + strings.Repeat("word ", 14) + "word\n      word end\n      " + quoted + "\n      " + quoted + "\n"; string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
