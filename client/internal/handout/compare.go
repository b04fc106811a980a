package handout

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

const exercises = "docs/exercises"

// Compare returns how the attempt at an exercise in dir differs from the solution,
// as diff prints it in a format. Both are laid over the start, so that of a file
// that neither has touched nothing is shown. It writes into the folder scratch.
func Compare(root, exercise, dir, scratch string, format []string) (string, error) {
	if _, err := exec.LookPath("diff"); err != nil {
		return "", errors.New("there is no diff command in PATH")
	}
	start := filepath.Join(root, exercises, exercise)
	attempt, err := find(dir, exercise)
	if err != nil {
		return "", err
	}
	solution, err := over(start, filepath.Join(root, exercises, "solutions", exercise))
	if err != nil {
		return "", err
	}
	submission, err := over(start, attempt)
	if err != nil {
		return "", err
	}
	var names []string
	for _, files := range []map[string][]byte{solution, submission} {
		for name := range files {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all strings.Builder
	for _, name := range slices.Compact(names) {
		if bytes.Equal(solution[name], submission[name]) {
			continue
		}
		lines, err := difference(scratch, name, solution[name], submission[name], format)
		if err != nil {
			return "", err
		}
		all.WriteString(lines)
	}
	return all.String(), nil
}

// find returns the folder of the exercise in a submission: a copy of the course, a
// folder of exercises, or the exercise's own.
func find(dir, exercise string) (string, error) {
	if _, err := os.Stat(dir); err != nil {
		return "", err
	}
	for _, in := range []string{filepath.Join(exercises, exercise), exercise, "."} {
		folder := filepath.Join(dir, in)
		if found, _ := filepath.Glob(filepath.Join(folder, "*.go")); found != nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("there is no %s in %s", exercise, dir)
}

// over returns the files of a folder laid over those of the start: the texts, for
// whatever else a student hands in is not read.
func over(folders ...string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() || !isText(path) {
				return err
			}
			name, err := filepath.Rel(folder, path)
			if err == nil {
				files[name], err = readText(path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

func isText(path string) bool {
	return slices.Contains([]string{".go", ".md", ".txt"}, filepath.Ext(path))
}

// longest is far more than anybody writes for an exercise.
const longest = 1 << 20

func readText(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > longest {
		err = fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), longest)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// difference returns what diff prints of two texts.
func difference(scratch, name string, solution, submission []byte, format []string) (string, error) {
	a, b := filepath.Join(scratch, "solution"), filepath.Join(scratch, "submission")
	if err := errors.Join(os.WriteFile(a, solution, 0o600), os.WriteFile(b, submission, 0o600)); err != nil {
		return "", err
	}
	left, right := "solution/"+name, "submission/"+name
	header := left + " | " + right + "\n"
	if slices.Contains(format, "-u") {
		format, header = append(slices.Clone(format), "-L", left, "-L", right), ""
	}
	cmd := exec.Command("diff", append(format, a, b)...)
	out, err := cmd.Output()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() > 1 {
		return "", fmt.Errorf("diff of %s: %w", name, err)
	}
	return strings.Map(visible, header+string(out)), nil
}

// visible replaces what could move the cursor of the teacher's terminal, or show
// the text in another order than it has.
func visible(r rune) rune {
	if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf) {
		return unicode.ReplacementChar
	}
	return r
}
