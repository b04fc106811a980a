package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine describes where the measurements are made, in one line.
func machine(pinned bool) string {
	where := "server and load on any CPU"
	if pinned {
		where = "server on CPU 0, load on CPU 1"
	}
	kernel, _, _ := strings.Cut(output("uname", "-r"), "-") // the rest is the distribution's
	return fmt.Sprintf("%s %s, kernel %s, %s, %d CPUs, %s, %s, %s", runtime.GOOS, runtime.GOARCH, kernel,
		cpuModel(), runtime.NumCPU(), runtime.Version(), where, time.Now().UTC().Format(time.DateOnly))
}

// cpuModel asks where each system has it.
func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	for _, key := range []string{"machdep.cpu.brand_string", "hw.model"} {
		if value := output("sysctl", "-n", key); value != "" {
			return value
		}
	}
	return "unknown CPU"
}

// output returns what a command prints; nothing if it fails.
func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
