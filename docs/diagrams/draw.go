package main

import (
	"archive/tar"
	"compress/gzip"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"example/tcpladder/docs/internal/chromium"
	"example/tcpladder/shared/proc"
)

// mermaid is the npm package that draws. Another version may place everything
// elsewhere: look at all pictures after a change.
const mermaid = "mermaid@11.17.2"

// page is the page in which it draws; SOURCES stands for the diagrams, by name.
//
//go:embed page.html
var page string

// draw returns the drawings of all sources, by name. Marks that take no room stand
// for « and » in them.
func draw(sources map[string]string) (map[string]string, error) {
	dir, remove, err := proc.TempDir()
	if err != nil {
		return nil, err
	}
	defer remove()
	if err := fetch(dir); err != nil {
		return nil, err
	}
	marked := map[string]string{}
	for name, source := range sources {
		marked[name] = invisible.Replace(source)
	}
	list, err := json.Marshal(marked)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(strings.Replace(page, "SOURCES", string(list), 1)), 0o644); err != nil {
		return nil, err
	}
	said, err := chromium.Run(file, "--dump-dom", "--virtual-time-budget=60000")
	if err != nil {
		return nil, err
	}
	return drawings(said)
}

var drawn = regexp.MustCompile(`<pre id="drawn">([^<]+)</pre>`)

// drawings finds what the page has drawn in the text of the page.
func drawings(dom string) (map[string]string, error) {
	found := drawn.FindStringSubmatch(dom)
	if found == nil {
		return nil, errors.New("the page has drawn nothing")
	}
	text, err := base64.StdEncoding.DecodeString(found[1])
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	if complaint := all["error"]; complaint != "" {
		return nil, fmt.Errorf("%s: %s", mermaid, complaint)
	}
	return all, nil
}

// errFetch is for a machine without npm or without a network.
var errFetch = errors.New("npm pack " + mermaid)

// fetch puts mermaid.min.js into dir.
func fetch(dir string) error {
	npm := exec.Command("npm", "pack", "--silent", mermaid)
	npm.Dir = dir
	var said strings.Builder
	npm.Stderr = &said
	out, err := npm.Output()
	if err != nil {
		return fmt.Errorf("%w: %w %s", errFetch, err, said.String())
	}
	packed, err := os.Open(filepath.Join(dir, filepath.Base(strings.TrimSpace(string(out)))))
	if err != nil {
		return err
	}
	defer packed.Close()
	script, err := unpack(packed, "package/dist/mermaid.min.js")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "mermaid.min.js"), script, 0o644)
}

// unpack returns one file of an npm package.
func unpack(r io.Reader, name string) ([]byte, error) {
	unzipped, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", mermaid, name, err)
		}
		if header.Name == name {
			return io.ReadAll(files)
		}
	}
}
