package echotest

import (
	"fmt"
	"slices"
)

// A Rung is one of the five servers, and the promises that its echo_test.go names.
type Rung struct {
	Folder   string // also the last part of its module's path
	Promises Promises
}

// Rungs are the ladder, from the bottom.
var Rungs = []Rung{
	{"01-blocking", Promises{Sleeps: true}},
	{"02-nonblocking", Promises{Concurrent: true}},
	{"03-select", Promises{Concurrent: true, Sleeps: true, FDSet: true}},
	{"04-kqueue", Promises{Concurrent: true, Sleeps: true}},
	{"05-framing", Promises{Concurrent: true, Sleeps: true, Framed: true}},
}

// Folders lists the folders of the rungs.
func Folders() (all []string) {
	for _, r := range Rungs {
		all = append(all, r.Folder)
	}
	return all
}

// FindRung returns the rung that is meant by a name such as 5, 05 or 05-framing.
func FindRung(name string) (Rung, error) {
	i := slices.IndexFunc(Rungs, func(r Rung) bool {
		return name == r.Folder || name == r.Folder[:2] || name == r.Folder[1:2]
	})
	if i < 0 {
		return Rung{}, fmt.Errorf("no rung %q: there are 01 to %s", name, Rungs[len(Rungs)-1].Folder[:2])
	}
	return Rungs[i], nil
}
