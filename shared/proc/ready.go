package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"
)

var readyLine = regexp.MustCompile(`^listening on (\S+) \(pid (\d+)\)$`)

// ParseReady reads the line with which a server says that it listens:
//
//	listening on 127.0.0.1:9999 (pid 1234)
func ParseReady(line string) (addr string, pid int, ok bool) {
	m := readyLine.FindStringSubmatch(line)
	if m == nil {
		return "", 0, false
	}
	pid, err := strconv.Atoi(m[2])
	return m[1], pid, err == nil
}

// Ready waits until the process listens, and returns its address. A server says
// so with its ready line, whatever it printed before; one that got the address
// in the place of {addr} may also just listen there and say nothing.
func (p *Process) Ready(ctx context.Context) (addr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	beat := time.NewTicker(20 * time.Millisecond) // there is no event for a server that says nothing
	defer beat.Stop()
	for {
		list, ended, grown := p.Stdout.look()
		for _, line := range list {
			if addr, pid, ok := ParseReady(line); ok {
				p.Pid = pid
				return addr, nil
			}
		}
		if ended {
			grown = nil // there will be no other event than that of done
		}
		select {
		case <-grown:
		case <-beat.C:
			if p.addr != "" && accepts(p.addr) {
				return p.addr, nil
			}
		case <-p.done:
			return "", fmt.Errorf("the server ended: %s", p.State())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return "", ctx.Err()
			}
			return "", fmt.Errorf("no line \"listening on ADDRESS (pid N)\" after %v", Patience)
		}
	}
}

func accepts(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
