package proc

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// clock reads the time of ps(1), [[days-]hours:]minutes:seconds[.hundredths].
func clock(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "-")
	if !found {
		days, rest = "0", text
	}
	total, err := strconv.ParseFloat(days, 64)
	total *= 86400
	var seconds float64
	for part := range strings.SplitSeq(rest, ":") {
		v, bad := strconv.ParseFloat(part, 64)
		if bad != nil {
			err = bad
		}
		seconds = seconds*60 + v
	}
	if err != nil {
		return 0, fmt.Errorf("ps time %q: %v", text, err)
	}
	return time.Duration((total + seconds) * float64(time.Second)), nil
}
