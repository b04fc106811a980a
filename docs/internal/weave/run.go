package weave

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// timeout bounds one command and one session; a cold build is part of it.
const timeout = 2 * time.Minute

// A Live block is one whose content comes from a program that runs.
type Live struct {
	Line  int
	Shown string
	args  []string
	block block
}

// Lives returns the blocks of a chapter that show what a program said.
func Lives(text string) []Live {
	var all []Live
	lines := strings.Split(text, "\n")
	for _, b := range blocks(lines) {
		if (b.args[0] == "run" || b.args[0] == "session") && b.start >= 0 {
			all = append(all, Live{b.comment + 1, b.content(lines), b.args, b})
		}
	}
	return all
}

// Replace puts what was said into the chapter. It must be called for the last
// block first.
func (l Live) Replace(text, said string) string {
	return strings.Join(replace(strings.Split(text, "\n"), l.block, said), "\n")
}

// Same reports whether two outputs are equal but for what differs from run to run
// or from machine to machine: ports, process numbers, times, the counts of folded
// lines, and which numbers descriptors have.
func Same(a, b string) bool { return mask(a) == mask(b) }

var (
	varies     = regexp.MustCompile(`127\.0\.0\.1:[0-9]+|pid [0-9]+|[0-9]+\.[0-9]+s\b|^select\([0-9]+\)`)
	slept      = regexp.MustCompile(`  after [0-9.]+ s$`)
	chance     = regexp.MustCompile(`(?m)^.* = EINTR  a signal came first.*\n|^… [0-9,]+ more calls? returned EAGAIN\n`)
	digits     = regexp.MustCompile(`[0-9]+`)
	descriptor = regexp.MustCompile(`^(?:socket|accept)\([0-9]+\) = [0-9]+|^[a-z_]+\([0-9]+\)|descriptor [0-9]+`)
)

// mask gives descriptors numbers in the order in which they are named. Whether a
// signal finds a server asleep or awake is chance, and so is how often a call
// returns EAGAIN before it does something: such lines do not count.
func mask(s string) string {
	known := map[string]string{}
	rename := func(n string) string {
		if known[n] == "" {
			known[n] = fmt.Sprintf("#%d", len(known))
		}
		return known[n]
	}
	var masked strings.Builder
	for line := range strings.Lines(chance.ReplaceAllString(s, "")) {
		line = slept.ReplaceAllString(strings.TrimSuffix(line, "\n"), "") + "\n"
		line = varies.ReplaceAllStringFunc(line, func(m string) string { return digits.ReplaceAllString(m, "N") })
		masked.WriteString(descriptor.ReplaceAllStringFunc(line, func(m string) string { return digits.ReplaceAllStringFunc(m, rename) }))
	}
	return masked.String()
}

// Needs returns the first program of a block that this machine does not have.
func (l Live) Needs() string {
	programs := []string{"go", "sh"}
	for _, name := range []string{"nc", "diff", "strace", "curl"} {
		if regexp.MustCompile(`(?m)(^\$ |\| )` + name + ` `).MatchString(l.Shown) {
			programs = append(programs, name)
		}
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			return name
		}
	}
	return ""
}

// Run does what the block shows and returns what it should show.
func (l Live) Run(root string) (string, error) {
	if l.args[0] == "session" {
		first, _, _ := strings.Cut(l.Shown, "\n")
		said, err := session(root, l.args[1], l.args[2:])
		return first + "\n" + said, err
	}
	port := "9999"
	if len(l.args) == 2 {
		s, err := start(root, l.args[1])
		if err != nil {
			return "", err
		}
		defer s.stop()
		_, port, _ = strings.Cut(s.addr, ":")
	}
	var out strings.Builder
	for line := range strings.Lines(l.Shown) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			said, err := shell(root, command, port)
			if err != nil {
				return "", err
			}
			out.WriteString(line + said)
		}
	}
	return out.String(), nil
}

// shell runs a command. What it says of the real port it shall say of 9999.
func shell(root, command, port string) (string, error) {
	if port != "9999" {
		command = strings.ReplaceAll(command, "client talk", "client talk -addr 127.0.0.1:9999")
		command = strings.ReplaceAll(command, "9999", port)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=") // of the top folder, as for a reader
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: no end after %v", strings.TrimSpace(command), timeout)
	}
	if _, failed := err.(*exec.ExitError); err != nil && !failed {
		return "", err
	}
	if len(said) > 0 && !bytes.HasSuffix(said, []byte("\n")) {
		said = append(said, '\n')
	}
	return strings.ReplaceAll(string(said), ":"+port, ":9999"), nil
}

// Narrates reports whether the block shows system calls by name.
func (l Live) Narrates() bool { return l.args[0] == "session" }
