package grade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/shared/proc"
)

// Limits of a build: far more than a cold one of a solution takes.
const (
	buildTime   = 4 * time.Minute
	buildMemory = 3 << 30
	mostProgram = 64 << 20
)

// environment is what the go command is run with: no C, no other toolchain, no
// network, and the versions of the teacher's go.mod.
var environment = []string{"CGO_ENABLED=0", "GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=-mod=readonly", "GO111MODULE=on", "GOEXPERIMENT="}

// build compiles a submission as the exercise of the tree at root: every
// file of the start that the submission does not have is hidden. The program is in a
// folder of its own until remove is called.
func (s *source) build(root, exercise string) (program string, remove func(), err error) {
	dir, remove, err := proc.TempDir()
	if err != nil {
		return "", nil, err
	}
	program = filepath.Join(dir, "program")
	if err = s.overlay(root, exercise, dir); err == nil {
		err = compile(root, exercise, dir, program)
	}
	if err == nil {
		err = notTooLarge(program)
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return program, remove, nil
}

// overlay writes the files and the table that shows them to the go command, see go
// help build.
func (s *source) overlay(root, exercise, dir string) error {
	start := filepath.Join(root, "docs", "exercises", exercise)
	replace := map[string]string{}
	err := filepath.WalkDir(start, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			replace[name] = "" // is not there
		}
		return err
	})
	if err != nil {
		return err
	}
	for name, text := range s.files {
		file := filepath.Join(dir, "source", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		replace[filepath.Join(start, filepath.FromSlash(name))] = file
	}
	table, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), table, 0o600)
}

// compile runs the go command, in a process group of its own and with bounds: the
// compiler can be kept busy, too.
func compile(root, exercise, dir, program string) error {
	// The shell of some systems counts in blocks of 512 bytes, that of others in KiB.
	script := fmt.Sprintf(`ulimit -f %d; exec "$@"`, 4*mostProgram>>9)
	c := proc.Command{
		Args: []string{"sh", "-c", script, "go", "go", "build", "-o", program, "-overlay", filepath.Join(dir, "overlay.json"),
			"example/tcpladder/docs/exercises/" + exercise},
		Dir: root, Env: append(environment, "GOTMPDIR="+dir), Together: true, Group: true,
	}
	p, err := c.Start()
	if err != nil {
		return err
	}
	defer p.Kill()
	var over string
	stop := watch(limits{memory: buildMemory}, groupOf(p.Pid), func(why string) {
		over = why
		p.Kill()
	})
	code, err := p.Wait(buildTime)
	stop()
	switch {
	case over != "":
		return buildFailure("the compiler was stopped: " + over)
	case err != nil:
		return buildFailure(fmt.Sprintf("the compiler was stopped after %v", buildTime))
	case code != 0:
		// Without the line that names the package: everybody's is the same.
		said := withoutFolder(p.Stdout.Excerpt(), root, filepath.Join(dir, "source"))
		if first, rest, found := strings.Cut(said, "\n"); found && strings.HasPrefix(first, "# ") {
			said = rest
		}
		return buildFailure(report.Clip(said))
	}
	return nil
}

// withoutFolder takes the name of a folder out of what the go command said in root, which
// shortens it to a relative one if that is shorter.
func withoutFolder(said, root, folder string) string {
	said = strings.ReplaceAll(said, folder+"/", "")
	absolute, err := filepath.Abs(root)
	if err != nil {
		return said
	}
	if relative, err := filepath.Rel(absolute, folder); err == nil {
		said = strings.ReplaceAll(said, relative+"/", "")
	}
	return said
}

// A buildFailure is what the compiler says of a submission.
type buildFailure string

func (b buildFailure) Error() string { return string(b) }

func notTooLarge(program string) error {
	info, err := os.Stat(program)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&0o111 == 0 {
		return buildFailure("not a program: there is no package main")
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() > mostProgram) {
		return buildFailure(fmt.Sprintf("the program is larger than %d MiB", mostProgram>>20))
	}
	return err
}
