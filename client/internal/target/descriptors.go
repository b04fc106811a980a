package target

import (
	"fmt"
	"syscall"
)

// Descriptors makes sure that this process may have n descriptors, and raises
// its soft limit if that is enough. (The servers inherit the limit.)
func Descriptors(n int) error {
	limit := Limit()
	if n <= limit {
		return nil
	}
	return fmt.Errorf("this takes %d descriptors, the limit is %d (ulimit -n raises it)", n, limit)
}

// Limit raises the soft limit of descriptors to the hard one and returns it.
func Limit() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 256
	}
	soft := l
	soft.Cur = soft.Max
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &soft) != nil {
		soft = l // macOS says unlimited, and refuses it
	}
	return int(min(uint64(soft.Cur), 1<<20))
}
