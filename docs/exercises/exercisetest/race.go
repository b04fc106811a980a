//go:build race

package exercisetest

// raceEnabled reports that the race detector is on: time, CPU and memory are not
// what they would be without it.
const raceEnabled = true
