package grade

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/report"
	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// The checker is this program, started again, without or within a sandbox: a process
// of its own for each submission, with nothing of the teacher's in its environment.
// It gets the job from one pipe, ends when that is closed, and writes what came of
// each check to another. The submission's program gets neither.

// role is the environment variable that says what this process is.
const role = "TCPLADDER_GRADE"

// The descriptors that a checker is started with.
const (
	jobPipe    = 3
	resultPipe = 4
	programFD  = 5
)

// A job is what a checker is to do.
type job struct {
	Exercise string
	Program  string   // the file; in a sandbox it is copied from programFD
	Only     []string // checks; none: all
	Sandbox  bool
	Memory   int64    // that the programs of a check may have together
	Skips    []string // checks that cannot be made here, as the solution has shown
	Solution bool     // any check may be skipped, and is tried again if it fails
}

// A message is what a checker says.
type message struct {
	Ready  bool           // it is about to begin
	Error  string         // it cannot
	Result *report.Result // of one check
}

// Limits of a submission's processes.
const (
	mostMemory    = 1 << 30
	mostProcesses = 64
	checkTime     = 2 * time.Minute // of one check; each bounds what it waits for, but not how often
)

// Inside is called first in main. It does not return in a process that is started as
// a part of a grading.
func Inside() {
	switch os.Getenv(role) {
	case "checker":
		os.Exit(checker())
	case "keeper":
		os.Exit(keeper())
	}
}

func checker() int {
	for fd := jobPipe; fd <= programFD; fd++ {
		unix.CloseOnExec(fd)
	}
	os.Unsetenv(role)
	pipe := os.NewFile(jobPipe, "job")
	results := json.NewEncoder(os.NewFile(resultPipe, "results"))
	var j job
	if err := json.NewDecoder(pipe).Decode(&j); err != nil {
		return 2
	}
	go func() {
		io.Copy(io.Discard, pipe) // until whoever asked is gone
		proc.CleanUp()
		os.Exit(3)
	}()
	say := func(m message) { results.Encode(m) }
	err := j.run(say)
	if err != nil {
		say(message{Error: err.Error()})
		return 1
	}
	return 0
}

// run makes the checks of a job.
func (j *job) run(say func(message)) error {
	program := j.Program
	newRoom := openYard
	if j.Sandbox {
		if err := enterSandbox(); err != nil {
			return err
		}
		program, newRoom = sandboxProgram, openRoom
	}
	if j.Exercise == "" { // it is asked only whether there can be a sandbox
		r, err := newRoom()
		if err == nil {
			r.close()
		}
		say(message{Ready: err == nil})
		return err
	}
	e, err := exercisetest.Find(j.Exercise)
	if err != nil {
		return err
	}
	say(message{Ready: true})
	j.checks(e, echotest.Program(program, echotest.Promises{}), newRoom, func(r report.Result) { say(message{Result: &r}) })
	return nil
}

// checks runs the checks of an exercise, one by one: first those that earn points.
// Once there is no point left to lose the others are not run.
func (j *job) checks(e exercisetest.Exercise, t *echotest.Target, newRoom func() (room, error), tell func(report.Result)) {
	points := 0
	for _, c := range inOrder(e) {
		earns := earns(e, c)
		if !earns && points <= 0 && !c.Own || !j.wants(c.Name) {
			tell(report.Result{Check: c.Name, Promise: c.Promise, Own: c.Own, Outcome: report.NotRun, Why: "there are no points to lose"})
			continue
		}
		r := j.inRoom(c, t, newRoom)
		if j.again(c, r) {
			r = j.inRoom(c, t, newRoom)
		}
		if r.Earns = earns; r.Outcome == report.Skipped && !j.skips(r) {
			r.Outcome, r.Why = report.Failed, "skipped, which the solution was not: "+r.Why
		}
		switch {
		case r.Outcome == report.Passed && earns:
			points++
		case r.Outcome == report.Failed && !earns:
			points--
		}
		tell(r)
	}
}

// again reports whether a check is to be made once more: one that measures may have been
// disturbed.
func (j *job) again(c echotest.Check, r report.Result) bool {
	switch r.Outcome {
	case report.Failed:
		return (c.Alone || c.Measures || j.Solution) && !unwritten(r.Why)
	case report.Skipped:
		return !j.skips(r)
	}
	return false
}

// skips reports whether a check may be skipped. A program that has one skipped would
// not be held to its promise.
func (j *job) skips(r report.Result) bool { return j.Solution || slices.Contains(j.Skips, r.Check) }

func (j *job) wants(check string) bool {
	return len(j.Only) == 0 || slices.Contains(j.Only, check)
}

// inOrder returns the checks of an exercise, its own first.
func inOrder(e exercisetest.Exercise) (list []echotest.Check) {
	for _, own := range []bool{true, false} {
		for _, c := range e.Checks {
			if c.Own == own {
				list = append(list, c)
			}
		}
	}
	return list
}

// A room is where the programs of one check run. What is in it when it is closed ends.
type room interface {
	launch(*exec.Cmd) error
	usage() (resident int64, processes int)
	kill() // everything in it
	close()
}

// inRoom makes a check in a room of its own, with bounds.
func (j *job) inRoom(c echotest.Check, t *echotest.Target, newRoom func() (room, error)) report.Result {
	start := time.Now()
	r, err := newRoom()
	if err != nil {
		return report.Judge(c, fmt.Errorf("grade: %w", err), time.Since(start))
	}
	defer r.close()
	proc.Launch = r.launch
	var mu sync.Mutex
	var why string
	over := func(reason string) {
		mu.Lock()
		defer mu.Unlock()
		if why == "" {
			why = reason
			r.kill()
		}
	}
	stop := watch(limits{j.Memory, mostProcesses}, r.usage, over)
	timer := time.AfterFunc(checkTime, func() { over(fmt.Sprintf("more than %v for one check", checkTime)) })
	err = c.Run(t)
	timer.Stop()
	stop()
	mu.Lock()
	defer mu.Unlock()
	result := report.Judge(c, err, time.Since(start))
	if why != "" {
		result.Outcome, result.Why = report.Failed, report.Clip("the program was killed: "+why+"\n"+result.Why)
	}
	return result
}
