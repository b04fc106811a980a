//go:build !linux

package echotest

func threadsOf(pid int) ([]Thread, error) { return nil, Skipf("%v", CanSee()) }

func readsOf(pid int) (int64, error) { return 0, Skipf("%v", CanSee()) }

func registrationsOf(pid int) ([]Registration, error) { return nil, Skipf("%v", CanSee()) }

func inodeOf(pid, fd int) (uint64, error) { return 0, Skipf("%v", CanSee()) }
