package faults

import (
	"strings"
	"testing"
)

// watchers is a kernel without strace, which is given its lines.
func watcher(lines string) *kernel {
	k := newKernel()
	for line := range strings.Lines(lines) {
		k.follow(strings.Trim(line, "\t\n"))
	}
	return k
}

func TestFollow(t *testing.T) {
	k := watcher(`strace: Process 900000 attached with 2 threads
		900000 accept4(3<socket:[10]>, NULL, NULL, SOCK_CLOEXEC <unfinished ...>
		900001 read(7<socket:[11]>, ""..., 65536) = 9
		900001 read(7<socket:[11]>, 0x7f, 65536)      = -1 EAGAIN (Resource temporarily unavailable) (INJECTED)
		900000 <... accept4 resumed>)             = -1 EMFILE (Too many open files) (INJECTED)
		900001 pselect6(8, [3<socket:[10]> 7<socket:[11]>], [], NULL, NULL, NULL) = 1 (in [7])
		900001 close(9<socket:[12]>strace: Process 900002 attached
strace: Process 900003 attached
)                              = -1 EIO (Input/output error) (INJECTED)
		900001 --- SIGURG {si_signo=SIGURG} ---
		900001 +++ exited with 0 +++`)
	if !k.attached["900000"] {
		t.Error("900000 is attached")
	}
	for o, n := range map[object]int{{"read", "7", "socket:[11]"}: 2, {"accept4", "3", "socket:[10]"}: 1,
		{"pselect6", "3", "socket:[10]"}: 1, {"pselect6", "7", "socket:[11]"}: 1} {
		if k.made[o] != n {
			t.Errorf("%+v: %d calls, want %d", o, k.made[o], n)
		}
	}
	failed := strings.Join(k.failures(), "\n")
	const want = `read(7<socket:[11]>, 0x7f, 65536) = -1 EAGAIN (Resource temporarily unavailable)
accept4(3<socket:[10]>, NULL, NULL, SOCK_CLOEXEC) = -1 EMFILE (Too many open files)
close(9<socket:[12]>) = -1 EIO (Input/output error)`
	if failed != want {
		t.Errorf("failed:\n%s\nwant\n%s", failed, want)
	}
	if k.count() != 5 || k.calls([]string{"read", "readv"}) != 2 {
		t.Errorf("%d calls, %d of them read", k.count(), k.calls([]string{"read", "readv"}))
	}
}

func TestSecondClose(t *testing.T) {
	const failed = "900000 close(7<socket:[11]>) = -1 EIO (Input/output error) (INJECTED)\n"
	for more, again := range map[string]bool{
		"":                                   false,
		"900000 close(7<socket:[11]>) = 0":   true,
		"900000 close(8<socket:[12]>) = 0":   false,
		"900001 close(7<socket:[11]>) = 0":   false, // another process
		"900000 read(7<socket:[11]>, 1) = 0": false,
	} {
		if k := watcher(failed + more); (k.again != "") != again {
			t.Errorf("%s: a second close is %q", more, k.again)
		}
	}
}
