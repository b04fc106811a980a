// Package chromium has Chromium draw one page, without a window.
package chromium

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"example/tcpladder/shared/proc"
)

// ErrNone says that this machine has no Chromium.
var ErrNone = errors.New("chromium: not found in PATH")

// limit is far longer than any page of the course takes.
const limit = 3 * time.Minute

// Find returns the path of the browser, or ErrNone.
func Find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNone
}

// Run opens a file with these flags, and returns what Chromium prints. It has a
// profile of its own, so a browser that is open does no harm.
func Run(file string, flags ...string) (printed string, err error) {
	browser, err := Find()
	if err != nil {
		return "", err
	}
	if file, err = filepath.Abs(file); err != nil {
		return "", err
	}
	profile, remove, err := proc.TempDir()
	if err != nil {
		return "", err
	}
	defer remove()
	args := append([]string{browser, "--headless", "--disable-gpu", "--user-data-dir=" + profile}, flags...)
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // chromium refuses to run as root without it
	}
	p, err := proc.Command{Args: append(args, "file://"+file), Group: true}.Start()
	if err != nil {
		return "", err
	}
	code, err := p.Wait(limit)
	p.Kill()
	if err != nil || code != 0 {
		return "", fmt.Errorf("chromium: exit status %d, %v: %s", code, err, p.Stderr.Last())
	}
	return p.Stdout.Text(), nil
}
