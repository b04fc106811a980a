// Command diagrams draws the pictures of the course from their Mermaid sources:
//
//	go run ./docs/diagrams
//
// NAME.mmd becomes NAME.svg, and NAME-board.svg for the board, in which the class
// writes the labels. A label is what stands between « and » in the source. Both
// pictures are one drawing, so that a label has its place on the board.
//
// It needs chromium, and npm to fetch Mermaid. Nobody else does: the pictures are
// in the repository, with the hash of what they were drawn from.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example/tcpladder/docs/internal/weave"
	"example/tcpladder/shared/proc"
)

const about = `usage: go run ./docs/diagrams

Draws docs/diagrams/*.svg from docs/diagrams/*.mmd, twice: with labels, and
without, for the board. A label is what stands between « and » in the source.
It needs chromium and npm, and fetches ` + mermaid + `.
`

func main() {
	if len(os.Args) > 1 {
		fmt.Print(about)
		if !strings.HasPrefix(os.Args[1], "-h") && os.Args[1] != "--help" {
			os.Exit(2)
		}
		return
	}
	proc.ExitOnSignal()
	err := drawAll()
	proc.CleanUp()
	if err != nil {
		fmt.Fprintln(os.Stderr, "diagrams:", err)
		os.Exit(1)
	}
}

// drawAll writes the pictures that are not as the sources say.
func drawAll() error {
	root, err := weave.Root()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "docs", "diagrams")
	sources, err := readSources(dir)
	if err != nil {
		return err
	}
	drawings, err := draw(sources)
	if err != nil {
		return err
	}
	for name, source := range sources {
		pictures, err := pictures(source, drawings[name])
		if err != nil {
			return fmt.Errorf("%s.mmd: %w", name, err)
		}
		for kind, picture := range pictures {
			file := filepath.Join(dir, name+kind)
			if old, _ := os.ReadFile(file); string(old) == picture {
				continue
			}
			if err := os.WriteFile(file, []byte(picture), 0o644); err != nil {
				return err
			}
			fmt.Println("wrote docs/diagrams/" + name + kind)
		}
	}
	return nil
}

// readSources returns the sources in a folder by name, without .mmd.
func readSources(dir string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.mmd"))
	if err != nil {
		return nil, err
	}
	sources := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sources[strings.TrimSuffix(filepath.Base(file), ".mmd")] = string(text)
	}
	return sources, nil
}
