package target

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// A Builder compiles servers, each once.
type Builder struct {
	built  map[string]string
	remove []func()
}

// NewBuilder makes a builder; Close removes what it has built.
func NewBuilder() *Builder { return &Builder{built: map[string]string{}} }

// Rung compiles a rung and returns the program's path.
func (b *Builder) Rung(name string) (string, error) {
	rung, err := echotest.FindRung(name)
	if err != nil {
		return "", err
	}
	return b.build("example/tcpladder/" + rung.Folder)
}

// Net compiles the server on package net.
func (b *Builder) Net() (string, error) {
	return b.build("example/tcpladder/client/netecho")
}

// build needs the go command, and a working directory inside the workspace. Of
// what the compiler says it tells the first line.
func (b *Builder) build(pkg string) (string, error) {
	if program := b.built[pkg]; program != "" {
		return program, nil
	}
	program, remove, err := proc.Build(".", pkg)
	var said *proc.BuildError
	if errors.As(err, &said) {
		first, _, _ := strings.Cut(said.Output, "\n")
		return "", fmt.Errorf("go build %s: %s", path.Base(pkg), first)
	}
	if err != nil {
		return "", err
	}
	b.built[pkg], b.remove = program, append(b.remove, remove)
	return program, nil
}

// Close removes what was built.
func (b *Builder) Close() {
	for _, remove := range b.remove {
		remove()
	}
}
