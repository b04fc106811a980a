package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// runBench runs the built client, and returns what it prints.
func runBench(client string, args ...string) outcome {
	cmd := exec.Command(client, append([]string{"bench"}, args...)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run()
	return outcome{stdout: out.String(), stderr: errs.String(), status: cmd.ProcessState.ExitCode()}
}

func TestBench(t *testing.T) {
	client := goBuild(t, ".")
	got := runBench(client, "-d", "100ms", "-vs", "net", "-vs", "04", "-rounds", "2", "-c", "5", "-depth", "3", "-json")
	if got.status != 0 {
		t.Fatalf("exit status %d: %s", got.status, got.stderr)
	}
	var report struct{ Servers []summary }
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Servers) != 3 {
		t.Fatalf("%d servers, want 3", len(report.Servers))
	}
	for i, s := range report.Servers {
		if s.Messages == 0 || len(s.Rounds) != 2 || s.P50 <= 0 || s.P999 < s.P50 || s.ServerLoad <= 0 || s.Silent != 0 {
			t.Errorf("%+v", s)
		}
		if (s.Ratio > 0) != (i > 0) || (s.CPURatio > 0) != (i > 0) {
			t.Errorf("%s: ratio %v, of CPU %v", s.Server, s.Ratio, s.CPURatio)
		}
	}
}

func TestBenchRaw(t *testing.T) {
	client := goBuild(t, ".")
	got := runBench(client, "-d", "100ms", "-rung", "4", "-raw", "-idle", "50", "-vs", "net", "-rounds", "1", "-progress")
	if got.status != 0 {
		t.Fatalf("exit status %d: %s", got.status, got.stderr)
	}
	fits(t, got.stdout)
	for _, want := range []string{"04-kqueue / net: ", "1 connections, depth 1, 50 idle clients", "bytes more for each idle client"} {
		if !strings.Contains(flat(got.stdout), want) {
			t.Errorf("no %q in:\n%s", want, got.stdout)
		}
	}
}

// Whatever goes wrong is one sentence, and the exit status says whose fault it is.
func TestBenchErrors(t *testing.T) {
	t.Parallel()
	client := goBuild(t, ".")
	for _, test := range []struct {
		args   string
		status int
		want   string
	}{
		{"-c 0", 2, "at least 1"},
		{"-rung 6", 2, `no rung "6"`},
		{"-rung 05 -raw", 2, "speaks frames"},
		{"-rung 05 -addr 127.0.0.1:9", 2, "exclude"},
		{"-d forever", 2, "invalid value"},
		{"stray", 2, "unexpected argument"},
		{"-addr 127.0.0.1:1", 1, "refused"},
		{"-c 2000000", 1, "descriptors"},
		{"-d 100ms -size 2000000", 1, "05-framing: connection"},
		{"-d 100ms -rounds 1 -vs false", 1, "false: the server ended"},
	} {
		got := runBench(client, strings.Fields(test.args)...)
		fits(t, got.stderr)
		if got.status != test.status || !strings.Contains(flat(got.stderr), test.want) || strings.Count("\n"+got.stderr, "\nbench: ") != 1 {
			t.Errorf("bench %s: exit status %d, want %d; want one sentence with %q:\n%s", test.args, got.status, test.status, test.want, got.stderr)
		}
	}
}

// A server on one CPU cannot be called slow by a load that had none left.
func TestBenchNamesTheLimit(t *testing.T) {
	for _, test := range []struct {
		load, server float64
		want         bool
	}{{0.99, 0.80, true}, {0.99, 0.99, false}, {0.80, 0.99, false}} {
		s := summary{LoadLoad: test.load, ServerLoad: test.server}
		if got := s.limitedByLoad(1, 1); got != test.want {
			t.Errorf("load %v, server %v: %v", test.load, test.server, got)
		}
	}
}
