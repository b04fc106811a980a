package socket

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/narrate"
)

// narrated makes all the calls, as JSON on standard error.
func narrated() {
	flag.CommandLine = flag.NewFlagSet("", flag.ExitOnError)
	narrate.Flag("v", "")
	flag.CommandLine.Parse([]string{"-v=json"})
	l, _ := Listen("127.0.0.1:0")
	theirs, _ := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(Addr(l).Port())}
	unix.Connect(theirs, to)
	ours, _, _ := Accept(l)
	unix.Write(theirs, []byte("hello"))
	limit := unix.NsecToTimeval(5e9)
	Select(ours+1, setOf(l, ours), setOf(), &limit)
	Read(ours, make([]byte, 9))
	Write(ours, []byte("answer"))
	Select(ours+1, setOf(l), setOf(ours), nil)
	SetNonblock(ours)
	SetNonblock(l)
	TryRead(ours, make([]byte, 9))
	TryWrite(ours, []byte("more"))
	TryAccept(l)
	unix.Shutdown(theirs, unix.SHUT_WR)
	Select(ours+1, setOf(ours), nil, nil)
	TryRead(ours, make([]byte, 9))
	Read(ours, make([]byte, 9))
	ShutdownWrite(ours)
	TryWrite(ours, []byte("too late"))
	Close(ours)
	Close(ours)
	Select(ours+1, setOf(ours), setOf(), nil)
	narrate.Close()
	fmt.Println(l, ours, Addr(theirs))
}

// narrative is what is said of them. $L is the listener, $O our end of the
// connection, $N that and one more, $P the other end's address.
const narrative = `bind $L 0
listen $L 0
enter accept $L
accept $L $O $P
enter select $N timeout 5000000 want {[$L $O] []}
select $N 1 timeout 5000000 want {[$L $O] []} ready {[$O] []}
enter read $O
read $O 5 "hello"
enter write $O
write $O 6 "answer"
enter select $N want {[$L] [$O]}
select $N 1 want {[$L] [$O]} ready {[] [$O]}
fcntl $O 0 O_NONBLOCK
fcntl $L 0 O_NONBLOCK
read $O EAGAIN nothing there yet
write $O 4 "more"
accept $L EAGAIN nobody is waiting
enter select $N want {[$O] []}
select $N 1 want {[$O] []} ready {[$O] []}
read $O 0 end of file
enter read $O
read $O 0 end of file
shutdown $O 0 SHUT_WR
write $O EPIPE broken pipe
close $O 0
close $O EBADF bad file descriptor
enter select $N want {[$O] []}
select $N EBADF bad file descriptor want {[$O] []} ready {[] []}`

func TestNarration(t *testing.T) {
	command := program("narrated")
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	var l, ours int
	var peer string
	if _, scanned := fmt.Sscan(string(out), &l, &ours, &peer); err != nil || scanned != nil {
		t.Fatalf("%v, %v\n%s%s", err, scanned, out, &said)
	}
	names := strings.NewReplacer("$L", fmt.Sprint(l), "$O", fmt.Sprint(ours), "$N", fmt.Sprint(ours+1), "$P", peer)
	want := strings.Split(names.Replace(narrative), "\n")
	got := shapes(t, &said)
	if len(got) == 0 || !strings.HasSuffix(got[0], "TCP, 127.0.0.1") {
		t.Fatalf("the narration begins with %q", got)
	}
	for i, line := range got[1:] {
		if i >= len(want) || line != want[i] {
			t.Fatalf("call %d is %q, want\n%s", i+1, line, strings.Join(want[min(i, len(want)):], "\n"))
		}
	}
	if len(got)-1 != len(want) {
		t.Errorf("%d calls, want %d", len(got)-1, len(want))
	}
}

// carried is how many bytes a read or write is told to have carried; nil: it failed.
func carried(result *int) int {
	if result == nil {
		return 0
	}
	return *result
}

// shapes turns objects into short lines.
func shapes(t *testing.T, narrative *bytes.Buffer) (all []string) {
	t.Helper()
	for lines := bufio.NewScanner(narrative); lines.Scan(); {
		var o struct {
			Kind, Call, Errno, Words string
			Arg                      int
			Result                   *int
			Timeout                  *int64
			Want, Ready              *narrate.Set
			Bytes                    []byte
		}
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		if o.Call == "socket" && o.Result == nil || o.Kind != "enter" && o.Kind != "call" {
			t.Errorf("an object that is not expected: %s", lines.Text())
		}
		if carries := o.Call == "read" || o.Call == "write"; carries && o.Kind == "call" && len(o.Bytes) != carried(o.Result) {
			t.Errorf("%d bytes in %s", len(o.Bytes), lines.Text())
		}
		words := []string{o.Call, fmt.Sprint(o.Arg)}
		if o.Kind == "enter" {
			words = slices.Insert(words, 0, "enter")
		}
		if o.Result != nil {
			words = append(words, fmt.Sprint(*o.Result))
		}
		words = append(words, o.Errno, o.Words)
		if o.Timeout != nil {
			words = append(words, fmt.Sprint("timeout ", *o.Timeout))
		}
		if o.Want != nil {
			words = append(words, fmt.Sprint("want ", *o.Want))
		}
		if o.Ready != nil {
			words = append(words, fmt.Sprint("ready ", *o.Ready))
		}
		all = append(all, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
	}
	return all
}
