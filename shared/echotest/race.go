//go:build race

package echotest

// raceEnabled: the race detector multiplies CPU and memory, so those are not
// judged with it, and everything is given more time.
const raceEnabled = true
