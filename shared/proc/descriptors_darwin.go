package proc

import (
	"regexp"
	"strconv"
)

var descriptorField = regexp.MustCompile(`(?m)^f\d+$`)

// descriptorsOf counts the files of lsof(8) whose field f is a number; others are
// the program's text, its working directory and the like.
func descriptorsOf(pid int) (int, error) {
	text, err := output("lsof", "-p", strconv.Itoa(pid), "-F", "f")
	return len(descriptorField.FindAllString(text, -1)), err
}
