package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// A progress shows how far a run is: on a terminal in one line that changes, in a
// file with a line now and then.
type progress struct {
	w            io.Writer
	terminal     bool
	total        int
	done, missed int
	began, told  time.Time
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{w: w, total: total, began: time.Now(), told: time.Now()}
	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// clear is how a terminal goes back to the beginning of an empty line.
const clear = "\r\x1b[K"

// say prints a line of its own.
func (p *progress) say(line string) {
	if p.terminal {
		fmt.Fprint(p.w, clear)
	}
	fmt.Fprintln(p.w, line)
}

// step counts one more.
func (p *progress) step(escaped bool) {
	p.done++
	if escaped {
		p.missed++
	}
	const pause = 30 * time.Second // between two lines of a file
	if !p.terminal && time.Since(p.told) < pause && p.done < p.total {
		return
	}
	p.told = time.Now()
	each := time.Since(p.began) / time.Duration(p.done)
	left := (each * time.Duration(p.total-p.done)).Round(time.Second)
	text := fmt.Sprintf("%d of %d, %d caught, %d survivors, %v left", p.done, p.total, p.done-p.missed, p.missed, left)
	if p.terminal {
		fmt.Fprint(p.w, clear+text)
	} else {
		fmt.Fprintln(p.w, text)
	}
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, clear)
	}
}
