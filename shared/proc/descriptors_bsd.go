//go:build dragonfly || freebsd || netbsd || openbsd

package proc

import (
	"fmt"
	"regexp"
	"strconv"
)

// descriptorsOf counts the lines of fstat(1) whose column FD is a number; others
// are the program's text, its working directory and the like.
func descriptorsOf(pid int) (int, error) {
	text, err := output("fstat", "-p", strconv.Itoa(pid))
	number := regexp.MustCompile(fmt.Sprintf(`(?m)^\S+\s.*\s%d\s+\d+\*?\s`, pid))
	return len(number.FindAllString(text, -1)), err
}
