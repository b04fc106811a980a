package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrCannotBuild is the reason why nothing is built on a machine that has no Go
// or no sources.
var ErrCannotBuild = errors.New("cannot build here")

// A BuildError is what the compiler says.
type BuildError struct {
	Package, Output string
	err             error
}

func (e *BuildError) Error() string {
	return fmt.Sprintf("go build %s: %v\n%s", e.Package, e.err, e.Output)
}

// Build compiles a package, named as for go build in the folder dir, with more
// flags if need be. The program is in a folder of its own until remove is called.
func Build(dir, pkg string, flags ...string) (program string, remove func(), err error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", nil, fmt.Errorf("%w: there is no go command in PATH", ErrCannotBuild)
	}
	absolute, err := filepath.Abs(filepath.Join(dir, pkg))
	if err != nil {
		return "", nil, err
	}
	if strings.HasPrefix(pkg, ".") {
		if found, _ := filepath.Glob(filepath.Join(absolute, "*.go")); found == nil {
			return "", nil, fmt.Errorf("%w: there are no sources in %s", ErrCannotBuild, absolute)
		}
	}
	folder, remove, err := TempDir()
	if err != nil {
		return "", nil, err
	}
	program = filepath.Join(folder, filepath.Base(absolute))
	if err := build(dir, pkg, program, flags); err != nil {
		remove()
		return "", nil, err
	}
	return program, remove, nil
}

// buildTime is far more than a cold build of anything here takes.
const buildTime = 10 * time.Minute

// build is ended by CleanUp like any other process: the compilers are in its
// group, and the go command's temporary files in the folder of the program.
func build(dir, pkg, program string, flags []string) error {
	args := append(append([]string{"go", "build", "-o", program}, flags...), pkg)
	c := Command{Args: args, Dir: dir, Env: []string{"GOTMPDIR=" + filepath.Dir(program)}, Together: true, Group: true}
	p, err := c.Start()
	if err != nil {
		return err
	}
	defer p.Kill()
	code, err := p.Wait(buildTime)
	said := strings.TrimSpace(p.Stdout.Text())
	if err == nil && code != 0 {
		err = errors.New(p.State())
	}
	if err != nil && strings.Contains(said, "is not in std") {
		return fmt.Errorf("go build %s: not found: run this inside the project", pkg)
	}
	if err != nil {
		return &BuildError{pkg, said, err}
	}
	return nil
}

// TempDir makes a folder, which remove removes.
func TempDir() (dir string, remove func(), err error) {
	owned.mu.RLock()
	defer owned.mu.RUnlock()
	if owned.ended {
		return "", nil, errEnded
	}
	if dir, err = os.MkdirTemp("", "tcpladder-"); err != nil {
		return "", nil, err
	}
	owned.folders.Store(dir, true)
	return dir, func() {
		os.RemoveAll(dir)
		owned.folders.Delete(dir)
	}, nil
}
