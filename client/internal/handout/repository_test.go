package handout

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository makes a repository with one commit of these files and returns its
// folder.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git here")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &Copy{}
	for name, text := range files {
		c.Files = append(c.Files, File{name, 0o644, []byte(text)})
	}
	if err := c.Write(t.Context(), dir, Commit{"1234567", "2026-11-21T20:00:00+01:00", 0}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// said runs git in dir and returns what it prints.
func said(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t.Context(), dir, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestHead(t *testing.T) {
	files := map[string]string{"go.work": "go 1.26.0\n", "a/b.go": "package b\n", ".gitignore": "*.out\n", "x.out": "ignored and committed\n"}
	dir := repository(t, files)
	for name, text := range map[string]string{"a/b.go": "package b // an attempt\n", "new.go": "package x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, commit, err := Head(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(files) {
		t.Errorf("%d files, want %d", len(got), len(files))
	}
	for _, f := range got {
		if string(f.Text) != files[f.Path] || f.Mode != 0o644 {
			t.Errorf("%s: %v %q, want %q", f.Path, f.Mode, f.Text, files[f.Path])
		}
	}
	if commit.Changed != 2 || commit.Time != "2026-11-21T20:00:00+01:00" || !strings.HasPrefix(said(t, dir, "rev-parse", "HEAD"), commit.Hash) {
		t.Errorf("the commit is %+v", commit)
	}
	t.Chdir(filepath.Join(dir, "a"))
	if top, err := Root(); err != nil || top != dir {
		t.Errorf("from a folder below: the top is %s, %v", top, err)
	}
	if again := repository(t, files); said(t, again, "rev-parse", "HEAD") != said(t, dir, "rev-parse", "HEAD") {
		t.Error("two copies of the same are not the same commit")
	}
	if _, _, err := Head(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "made of a commit") || strings.Contains(err.Error(), "\n") {
		t.Errorf("no repository: %v", err)
	}
}

// A hook of git runs with variables that name its repository.
func TestInAHook(t *testing.T) {
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "another"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(t.TempDir(), "index"))
	if n := said(t, repository(t, map[string]string{"a": "a\n"}), "rev-list", "--count", "HEAD"); n != "1" {
		t.Errorf("%s commits", n)
	}
}

func TestCheck(t *testing.T) {
	dir := repository(t, map[string]string{"a/b": "b\n", ".gitignore": "/ignored/\n"})
	other := t.TempDir()
	link := filepath.Join(other, "link")
	if err := os.Symlink(filepath.Join(dir, "a"), link); err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		filepath.Join(other, "new"):          "",
		filepath.Join(other, "new", "newer"): "",
		t.TempDir():                          "",
		filepath.Join(dir, "ignored"):        "",
		filepath.Join(dir, "ignored", "new"): "",
		filepath.Join(dir, "new"):            "inside the repository",
		filepath.Join(dir, ".git", "new"):    "inside the repository",
		filepath.Join(link, "new"):           "inside the repository",
		filepath.Join(dir, "a"):              "is not empty",
		dir:                                  "is not empty",
		filepath.Join(dir, "a", "b"):         "is a file",
	} {
		err := Check(t.Context(), dir, place)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", place, err, want)
		}
	}
}

func TestRemove(t *testing.T) {
	for _, whole := range []bool{true, false} {
		dir := repository(t, map[string]string{"a/b": "b\n"})
		Remove(dir, whole)
		entries, err := os.ReadDir(dir)
		if whole != os.IsNotExist(err) || len(entries) > 0 {
			t.Errorf("%v: %v, %v", whole, entries, err)
		}
	}
}
