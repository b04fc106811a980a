//go:build !linux

package watchtest

// What the kernel says of another process can be read on Linux only.

func (b *tab) expectRegistered(client string, read, write bool) {}
func (b *tab) expectNobodyAsleep()                              {}
