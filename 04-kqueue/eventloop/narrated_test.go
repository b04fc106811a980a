package eventloop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// narratedProgram uses a loop in every way that is narrated.
func narratedProgram() {
	flag.CommandLine = flag.NewFlagSet("", flag.ExitOnError)
	narrate.Flag("v", "")
	flag.CommandLine.Parse([]string{"-v=json"})
	fds, _ := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	l, err := New()
	if err != nil {
		panic(err)
	}
	l.Add(fds[0], func() error {
		l.Remove(fds[0])
		l.After(20*time.Millisecond, l.Stop)
		return nil
	})
	unix.Write(fds[1], []byte("x"))
	l.Want(fds[0], true, true)
	l.Want(fds[0], true, true) // no change, no call
	l.Want(99999, true, true)
	l.Run()
	narrate.Close()
	json.NewEncoder(os.Stdout).Encode([]int{l.poller.fd, l.wakeUp[0], fds[0]})
}

type narrated struct {
	Kind, Call, File string
	Arg, FD, Line    int
	Result           *int
	Want, Ready      *narrate.Set
	Timeout, Slept   *int64
}

// narration runs the program and returns what it narrates.
func narration(t *testing.T) (objects []narrated, poller, pipe, ours int) {
	t.Helper()
	program := exec.Command(os.Args[0])
	program.Env = append(os.Environ(), "EVENTLOOP_TEST_PROGRAM=1", "GORACE=atexit_sleep_ms=0")
	var narrative bytes.Buffer
	program.Stderr = &narrative
	out, err := program.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &narrative)
	}
	var numbers [3]int
	if err := json.Unmarshal(out, &numbers); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(&narrative); lines.Scan(); {
		var o narrated
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		objects = append(objects, o)
	}
	return objects, numbers[0], numbers[1], numbers[2]
}

func TestNarration(t *testing.T) {
	objects, poller, pipe, ours := narration(t)
	for i, o := range objects {
		if o.Call == waitCall && o.FD == 0 && o.Kind == "enter" {
			next := objects[min(i+1, len(objects)-1)]
			if next.Kind != "call" || next.Call != waitCall || next.Slept == nil {
				t.Errorf("after a wait began: %+v, want that it returned", next)
			}
		}
	}
	objects = slices.DeleteFunc(objects, func(o narrated) bool { return o.Kind == "enter" })
	if len(objects) < 6 {
		t.Fatalf("%d calls, want at least 6", len(objects))
	}
	for i, want := range []narrated{
		{Call: setCall, FD: pipe, Want: &narrate.Set{Read: []int{pipe}}},
		{Call: setCall, FD: ours, Want: &narrate.Set{Read: []int{ours}}},
		{Call: setCall, FD: ours, Want: &narrate.Set{Read: []int{ours}, Write: []int{ours}}},
	} {
		o := objects[i]
		if o.Call != want.Call || o.Arg != poller || o.FD != want.FD || o.Want == nil ||
			!slices.Equal(o.Want.Read, want.Want.Read) || !slices.Equal(o.Want.Write, want.Want.Write) {
			t.Errorf("call %d: %+v, want %+v", i, o, want)
		}
	}
	first, closed := objects[3], objects[4]
	if first.Call != waitCall || first.Arg != poller || first.Ready == nil || first.Timeout != nil ||
		!slices.Equal(first.Ready.Read, []int{ours}) || !slices.Equal(first.Ready.Write, []int{ours}) {
		t.Errorf("the first wait: %+v, want without a limit, and %d ready for both", first, ours)
	}
	if closed.Call != "close" || closed.Arg != ours || closed.Result == nil || *closed.Result != 0 ||
		closed.File != "narrated_test.go" {
		t.Errorf("%+v, want that descriptor %d is closed here", closed, ours)
	}
	second := objects[5]
	if second.Call != waitCall || second.Timeout == nil ||
		*second.Timeout <= 0 || *second.Timeout > 20e3 || second.File != "loop.go" {
		t.Errorf("the second wait: %+v, want with the timer's limit", second)
	}
}
