package proc

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// handed is the environment variable that tells a program which files were handed
// to it: for each its name, descriptor, and which file that is.
//
//	lifeline=3:14:52113,kernel=4:8:52114
//
// A descriptor of that number can be anything else: where a shell has opened it,
// or in a program that was started by one that was started so.
const handed = "PROC_HANDED"

// lifeline is the name of a pipe whose other end closes when the process that
// holds it ends, however it ends.
const lifeline = "lifeline"

// hand gives files to a command, from descriptor 3 on.
func hand(cmd *exec.Cmd, files map[string]*os.File) error {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		id, err := identity(int(files[name].Fd()))
		if err != nil {
			return err
		}
		words = append(words, fmt.Sprintf("%s=%d:%s", name, 3+len(cmd.ExtraFiles), id))
		cmd.ExtraFiles = append(cmd.ExtraFiles, files[name])
	}
	if len(words) > 0 {
		cmd.Env = append(cmd.Env, handed+"="+strings.Join(words, ","))
	}
	return nil
}

// keepInherited keeps to this process what it has inherited: a process that it
// starts gets the descriptors that its Command names, and no others. (What Go
// opens is close-on-exec anyway.)
var keepInherited = sync.OnceFunc(func() {
	const highest = 4096 // that anybody has handed down
	for fd := 3; fd < highest; fd++ {
		unix.CloseOnExec(fd) // it does not matter that most are not open
	}
})

// identity tells a file from others. (OpenBSD and NetBSD number no pipes, see
// pipe_stat in their sys_pipe.c: there any pipe is like any other.)
func identity(fd int) (string, error) {
	var s unix.Stat_t
	err := unix.Fstat(fd, &s)
	return fmt.Sprintf("%d:%d:%d", s.Mode&unix.S_IFMT, s.Dev, s.Ino), os.NewSyscallError("fstat", err)
}

// Handed returns the files, by name, that this program was started with. It ignores
// those that are not there, touches no other descriptor, and keeps them from this
// program's children. With a lifeline, from now on the program ends when the one
// that started it does.
func Handed() (files map[string]int) {
	files = map[string]int{}
	for word := range strings.SplitSeq(os.Getenv(handed), ",") {
		name, rest, _ := strings.Cut(word, "=")
		number, want, _ := strings.Cut(rest, ":")
		fd, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		if is, err := identity(fd); err == nil && is == want {
			unix.CloseOnExec(fd)
			files[name] = fd
		}
	}
	os.Unsetenv(handed)
	if fd, ok := files[lifeline]; ok {
		delete(files, lifeline)
		go dieWith(fd)
	}
	return files
}

func dieWith(fd int) {
	for {
		n, err := unix.Read(fd, make([]byte, 1))
		if err == unix.EINTR {
			continue
		}
		if n == 0 && err == nil {
			os.Exit(3)
		}
		return
	}
}
