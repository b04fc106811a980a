package grade

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// A yard is a room without walls: its programs run where the checker does, each in a
// session of its own.
type yard struct {
	dir string
	mu  sync.Mutex
	own []int // the sessions
}

func openYard() (room, error) {
	dir, err := os.MkdirTemp("", "yard-")
	return &yard{dir: dir}, err
}

func (y *yard) launch(cmd *exec.Cmd) error {
	apart(cmd, y.dir)
	err := cmd.Start()
	if err == nil {
		y.mu.Lock()
		y.own = append(y.own, cmd.Process.Pid)
		y.mu.Unlock()
	}
	return err
}

// apart gives a program a session of its own: it has no terminal, and what it sends to
// its process group reaches only itself.
func apart(cmd *exec.Cmd, dir string) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Setsid = false, true
	if cmd.Dir == "" {
		cmd.Dir = dir
	}
}

func (y *yard) sessions() []int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return append([]int(nil), y.own...)
}

func (y *yard) usage() (resident int64, processes int) { return sessionsOf(y.sessions()) }

func (y *yard) kill() {
	for _, pid := range y.sessions() {
		syscall.Kill(-pid, syscall.SIGKILL)
	}
}

func (y *yard) close() {
	y.kill()
	os.RemoveAll(y.dir)
}
