package faults

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][2][]string{
		"-faults 03":                     {{"-faults", "03"}, nil},
		"-faults -- python3 s.py {addr}": {{"-faults"}, {"python3", "s.py", "{addr}"}},
		"-faults -- sh -- x":             {{"-faults"}, {"sh", "--", "x"}},
		"--":                             {{}, {}},
	} {
		rest, command := Split(strings.Fields(line))
		if !reflect.DeepEqual(rest, want[0]) || !reflect.DeepEqual(command, want[1]) {
			t.Errorf("%q: %q, %q", line, rest, command)
		}
	}
}

func TestTable(t *testing.T) {
	all := regexp.MustCompile("")
	for i := range calls {
		var seen []string
		for _, f := range calls[i].faults(all) {
			if slices.Contains(seen, f.errno) {
				t.Errorf("%s is there twice", f.name())
			}
			seen = append(seen, f.errno)
		}
		var out bytes.Buffer
		List(&out, regexp.MustCompile("^"+calls[i].name+"/"))
		for _, errno := range seen {
			if !strings.Contains(out.String(), " "+errno) {
				t.Errorf("%s is not listed:\n%s", errno, &out)
			}
		}
	}
	if Matches(regexp.MustCompile("^accept/EPIPE$")) {
		t.Error("accept does not fail with EPIPE")
	}
}

// A manual page has its errors in bold, at the beginning of a paragraph.
var listed = regexp.MustCompile(`(?m)^\.BR? (E[A-Z0-9]+)[ ,]*(?:"?[ ,or]*"? *(E[A-Z0-9]+))?`)

// otherwise are words of the pages that are no errors of ours: EWOULDBLOCK is EAGAIN,
// no program sees ERESTARTSYS, and a connection has its address family already.
var otherwise = regexp.MustCompile("^(|EWOULDBLOCK|ERESTARTSYS|EAFNOSUPPORT|EAFNOTSUPPORT|EPOLL.*)$")

// TestManual: every error that a call's pages list is in the table, and the
// unexpected one is in none of them.
func TestManual(t *testing.T) {
	for _, c := range calls {
		for _, page := range strings.Split(c.manual, ", ") {
			name, section, _ := strings.Cut(strings.TrimSuffix(page, ")"), "(")
			text, err := manual("/usr/share/man/man" + section + "/" + name + "." + section + ".gz")
			if errors.Is(err, os.ErrNotExist) {
				t.Skip("the manual pages are not installed")
			}
			if err != nil {
				t.Fatal(err)
			}
			_, text, _ = strings.Cut(text, "\n.SH ERRORS")
			text, _, _ = strings.Cut(text, "\n.SH ")
			for _, m := range listed.FindAllStringSubmatch(text, -1) {
				for _, errno := range m[1:] {
					if !otherwise.MatchString(errno) && !slices.Contains(strings.Fields(c.errnos), errno) {
						t.Errorf("%s lists %s, and %s does not fail with it", page, errno, c.name)
					}
					if errno == c.unexpected {
						t.Errorf("%s lists %s", page, errno)
					}
				}
			}
		}
	}
}

func manual(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(z)
	return string(text), err
}
