package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestInterrupt: whenever a check is interrupted, it leaves no file and no process
// behind: neither its servers, nor the go command and its compilers.
func TestInterrupt(t *testing.T) {
	client := goBuild(t, ".")
	var met atomic.Bool // the server at the address has a client
	addr := listen(t, func(c *net.TCPConn) {
		met.Store(true)
		silent(c)
	})
	for name, test := range map[string]struct {
		args  []string
		until func(tmp, out string) bool
		sig   unix.Signal
		cold  bool // with an empty build cache, so that compilers run
	}{
		"rung, being built":     {[]string{"05"}, building, unix.SIGINT, true},
		"exercise, being built": {[]string{"-exercise", "01-threads"}, building, unix.SIGTERM, true},
		"rung":                  {[]string{"04"}, ticked, unix.SIGTERM, false},
		"address":               {[]string{"-addr", addr}, func(string, string) bool { return met.Load() }, unix.SIGINT, false},
	} {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd := exec.Command(client, append([]string{"check"}, test.args...)...)
			cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
			if test.cold {
				cmd.Env = append(cmd.Env, "GOCACHE="+t.TempDir())
			}
			cmd.Stdout, cmd.Stderr = out, out
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // its children are told by the session
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			hang := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
			defer hang.Stop()
			awaitThat(t, func() bool { return test.until(tmp, read(out.Name())) })
			cmd.Process.Signal(test.sig)
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 128+int(test.sig) {
				t.Errorf("exit status %d, want %d\n%s", got, 128+int(test.sig), read(out.Name()))
			}
			if left := files(tmp); len(left) > 0 {
				t.Errorf("files are left: %q", left)
			}
			awaitThat(t, func() bool { return len(session(cmd.Process.Pid)) == 0 }) // killed, and soon gone
		})
	}
}

// building: the go command is at work.
func building(tmp, _ string) bool {
	made, _ := filepath.Glob(filepath.Join(tmp, "*", "go-build*"))
	return len(made) > 0
}

func ticked(_, out string) bool { return strings.Contains(out, "✓") }

// awaitThat asks again and again: there is no event for it.
func awaitThat(t *testing.T, ok func() bool) {
	t.Helper()
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-beat.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v", patience)
		}
	}
}

func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// files lists what is in a folder, at all depths.
func files(dir string) (names []string) {
	filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		if path != dir {
			names = append(names, path)
		}
		return nil
	})
	return names
}

// session lists the living processes of a session. Where ps(1) cannot, it lists none.
func session(id int) (list []string) {
	out, _ := exec.Command("ps", "-A", "-o", "sess=,stat=,args=").Output()
	for line := range bytes.Lines(out) {
		var sid, state string
		fmt.Sscan(string(line), &sid, &state)
		if sid == fmt.Sprint(id) && !strings.HasPrefix(state, "Z") { // nobody has waited for it yet
			list = append(list, string(line))
		}
	}
	return list
}
