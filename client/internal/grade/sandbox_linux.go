package grade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The sandbox: see user_namespaces(7), pid_namespaces(7), mount_namespaces(7) and
// network_namespaces(7). The checker is process 1 of namespaces of its own, in which it
// is root: outside it is who started it, or nobody where that is root. When it ends
// the kernel ends all that is in them.
//
// Its files are a few folders of the system, which cannot be written to, the program,
// and a small /tmp. Its network is a loopback interface.
//
// The programs of a check run below it: in another user namespace, without a
// capability; in another PID namespace, so that they see neither the checker nor the
// programs of other checks; and with another /tmp.

const (
	nobody         = 65534
	learner        = 1000 // the user that a program is in its namespace
	sandboxProgram = "/program"
	jail           = "/jail" // the root of the programs: the same, but for /proc and /tmp
)

// sandboxed has a command start in namespaces of its own.
func sandboxed(cmd *exec.Cmd) {
	uid, gid, root := os.Geteuid(), os.Getegid(), os.Geteuid() == 0
	if root {
		uid, gid = nobody, nobody
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:      true,
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: gid, Size: 1}},
		Credential:  &syscall.Credential{NoSetGroups: !root},
		// Only root may take its groups from a process.
		GidMappingsEnableSetgroups: root,
	}
}

// self is this program, even where the sandbox has no path to it.
const self = "/proc/self/exe"

func thisProgram() (string, error) { return self, nil }

// enterSandbox sets up the namespaces that this process was started in.
func enterSandbox() error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"mount", fillRoot},
		{"loopback interface", loopbackUp},
		{"limits", lowerLimits},
		{"pidfd", tryPidfd},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// system are the folders of the host that programs may need: a shell and libraries.
var system = []string{"/bin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/nix/store", "/gnu/store"}

// fillRoot makes the file system and moves into it.
func fillRoot() error {
	const root = "/tmp" // a folder that every system has; nothing else of it is needed
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	if err := mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=80m,nr_inodes=2000,mode=755"); err != nil {
		return err
	}
	for _, dir := range system {
		if err := borrow(root, dir); err != nil {
			return err
		}
	}
	for _, step := range []func(string) error{devices, takeProgram, folders} {
		if err := step(root); err != nil {
			return err
		}
	}
	// While the old /proc is visible: a new one may not show more than that does.
	if err := mount("proc", root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	return moveTo(root)
}

func folders(root string) error {
	for _, dir := range []string{"proc", "tmp", "old", jail} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// moveTo makes root the root of everything, and forgets what was there before.
func moveTo(root string) error {
	if err := unix.PivotRoot(root, root+"/old"); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/old", unix.MNT_DETACH); err != nil {
		return os.NewSyscallError("umount2", err)
	}
	if err := mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=16m,nr_inodes=1000,mode=1777"); err != nil {
		return err
	}
	return mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

// borrow shows a folder of the host below root, where it cannot be written to.
func borrow(root, dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil // not every system has it
	}
	target := root + dir
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		to, err := os.Readlink(dir)
		if err != nil {
			return err
		}
		return os.Symlink(to, target)
	}
	if err := os.Mkdir(target, 0o755); err != nil {
		return err
	}
	if err := mount(dir, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	return os.NewSyscallError("mount_setattr", unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &readOnly))
}

// devices shows those that programs open, and terminals of the sandbox's own.
func devices(root string) error {
	dev := root + "/dev"
	if err := os.Mkdir(dev, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := os.WriteFile(dev+"/"+name, nil, 0o644); err != nil {
			return err
		}
		if err := mount("/dev/"+name, dev+"/"+name, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dev+"/pts", 0o755); err != nil {
		return err
	}
	if err := os.Symlink("pts/ptmx", dev+"/ptmx"); err != nil {
		return err
	}
	return mount("devpts", dev+"/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0600")
}

// takeProgram copies the program: the folder that it is in is nobody's business.
func takeProgram(root string) error {
	from := os.NewFile(programFD, "program")
	defer from.Close()
	to, err := os.OpenFile(root+sandboxProgram, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return os.NewSyscallError("ioctl", err)
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return os.NewSyscallError("ioctl", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo))
}

// lowerLimits bounds the threads, the core files and the size of a file.
func lowerLimits() error {
	for resource, most := range map[int]uint64{unix.RLIMIT_NPROC: 4096, unix.RLIMIT_CORE: 0} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(resource, &limit); err != nil {
			return os.NewSyscallError("getrlimit", err)
		}
		limit.Max = min(limit.Max, most)
		limit.Cur = min(limit.Cur, most)
		if err := unix.Setrlimit(resource, &limit); err != nil {
			return os.NewSyscallError("setrlimit", err)
		}
	}
	return nil
}

