package exercisetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// withFlags has checks start the program with flags before their own.
func withFlags(flags string, checks []Check) []Check {
	for i := range checks {
		run := checks[i].Run
		checks[i].Run = func(p *Program) error {
			dir, err := os.MkdirTemp("", "exercise")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, filepath.Base(p.path))
			quoted := "'" + strings.ReplaceAll(p.path, "'", `'\''`) + "'"
			script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", quoted, flags)
			if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
				return err
			}
			return run(NewProgram(path))
		}
	}
	return checks
}
