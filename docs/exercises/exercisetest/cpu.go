package exercisetest

import (
	"fmt"
	"time"

	"example/tcpladder/shared/echotest"
)

// still wants the process to come to rest. What spins never does, while what
// still has something to do may take its time.
func (r *process) still() error {
	if raceEnabled {
		return nil // CPU is not judged with the race detector
	}
	const window, most = 400 * time.Millisecond, 0.04 // what spins gets that, however busy the machine
	var share float64
	for deadline := time.Now().Add(patience / 3); time.Now().Before(deadline); {
		var err error
		if share, err = r.share(window); err != nil || share <= most {
			return err
		}
	}
	return &echotest.Failure{Want: "no CPU used while there is nothing to do",
		Got: fmt.Sprintf("%.0f %% of a CPU, for seconds", share*100)}
}

// share is the part of one CPU that the process uses over a window of d.
func (r *process) share(d time.Duration) (float64, error) {
	before, err := cpuOf(r.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if code, err := r.wait(d); err == nil { // a measurement takes its time
		return 0, failf("the program ended: status %d", code)
	}
	after, err := cpuOf(r.cmd.Process.Pid)
	return float64(after-before) / float64(time.Since(start)), err
}
