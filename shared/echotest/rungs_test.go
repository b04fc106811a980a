package echotest

import "testing"

func TestFindRung(t *testing.T) {
	for _, name := range []string{"3", "03", "03-select"} {
		if r, err := FindRung(name); r.Folder != "03-select" || err != nil {
			t.Errorf("FindRung(%q) = %q, %v", name, r.Folder, err)
		}
	}
	for _, name := range []string{"", "6", "0", "net", "select"} {
		if r, err := FindRung(name); err == nil {
			t.Errorf("FindRung(%q) = %q", name, r.Folder)
		}
	}
}
