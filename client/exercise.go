package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"example/tcpladder/docs/exercises/exercisetest"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// checkExercise builds the learner's attempt at an exercise and runs the checks
// whose name match accepts, or lists them. It gives the exit status: 0 all passed,
// 1 something failed, 2 no such exercise or check.
func checkExercise(name string, match *regexp.Regexp, list bool, e *examination) int {
	exercise, err := exercisetest.Find(name)
	if err != nil {
		cli.Complain("check", err)
		return 2
	}
	exercise.Checks = slices.DeleteFunc(exercise.Checks, func(c echotest.Check) bool { return !match.MatchString(c.Name) })
	if len(exercise.Checks) == 0 {
		cli.Complain("check", fmt.Errorf("%s has no check that matches -run %q", exercise.Name, match))
		return 2
	}
	if list {
		for _, c := range exercise.Checks {
			listed(os.Stdout, c)
		}
		return 0
	}
	proc.ExitOnSignal()
	program, remove, err := proc.Build(".", "example/tcpladder/docs/exercises/"+exercise.Name)
	if err != nil {
		cli.Complain("check", err)
		return 1
	}
	defer remove()
	return e.exercise(exercise, program)
}

// enough is how long checks go on after the first cross of an attempt.
const enough = 8 * time.Second

// exercise runs the checks of an attempt one by one. After a cross it looks at those of the
// exercise only, and only for a while: most of what follows has the same reason. It
// stops at a part that is not written yet.
func (e *examination) exercise(exercise exercisetest.Exercise, program string) int {
	e.begin("docs/exercises/%s", exercise.Name)
	sources := echotest.Sources{Dir: ".", Package: "example/tcpladder/docs/exercises/" + exercise.Name}
	target := echotest.Program(program, echotest.Promises{}).From(sources)
	start := time.Now()
	for i, c := range exercise.Checks {
		if e.stops() || e.failed > 0 && (!c.Own || time.Since(start) > enough) {
			e.leave([]echotest.Check{c}, "")
			continue
		}
		began := time.Now()
		err := c.Run(target)
		e.tell(c, err, time.Since(began))
		if err != nil && strings.Contains(err.Error(), exercisetest.NotImplemented) {
			fmt.Fprintf(e.out, "%d not run until that is written\n", len(exercise.Checks)-i-1)
			e.leave(exercise.Checks[i+1:], "")
			e.write()
			return 1
		}
	}
	status := e.count()
	fmt.Fprintln(e.out, "not graded, because no machine can check it:")
	for _, words := range exercise.NotGraded {
		fmt.Fprintln(e.out, cli.Wrap("  "+words, 2))
	}
	return status
}
