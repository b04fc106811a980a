package proc

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0:00.12":    120 * time.Millisecond,
		"12:34":      12*time.Minute + 34*time.Second,
		"1:00:01":    time.Hour + time.Second,
		"2-01:00:00": 49 * time.Hour,
	} {
		if got, err := clock(text); err != nil || got.Round(time.Millisecond) != want {
			t.Errorf("clock(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := clock("soon"); err == nil {
		t.Error(`clock("soon") is no error`)
	}
}
