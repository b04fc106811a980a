package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"example/tcpladder/client/internal/faults"
	"example/tcpladder/client/internal/target"
	"example/tcpladder/shared/cli"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

// checkFaults runs rungs, or a command, under a hostile kernel, and returns the exit
// status. Where that is not possible it says so and fails: nothing was proved.
func checkFaults(chosen []echotest.Rung, command []string, match *regexp.Regexp, list bool) int {
	if !faults.Matches(match) {
		cli.Complain("check", fmt.Errorf("no fault matches -run %q", match))
		return 2
	}
	if list {
		faults.List(os.Stdout, match)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, proc.CleanUp)
	count, err := examineFaults(ctx, chosen, command, match)
	if ctx.Err() != nil {
		proc.CleanUp() // or wait until it is done
		return 130
	}
	if err != nil {
		cli.Complain("check", err)
		return 1
	}
	fmt.Printf("%d passed, %d failed, %d not examined\n", count.Passed, count.Failed, count.Skipped)
	if count.Failed > 0 {
		return 1
	}
	return 0
}

func examineFaults(ctx context.Context, chosen []echotest.Rung, command []string, match *regexp.Regexp) (sum faults.Count, err error) {
	if err := faults.Ready(); err != nil {
		return sum, err
	}
	builder := target.NewBuilder()
	defer builder.Close()
	if len(command) > 0 {
		return faults.Examine(ctx, faults.Subject{Name: strings.Join(command, " "), Argv: command}, match, cli.IsTerminal(os.Stdout), os.Stdout)
	}
	var subjects []faults.Subject
	for _, r := range chosen {
		program, err := builder.Rung(r.Folder)
		if err != nil {
			return sum, err
		}
		subjects = append(subjects, faults.Subject{Name: r.Folder, Argv: []string{program, "-addr", "127.0.0.1:0"},
			Rung: true, SleepsOnENOMEM: r.Promises.FDSet})
	}
	for _, s := range subjects {
		count, err := faults.Examine(ctx, s, match, cli.IsTerminal(os.Stdout), os.Stdout)
		if err != nil {
			return sum, fmt.Errorf("%s: %w", s.Name, err)
		}
		sum.Passed, sum.Failed, sum.Skipped = sum.Passed+count.Passed, sum.Failed+count.Failed, sum.Skipped+count.Skipped
	}
	return sum, nil
}

// goTogether: a command takes the place of the rungs, and -faults starts the server
// itself.
func goTogether(hostile bool, command []string, others string, names []string) error {
	switch {
	case command != nil && !hostile:
		return errors.New("a command after -- needs -faults")
	case command != nil && (len(command) == 0 || len(names) > 0):
		return errors.New("-faults goes with rungs, or with -- and a command")
	case hostile && others != "":
		return errors.New("-faults goes with neither -addr nor -exercise")
	}
	return nil
}
