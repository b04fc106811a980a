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
	time.AfterFunc(10*time.Second, func() { panic("the program does not end") })
	flag.CommandLine = flag.NewFlagSet("", flag.ExitOnError)
	narrate.Flag("v", "")
	flag.CommandLine.Parse([]string{"-v=json"})
	fds, _ := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	l, err := New()
	if err != nil {
		panic(err)
	}
	calls := 0
	l.Add(fds[0], func() error {
		switch calls++; calls {
		case 1:
			l.Want(fds[0], false, true)
		case 2:
			l.Want(fds[0], true, true)
			l.Want(fds[0], true, true) // no change, no call
			l.Want(99999, true, true)
		case 3:
			l.Remove(fds[0])
			l.After(20*time.Millisecond, l.Stop)
		}
		return nil
	})
	unix.Write(fds[1], []byte("x"))
	l.Run()
	numbers := []int{l.poller.fd, l.wakeUp[0], fds[0]}
	unix.Close(l.poller.fd)
	l.emptyPipe()
	if l.Run() == nil {
		panic("Run without a poller is no error")
	}
	narrate.Close()
	json.NewEncoder(os.Stdout).Encode(numbers)
}

type narrated struct {
	Kind, Call, File string
	Errno            string
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

func TestAWaitIsToldInTwoHalves(t *testing.T) {
	objects, _, _, _ := narration(t)
	for i, o := range objects[:len(objects)-1] {
		next := objects[i+1]
		if (o.Kind == "enter") != (next.Kind == "call" && next.Slept != nil) || o.Kind == "enter" && o.Call != waitCall {
			t.Errorf("%+v\nand then %+v: a wait begins, and then it returns", o, next)
		}
	}
}

func TestNarration(t *testing.T) {
	objects, poller, pipe, ours := narration(t)
	objects = slices.DeleteFunc(objects, func(o narrated) bool { return o.Kind == "enter" })
	fd, none := []int{ours}, []int(nil)
	for i, want := range []struct {
		call        string
		fd          int
		read, write []int // wanted or ready
	}{
		{setCall, pipe, []int{pipe}, none},
		{setCall, ours, fd, none},
		{waitCall, 0, fd, none},
		{setCall, ours, none, fd},
		{waitCall, 0, none, fd},
		{setCall, ours, fd, fd},
		{waitCall, 0, fd, fd},
		{"close", 0, nil, nil},
		{waitCall, 0, none, none},
		{waitCall, 0, none, none},
	} {
		if i >= len(objects) {
			t.Fatalf("%d calls", len(objects))
		}
		o := objects[i]
		set := o.Want
		if want.fd == 0 {
			set = o.Ready
		}
		if want.call == "close" {
			if o.Arg != ours || o.Result == nil || *o.Result != 0 || o.File != "narrated_test.go" {
				t.Errorf("%+v, want that descriptor %d is closed by this file", o, ours)
			}
			continue
		}
		if o.Call != want.call || o.Arg != poller || o.FD != want.fd || o.File != "loop.go" || set == nil ||
			!slices.Equal(set.Read, want.read) || !slices.Equal(set.Write, want.write) {
			t.Errorf("call %d: %+v with %+v, want %+v", i, o, set, want)
		}
	}
	if first, last := objects[2], objects[8]; first.Timeout != nil || last.Timeout == nil ||
		*last.Timeout <= 0 || *last.Timeout > 20e3 {
		t.Errorf("limits of the waits: %v and %v, want none and that of the timer", first.Timeout, last.Timeout)
	}
	if errno := objects[9].Errno; errno != "EBADF" {
		t.Errorf("the wait without a poller: %q, want EBADF", errno)
	}
}
