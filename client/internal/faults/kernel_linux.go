package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example/tcpladder/shared/proc"
)

// Ready says why no server can be examined here.
func Ready() error {
	if _, err := exec.LookPath("strace"); err != nil {
		return errNoStrace
	}
	return nil
}

var errNoStrace = errors.New("-faults needs strace(1), which is not in PATH")

// A kernel answers some system calls of some processes: strace(1), attached.
//
// It is told to look only at calls on some objects (-P), so that a server's log,
// pipes and files are left alone; "socket:[123]" is such an object, and select(2)
// and poll(2) count if it is in their sets. strace 6.1 does not choose accept and
// epoll_ctl by a descriptor that we could know; but these are made for listeners and
// clients only, once a server has begun to serve. strace counts the calls of each
// thread.
type kernel struct {
	*proc.Process

	mu       sync.Mutex
	attached map[string]bool   // processes; false: it had ended before
	stopped  map[string]bool   // threads, before we detach
	begun    string            // a line of which the rest is still to come
	half     map[string]string // by thread: the object of a call that has not returned
	made     map[object]int    // calls on each
	seen     map[string]int    // calls, by name
	failed   []string          // of these, those that failed because of us, as strace shows them
	unclosed map[string]string // descriptor that we did not close: the call
	again    string            // a second close of one
	changed  chan struct{}     // closed and replaced at each call
}

// An object is what a call was made on: a descriptor and what it is.
type object struct{ call, fd, is string }

// An order is what a kernel is to do. Without an errno it only looks on.
type order struct {
	paths []string // the objects it looks at; none: all
	calls []string // that it fails
	errno string
	when  string // see strace(1)
}

// second fails a thread's second, fourth, ... call. first fails its first, third, ...:
// for a call that is made once for each object, while others make it in between.
const second, first = "2+2", "1+2"

// attach returns when every thread of the server is attached. A thread that is made
// while strace goes through their list may be missed; then it begins again.
func attach(ctx context.Context, s *server, o order) (k *kernel, err error) {
	for range 10 {
		pids := family(s.group)
		if k, err = attachOnce(ctx, pids, o); err != nil || s.dying() || allTraced(pids) {
			return k, err
		}
		k.detach(s)
	}
	return nil, errors.New("strace misses some of its threads, however often it attaches")
}

func attachOnce(ctx context.Context, pids []int, o order) (*kernel, error) {
	args := []string{"strace", "-f", "-y", "-s", "0", "-e", "abbrev=none", "-e", "signal=STOP", "-o", "/proc/self/fd/2"}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	for _, path := range o.paths {
		args = append(args, "-P", path)
	}
	args = append(args, "-e", "trace="+o.looksAt())
	if o.errno != "" {
		args = append(args, "-e", "inject="+strings.Join(o.calls, ",")+":error="+o.errno+":when="+o.when)
	}
	k := newKernel()
	var err error
	k.Process, err = proc.Command{Args: args, Group: true, Line: k.follow}.Start() // a Ctrl-C is for us
	if err != nil {
		return nil, err
	}
	if !k.wait(ctx, proc.Patience, func(k *kernel) bool { return k.hasAll(pids) }) {
		k.Kill()
		return nil, k.refusal(ctx)
	}
	return k, nil
}

// hasAll reports whether strace has attached to all of them. The caller holds k.mu.
func (k *kernel) hasAll(pids []int) bool {
	for _, pid := range pids {
		if _, found := k.attached[strconv.Itoa(pid)]; !found {
			return false
		}
	}
	return true
}

func newKernel() *kernel {
	return &kernel{attached: map[string]bool{}, stopped: map[string]bool{}, half: map[string]string{}, made: map[object]int{}, seen: map[string]int{},
		unclosed: map[string]string{}, changed: make(chan struct{})}
}

// refusal says why strace did not attach.
func (k *kernel) refusal(ctx context.Context) error {
	words := k.Stderr.Text()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(words, "Operation not permitted"):
		return errPtrace
	}
	return fmt.Errorf("strace did not attach: %s", strings.ReplaceAll(strings.TrimSpace(words), "\n", "; "))
}

// looksAt names the system calls of the table; if there are no paths to choose by,
// only those that fail and those that wait, or there would be too many. A question
// mark is for those that this processor's kernel does not have.
func (o order) looksAt() string {
	var names []string
	for _, c := range calls {
		if o.errno == "" || len(o.paths) > 0 || c.role == waiting || slices.Contains(c.made, o.calls[0]) {
			names = append(names, c.made...)
		}
	}
	return "?" + strings.Join(names, ",?")
}

// errPtrace concerns the machine, not the server.
var errPtrace = errors.New("strace may not attach to a process here: ptrace(2) is not permitted; be root, or see kernel.yama.ptrace_scope (a container needs --cap-add=SYS_PTRACE)")

