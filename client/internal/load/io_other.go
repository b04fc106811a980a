//go:build !linux

package load

import "golang.org/x/sys/unix"

func read(fd int, p []byte) (int, error) { return call(unix.Read, fd, p) }

func write(fd int, p []byte) (int, error) { return call(unix.Write, fd, p) }

func call(f func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := f(fd, p)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
