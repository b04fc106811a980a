package target

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// rungs are the folders, and the last parts of the module paths.
var rungs = []string{"01-blocking", "02-nonblocking", "03-select", "04-kqueue", "05-framing"}

// Rung returns the folder that is meant by a name such as 5, 05 or 05-framing.
func Rung(name string) (string, error) {
	i := slices.IndexFunc(rungs, func(r string) bool {
		return name == r || name == r[:2] || name == r[1:2]
	})
	if i < 0 {
		return "", fmt.Errorf("no rung %q: there are %s", name, strings.Join(rungs, ", "))
	}
	return rungs[i], nil
}

// A Builder compiles servers, each once, into a temporary folder.
type Builder struct {
	dir   string
	built map[string]string
}

// NewBuilder makes the folder; Close removes it.
func NewBuilder() (*Builder, error) {
	dir, err := os.MkdirTemp("", "tcpladder-")
	return &Builder{dir: dir, built: map[string]string{}}, err
}

// Rung compiles a rung and returns the program's path.
func (b *Builder) Rung(name string) (string, error) {
	folder, err := Rung(name)
	if err != nil {
		return "", err
	}
	return b.build("example/tcpladder/" + folder)
}

// Net compiles the server on package net.
func (b *Builder) Net() (string, error) {
	return b.build("example/tcpladder/client/netecho")
}

// build needs the go command, and a working directory inside the workspace.
func (b *Builder) build(pkg string) (string, error) {
	if path := b.built[pkg]; path != "" {
		return path, nil
	}
	path := filepath.Join(b.dir, filepath.Base(pkg))
	out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("to build %s takes the go command, which is not in PATH", pkg)
	}
	if err != nil && strings.Contains(string(out), "is not in std") {
		return "", fmt.Errorf("go build %s: not found: run this inside the project", pkg)
	}
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("go build %s: %v: %s", pkg, err, first)
	}
	b.built[pkg] = path
	return path, nil
}

// Close removes what was built.
func (b *Builder) Close() { os.RemoveAll(b.dir) }
