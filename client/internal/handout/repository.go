package handout

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Commit is where a copy was made from.
type Commit struct {
	Hash    string // short
	Time    string // as ISO 8601 has it
	Changed int    // files in the folder that are not as they are in it
}

// Root returns the top of the course: the folder with go.work, here or above.
func Root() (string, error) {
	dir, err := filepath.Abs(".")
	for err == nil {
		if _, e := os.Stat(filepath.Join(dir, "go.work")); e == nil {
			return filepath.EvalSymlinks(dir)
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("run this inside the project: there is no go.work here or above")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// Head returns the files of the course at root as its last commit has them, and
// that commit. What is not committed is no part of it: an attempt at an exercise
// must not be handed out by accident, and the commit says what was.
func Head(ctx context.Context, root string) ([]File, Commit, error) {
	var c Commit
	if _, err := exec.LookPath("git"); err != nil {
		return nil, c, errors.New("there is no git command in PATH")
	}
	what, err := git(ctx, root, nil, "log", "-1", "--format=%h %cI")
	if err != nil {
		return nil, c, fmt.Errorf("a handout is made of a commit: %w", err)
	}
	c.Hash, c.Time, _ = strings.Cut(strings.TrimSpace(string(what)), " ")
	changed, err := git(ctx, root, nil, "status", "--porcelain", "--", ".")
	if err != nil {
		return nil, c, err
	}
	c.Changed = bytes.Count(changed, []byte("\n"))
	archive, err := git(ctx, root, nil, "-c", "tar.umask=0022", "archive", "--format=tar", "HEAD")
	if err != nil {
		return nil, c, err
	}
	files, err := untar(bytes.NewReader(archive))
	return files, c, err
}

// untar returns the files of an archive.
func untar(archive io.Reader) (files []File, err error) {
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		switch h.Typeflag {
		case tar.TypeReg:
			text, err := io.ReadAll(r)
			if err != nil {
				return nil, err
			}
			files = append(files, File{h.Name, h.FileInfo().Mode().Perm(), text})
		case tar.TypeDir, tar.TypeXGlobalHeader:
		default:
			return nil, fmt.Errorf("%s is not a plain file", h.Name)
		}
	}
}

// Check returns an error unless dir is a place for a copy: not there yet or empty,
// and not a part of the repository at root.
func Check(ctx context.Context, root, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if info, e := os.Stat(dir); e == nil && !info.IsDir() {
			err = fmt.Errorf("%s is a file", dir)
		}
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	where, err := git(ctx, root, nil, "rev-parse", "--show-toplevel", "--absolute-git-dir")
	if err != nil {
		return err
	}
	top, gitDir, _ := strings.Cut(strings.TrimSpace(string(where)), "\n")
	path, err := resolve(dir)
	if err != nil || !within(path, top) && !within(path, gitDir) {
		return err
	}
	// A file in it, for a pattern may be one that matches folders only.
	_, err = git(ctx, root, nil, "check-ignore", "-q", filepath.Join(path, "README.md"))
	if err != nil || within(path, gitDir) {
		return fmt.Errorf("%s is inside the repository: choose a folder outside, or one that git ignores", dir)
	}
	return nil
}

// resolve returns the path of dir without symbolic links. Its end may be missing.
func resolve(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	missing := ""
	for {
		found, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(found, missing), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return "", err
		}
		path, missing = filepath.Dir(path), filepath.Join(filepath.Base(path), missing)
	}
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+string(filepath.Separator))
}

// Write writes the copy into dir and commits it to a new repository there. Who
// made it is not in the commit, and its time is that of c: copies of one commit
// are the same commit.
func (copy *Copy) Write(ctx context.Context, dir string, c Commit) error {
	for _, f := range copy.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Text, f.Mode); err != nil {
			return err
		}
	}
	const name, address = "tcpladder", "tcpladder@example.invalid"
	env := []string{
		"GIT_AUTHOR_NAME=" + name, "GIT_AUTHOR_EMAIL=" + address, "GIT_AUTHOR_DATE=" + c.Time,
		"GIT_COMMITTER_NAME=" + name, "GIT_COMMITTER_EMAIL=" + address, "GIT_COMMITTER_DATE=" + c.Time,
		// Signatures, hooks, line ends and ignored files are not this user's.
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
	}
	message := fmt.Sprintf("The course, handed out\n\nMade by go run ./client handout of the commit %s.\n", c.Hash)
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main", "--template="},
		{"add", "--all", "--force"},
		{"commit", "--quiet", "--no-verify", "--message", message},
	} {
		if _, err := git(ctx, dir, env, args...); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes what was written into dir, and dir if it is ours.
func Remove(dir string, whole bool) {
	if whole {
		os.RemoveAll(dir)
		return
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		os.RemoveAll(filepath.Join(dir, e.Name()))
	}
}

// Vendor puts the modules that the copy in dir needs into its folder vendor, which
// git ignores, and returns how many bytes they are.
func Vendor(ctx context.Context, dir string) (size int64, err error) {
	cmd := exec.CommandContext(ctx, "go", "work", "vendor")
	cmd.Env = append(os.Environ(), "GOWORK=", "GOFLAGS=")
	if _, err := output(cmd, dir); err != nil {
		return 0, err
	}
	err = filepath.WalkDir(filepath.Join(dir, "vendor"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}

// git runs git in a folder, with more variables in its environment, and returns
// what it prints.
func git(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	// A hook of git that runs this has its own repository in these.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GIT_DIR=") || strings.HasPrefix(v, "GIT_WORK_TREE=") || strings.HasPrefix(v, "GIT_INDEX_FILE=")
	})
	cmd.Env = append(cmd.Env, env...)
	return output(cmd, dir)
}

// output runs a command in a folder. Its error is one line.
func output(cmd *exec.Cmd, dir string) ([]byte, error) {
	cmd.Dir = dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		first := strings.SplitN(complaint.String(), "\n", 4) // package by package, the reason last
		said := strings.Join(strings.Fields(strings.Join(first[:min(3, len(first))], " ")), " ")
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Args[0]), cmd.Args[1], err, said)
	}
	return out, err
}
