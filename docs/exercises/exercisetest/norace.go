//go:build !race

package exercisetest

const raceEnabled = false
