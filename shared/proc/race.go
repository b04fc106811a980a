//go:build race

package proc

const raceDetector = 1
