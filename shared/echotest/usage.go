package echotest

import (
	"fmt"
	"time"

	"example/tcpladder/shared/proc"
)

// measurable tells whether CPU and memory can be judged.
func (s *Server) measurable() bool { return s.Process != nil && !proc.RaceEnabled }

// still is Still for a server that promises to sleep.
func (s *Server) still(cause string) error {
	if !s.Sleeps {
		return nil
	}
	return because(s.Still(), cause)
}

// Still wants the server to come to rest. What spins never does, while what
// still has something to do may take its time.
func (s *Server) Still() error {
	if !s.measurable() {
		return nil
	}
	// A loop that spins wants a whole CPU. Where only what it gets is known, it gets
	// more than that even if ten others are busy.
	const window, most = 250 * time.Millisecond, 0.045
	var share float64
	for deadline := time.Now().Add(patience / 4); time.Now().Before(deadline); {
		var err error
		if share, err = s.Share(window); err != nil || share <= most {
			return err
		}
	}
	f := &Failure{Want: "no CPU used while there is nothing to do",
		Got: fmt.Sprintf("%.0f %% of a CPU, for seconds", share*100)}
	f.symptom, f.scene = burns, s.look()
	return f
}

// growth is how much the resident and mapped memory grow while do runs. It
// is 0 where memory is not judged.
func (s *Server) growth(do func() error) (resident, mapped int64, err error) {
	if !s.measurable() {
		return 0, 0, do()
	}
	r0, m0, err := s.Memory()
	if err != nil {
		return 0, 0, err
	}
	if err := do(); err != nil {
		return 0, 0, err
	}
	r1, m1, err := s.Memory()
	return r1 - r0, m1 - m0, err
}