var (
	straceAttached = regexp.MustCompile(`^strace: Process (\d+) attached`)
	straceStopped  = regexp.MustCompile(`^(\d+) +--- stopped by SIGSTOP ---`)
	straceMissed   = regexp.MustCompile(`^strace: attach: ptrace\(\w+, (\d+)\): No such process`)
)

// A line of strace is a thread, and a call: its first half, its second, or both.
var straceLine = regexp.MustCompile(`^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$`)

// returns stands between a call's arguments and its result, in columns.
var returns = regexp.MustCompile(`\) += `)

// descriptors is "7<socket:[123]>", in select(2)'s sets too.
var descriptors = regexp.MustCompile(`(\d+)<([a-z_]+:[^>]*)>`)

// follow takes a line: of what strace sees, or of what it says of itself.
// What it says can come in the middle of what it sees.
func (k *kernel) follow(line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if i := strings.Index(line, "strace: "); i >= 0 {
		k.begun, line = k.begun+line[:i], line[i:]
	} else {
		k.begun, line = "", k.begun+line
	}
	if m := straceAttached.FindStringSubmatch(line); m != nil {
		k.attached[m[1]] = true
	} else if m := straceMissed.FindStringSubmatch(line); m != nil {
		k.attached[m[1]] = false
	} else if m := straceStopped.FindStringSubmatch(line); m != nil {
		k.stopped[m[1]] = true
	} else if m := straceLine.FindStringSubmatch(line); m != nil {
		k.note(m[1], m[2]+m[3], m[4], m[2] != "")
	}
	close(k.changed)
	k.changed = make(chan struct{})
}

// note takes down one line. Of a call that is shown in two halves, the first says what
// it is made on (there may be no second: it sleeps when strace detaches), and the second
// that it was made.
func (k *kernel) note(thread, call, rest string, second bool) {
	if second {
		rest = k.half[thread] + rest
		delete(k.half, thread)
	} else {
		for _, d := range descriptors.FindAllStringSubmatch(rest, -1) {
			k.made[object{call, d[1], d[2]}]++
		}
	}
	if args, unfinished := strings.CutSuffix(rest, " <unfinished ...>"); unfinished {
		k.half[thread] = args
		return
	}
	args, result := rest, ""
	if at := returns.FindAllStringIndex(rest, -1); at != nil { // the last one
		i := at[len(at)-1]
		args, result = rest[:i[0]], rest[i[1]:]
	}
	k.seen[call]++
	result, ours := strings.CutSuffix(result, " (INJECTED)")
	shown := call + "(" + args + ") = " + result
	if ours {
		k.failed = append(k.failed, shown)
	}
	if d := descriptors.FindString(args); call == "close" && d != "" {
		k.noteClose(process(thread)+" "+d, shown, ours)
	}
}

// noteClose: a descriptor whose close failed must not be closed again. A parent
// and its child may both close one of the same number.
func (k *kernel) noteClose(descriptor, shown string, ours bool) {
	if before, found := k.unclosed[descriptor]; found && k.again == "" {
		k.again = before + ", and then " + shown
	}
	if ours {
		k.unclosed[descriptor] = shown
	}
}

// failures lists the calls that failed.
func (k *kernel) failures() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clip(k.failed)
}

// calls is how often these were made.
func (k *kernel) calls(names []string) (sum int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range names {
		sum += k.seen[name]
	}
	return sum
}

func (k *kernel) count() (sum int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.seen {
		sum += n
	}
	return sum
}

// wait waits until enough says so, or limit has passed, or strace has ended.
func (k *kernel) wait(ctx context.Context, limit time.Duration, enough func(k *kernel) bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		k.mu.Lock()
		ok, changed := enough(k), k.changed
		k.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-k.Done():
			k.mu.Lock()
			defer k.mu.Unlock()
			return enough(k)
		case <-ctx.Done():
			return false
		}
	}
}

// detach ends strace, which lets go of the processes, and returns when all that it
// saw is noted. They are stopped meanwhile (and must not mind, see startle): a call
// that strace has kept from the kernel when it lets go, and not yet answered, would
// return ENOSYS. If they are about to end, strace ends by itself; to tell it then
// would have it wait for threads that wait for it.
func (k *kernel) detach(s *server) {
	if k.Exited() {
		k.Kill()
		return
	}
	pids := family(s.group)
	for _, pid := range pids {
		unix.Kill(pid, unix.SIGSTOP)
	}
	k.wait(context.Background(), proc.Patience, func(k *kernel) bool { return s.dying() || k.hasStopped(pids) })
	limit := proc.Patience
	if s.dying() {
		limit = time.Second
	} else {
		k.Signal(unix.SIGINT)
	}
	k.Wait(limit)
	k.Kill()
	for _, pid := range pids {
		unix.Kill(pid, unix.SIGCONT)
	}
}

// hasStopped reports whether every thread has stopped. The caller holds k.mu.
func (k *kernel) hasStopped(pids []int) bool {
	for _, pid := range pids {
		for _, thread := range threads(pid) {
			if !k.stopped[thread] {
				return false
			}
		}
	}
	return true
}
