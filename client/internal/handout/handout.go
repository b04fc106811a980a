// Package handout makes the students' copy of the course: a new repository without
// solutions, attempts, teaching notes and answers.
//
// What leaves is marked in the source and never guessed. There are two kinds of
// marks. Whole files and folders are in leaves.txt, in this folder. A part of a
// file stands between two comments:
//
//	<!-- teacher --> ... <!-- /teacher -->    in Markdown, on lines or within one
//	// teacher                                in Go and in go.mod, each on a line
//	// /teacher                               of its own
//
// and what only students read is a comment in the source:
//
//	<!-- student This copy has no solutions. -->
//
// A Markdown file of which nothing is left leaves as well.
package handout

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// A File is a file of the course.
type File struct {
	Path string // from the top of the course, with slashes
	Mode fs.FileMode
	Text []byte
}

// A Copy is what students get.
type Copy struct {
	Files  []File
	Left   []string // the files that are not in it
	Marked int      // how many of its files have lost marked text
}

// Strip returns the students' copy of the course that files are.
func Strip(files []File) (*Copy, error) {
	leaves, err := leaving(files)
	if err != nil {
		return nil, err
	}
	c := &Copy{}
	for _, f := range files {
		if leaves.has(f.Path) {
			c.Left = append(c.Left, f.Path)
			continue
		}
		text, err := unmark(f.Path, string(f.Text))
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) == "" && len(f.Text) > 0 {
			c.Left = append(c.Left, f.Path)
			continue
		}
		if text != string(f.Text) {
			c.Marked++
		}
		c.Files = append(c.Files, File{f.Path, f.Mode, []byte(text)})
	}
	return c, nil
}

// listFile names the files and folders that leave.
const listFile = "client/internal/handout/leaves.txt"

// A leaf is a line of the list: a file, or a folder with a slash at its end.
type leaf struct{ path, why string }

func (l leaf) has(file string) bool {
	return file == l.path || strings.HasSuffix(l.path, "/") && strings.HasPrefix(file, l.path)
}

type leafList []leaf

func (list leafList) has(file string) bool {
	for _, l := range list {
		if l.has(file) {
			return true
		}
	}
	return false
}

// leaving returns the list that is among files. Each of its lines must name a
// file that is there and say why it leaves.
func leaving(files []File) (list leafList, err error) {
	var text []byte
	for _, f := range files {
		if f.Path == listFile {
			text = f.Text
		}
	}
	if text == nil {
		return nil, fmt.Errorf("there is no %s: this is not the course, or a handout of it", listFile)
	}
	for line := range strings.Lines(string(text)) {
		path, why, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path == "" || path[0] == '#' {
			continue
		}
		l := leaf{path, strings.TrimSpace(why)}
		if l.why == "" {
			err = errors.Join(err, fmt.Errorf("%s: %s: say why it leaves", listFile, path))
		}
		if !l.among(files) {
			err = errors.Join(err, fmt.Errorf("%s: %s: there is no such file", listFile, path))
		}
		list = append(list, l)
	}
	return list, err
}

func (l leaf) among(files []File) bool {
	for _, f := range files {
		if l.has(f.Path) {
			return true
		}
	}
	return false
}
