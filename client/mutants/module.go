package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A module is a package that is mutated, and the tests that judge it.
type module struct {
	name   string
	copies []string // folders of the package: the first is mutated, all get the mutant
	judges []judge
}

// A judge is the tests of one package.
type judge struct {
	folder string // of the package
	run    string // which of its tests, see go test's -run; "" for all
}

// rung is a module whose tests are the suite's.
func rung(name string) module { return module{name, []string{name}, []judge{{name, ""}}} }

var modules = []module{
	rung("01-blocking"), rung("02-nonblocking"), rung("03-select"), rung("04-kqueue"), rung("05-framing"),
	{"eventloop", []string{"04-kqueue/eventloop", "05-framing/eventloop"},
		[]judge{{"04-kqueue/eventloop", ""}, {"04-kqueue", ""}, {"05-framing", ""}}},
	{"frame", []string{"05-framing/frame"}, []judge{{"05-framing/frame", ""}, {"05-framing", ""}}},
	{"socket", []string{"shared/socket"}, []judge{{"shared/socket", ""}, {"02-nonblocking", ""}, {"05-framing", ""}}},
	{"framing", []string{"client/framing"}, []judge{{"client/framing", ""}, {"client", "^TestTalk"}}},
}

// choose returns the modules that are named; 03 and 3 stand for 03-select.
func choose(names []string) ([]module, error) {
	var chosen []module
	for _, name := range names {
		found := false
		for _, m := range modules {
			if name == "all" || name == m.name || m.name[0] == '0' && (name == m.name[:2] || name == m.name[1:2]) {
				chosen, found = append(chosen, m), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no module %q: there are %s and all", name, strings.Join(moduleNames(), ", "))
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("name a module: %s or all", strings.Join(moduleNames(), ", "))
	}
	return chosen, nil
}

func moduleNames() (names []string) {
	for _, m := range modules {
		names = append(names, m.name)
	}
	return names
}

// projectRoot is the folder of the workspace, or of the module that we are in.
func projectRoot() (string, error) {
	out, err := goCommand("", "env", "GOWORK", "GOMOD")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if path := strings.TrimSpace(line); path != "" && path != "off" && path != os.DevNull {
			return filepath.Dir(path), nil
		}
	}
	return "", errors.New("no go.work found: run this inside the project")
}

// A listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export            string
	Standard                           bool
	GoFiles, TestGoFiles, XTestGoFiles []string
	Module                             *struct{ Dir string }
}

// list asks go list about a folder's package.
func list(folder string, flags ...string) (all []listed, err error) {
	args := append([]string{"list", "-json=ImportPath,Dir,Export,Standard,GoFiles,TestGoFiles,XTestGoFiles"}, flags...)
	out, err := goCommand(folder, append(args, ".")...)
	if err != nil {
		return nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p listed
		if err := decoder.Decode(&p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// goCommand runs go in a folder and returns what it prints.
func goCommand(folder string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = folder
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out, nil
}
