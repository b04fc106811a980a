package grade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/shared/echotest"
)

// mostSaid bounds what is taken from a checker.
const mostSaid = 16 << 20

// ask starts a checker for a job, and hands each result to tell. It returns whether
// the checker came to its end before ctx was over.
func ask(ctx context.Context, j job, program string, tell func(report.Result)) (finished bool, err error) {
	file, err := os.Open(program)
	if err != nil {
		return false, err
	}
	defer file.Close()
	dir, err := os.MkdirTemp("", "tcpladder-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	c, err := start(j, file, dir)
	if err != nil {
		return false, err
	}
	defer c.end()
	stop := context.AfterFunc(ctx, c.end)
	defer stop()
	said := json.NewDecoder(io.LimitReader(c.results, mostSaid))
	for {
		var m message
		switch err := said.Decode(&m); {
		case ctx.Err() != nil:
			return false, nil
		case errors.Is(err, io.EOF):
			return c.ended()
		case err != nil:
			return false, fmt.Errorf("the checker: %w", err)
		case m.Error != "":
			return false, errors.New(m.Error)
		case m.Result != nil:
			tell(*m.Result)
		}
	}
}

// A checkerProcess is a checker that was started.
type checkerProcess struct {
	cmd     *exec.Cmd
	job     *os.File // closed: it ends
	results *os.File
	stderr  bytes.Buffer
	waited  chan error
}

// start starts a checker with nothing of this process's environment but what its
// checks ask for. dir is its home outside a sandbox.
func start(j job, program *os.File, dir string) (*checkerProcess, error) {
	if !j.Sandbox {
		j.Program = program.Name()
	} else {
		dir = "/tmp"
	}
	executable, err := thisProgram()
	if err != nil {
		return nil, err
	}
	c := &checkerProcess{waited: make(chan error, 1)}
	jobEnd, jobPipe, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	results, resultsEnd, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, jobEnd.Close(), jobPipe.Close())
	}
	c.job, c.results = jobPipe, results
	c.cmd = exec.Command(executable)
	c.cmd.Env = []string{role + "=checker", "PATH=" + searchPath, "HOME=" + dir, "TMPDIR=" + dir, "GORACE=atexit_sleep_ms=0"}
	if echotest.LongRun() {
		c.cmd.Env = append(c.cmd.Env, "TCPLADDER_LONG=1")
	}
	c.cmd.ExtraFiles = []*os.File{jobEnd, resultsEnd, program}
	c.cmd.Stderr = &limited{to: &c.stderr, left: 4 << 10}
	c.cmd.WaitDelay = time.Second
	if j.Sandbox {
		sandboxed(c.cmd)
	}
	err = c.cmd.Start()
	jobEnd.Close()
	resultsEnd.Close()
	if err != nil {
		return nil, errors.Join(err, c.job.Close(), c.results.Close())
	}
	go func() { c.waited <- c.cmd.Wait() }()
	return c, json.NewEncoder(c.job).Encode(j)
}

// searchPath is where programs are looked for: the shell, mostly.
const searchPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

// end ends the checker, which ends what it has started.
func (c *checkerProcess) end() {
	c.job.Close()
	select {
	case err := <-c.waited:
		c.waited <- err
	case <-time.After(5 * time.Second): // in a sandbox everything ends with it
		c.cmd.Process.Kill()
		c.waited <- <-c.waited
	}
	c.results.Close()
}

// ended waits for a checker that says nothing more.
func (c *checkerProcess) ended() (finished bool, err error) {
	err = <-c.waited
	c.waited <- err
	if err != nil {
		return false, fmt.Errorf("the checker: %v\n%s", err, report.Clip(c.stderr.String()))
	}
	return true, nil
}

// limited takes so many bytes and forgets the rest.
type limited struct {
	to   io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.to.Write(p[:n])
	return len(p), nil
}