// tryPidfd has package os find out what it can do, for which it starts a process once.
// In a new PID namespace that would be process 1, and the namespace would end with it.
func tryPidfd() error {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Release()
	}
	return err
}

// A cell is a room of the sandbox. One thread of the checker has the cell's mounts and
// makes its processes: the first is the keeper, with which all others end.
type cell struct {
	keeper *exec.Cmd
	hold   io.Closer // of the keeper
	orders chan order
	done   chan bool // closed by close
}

type order struct {
	cmd    *exec.Cmd
	result chan error
}

func openRoom() (room, error) {
	c := &cell{orders: make(chan order), done: make(chan bool)}
	ready := make(chan error)
	go c.live(ready)
	return c, <-ready
}

// live is the cell's thread. It is not unlocked, so it ends with this function.
func (c *cell) live(ready chan<- error) {
	runtime.LockOSThread()
	err := os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_NEWPID))
	if err == nil {
		err = c.startKeeper()
	}
	ready <- err
	if err != nil {
		return
	}
	for {
		select {
		case o := <-c.orders:
			o.result <- o.cmd.Start()
		case <-c.done:
			return
		}
	}
}

func (c *cell) startKeeper() error {
	c.keeper = exec.Command(self)
	c.keeper.Env = []string{role + "=keeper"}
	c.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	hold, err := c.keeper.StdinPipe()
	if err != nil {
		return err
	}
	said, err := c.keeper.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.keeper.Start(); err != nil {
		return err
	}
	c.hold = hold
	text, err := io.ReadAll(io.LimitReader(said, 1<<10)) // it closes it
	if err == nil && string(text) != "ok" {
		err = fmt.Errorf("a room in the sandbox: %s", text)
	}
	if err != nil {
		c.keeper.Process.Kill()
		c.keeper.Wait()
	}
	return err
}

// keeper is process 1 of a cell: it sets it up, and reaps the children whose parents
// have ended.
func keeper() int {
	if err := fillCell(); err != nil {
		fmt.Print(err)
		return 1
	}
	fmt.Print("ok")
	os.Stdout.Close()
	go func() {
		io.Copy(io.Discard, os.Stdin) // until the checker is gone
		os.Exit(0)
	}()
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	for range children {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if err != nil || pid == 0 {
				break
			}
		}
	}
	return 0
}

// fillCell shows everything once more in the jail, with a /proc and a /tmp of the
// cell's own. What /proc/sys has of the network belongs to the same user, so it must
// not be written to.
func fillCell() error {
	const quiet = unix.MS_NOSUID | unix.MS_NODEV
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"/", jail, "", unix.MS_BIND | unix.MS_REC, ""},
		{"proc", jail + "/proc", "proc", quiet | unix.MS_NOEXEC, ""},
		{jail + "/proc/sys", jail + "/proc/sys", "", unix.MS_BIND, ""},
		{"", jail + "/proc/sys", "", unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY | quiet | unix.MS_NOEXEC, ""},
		{"tmpfs", jail + "/tmp", "tmpfs", quiet, "size=16m,nr_inodes=1000,mode=1777"},
	} {
		if err := mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return err
		}
	}
	return nil
}

// launch starts a program of the submission.
func (c *cell) launch(cmd *exec.Cmd) error {
	apart(cmd, "/tmp")
	attr := cmd.SysProcAttr
	attr.Chroot = jail
	attr.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWIPC
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: learner, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: learner, Size: 1}}
	o := order{cmd, make(chan error, 1)}
	select {
	case c.orders <- o:
		return <-o.result
	case <-c.done:
		return errors.New("the check is over")
	}
}

// usage counts what is neither the checker nor a keeper: checks run one by one.
func (c *cell) usage() (resident int64, processes int) {
	return sum(func(t task) bool { return t.pid != 1 && t.pid != c.keeper.Process.Pid })()
}

func (c *cell) kill() { c.keeper.Process.Kill() }

func (c *cell) close() {
	close(c.done)
	c.kill()
	c.hold.Close()
	c.keeper.Wait()
}

// CanSandbox returns why there can be no sandbox here, or nil.
func CanSandbox() error {
	_, err := ask(context.Background(), job{Sandbox: true}, os.DevNull, nil)
	var refused *os.PathError // of the start: its path says nothing
	if errors.As(err, &refused) {
		err = refused.Err
	}
	if err != nil {
		return fmt.Errorf("no sandbox, because namespaces are refused: %s", strings.TrimSpace(err.Error()))
	}
	return nil
}
