package main

import (
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example/tcpladder/docs/internal/chromium"
	"example/tcpladder/shared/echotest"
	"example/tcpladder/shared/proc"
)

func TestMain(m *testing.M) {
	status := m.Run()
	proc.CleanUp()
	os.Exit(status)
}

// A paper is a PDF as poppler reads it.
type paper struct {
	file  string
	pages []string // the text of each
}

// onPaper prints a book. It skips short runs: a browser takes a second core.
func onPaper(t *testing.T, b *book) paper {
	t.Helper()
	if !echotest.LongRun() {
		t.Skip("set TCPLADDER_LONG=1")
	}
	for _, program := range []string{"pdftotext", "pdfinfo"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	p := paper{file: filepath.Join(t.TempDir(), "course.pdf")}
	n, err := b.print(p.file)
	if errors.Is(err, chromium.ErrNone) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.pages = strings.Split(strings.TrimSuffix(p.poppler(t, "pdftotext", "-layout", p.file, "-"), "\f"), "\f")
	if len(p.pages) != n {
		t.Fatalf("print counts %d pages, poppler %d", n, len(p.pages))
	}
	return p
}

func (p paper) poppler(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return string(out)
}

// squeeze leaves out all space: where a line is broken does not matter.
func squeeze(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(html.UnescapeString(s), "\u00a0", " ")), "")
}

func TestPDF(t *testing.T) {
	b := everything(t)
	p := onPaper(t, b)
	t.Logf("%d pages", len(p.pages))
	info := p.poppler(t, "pdfinfo", p.file)
	for _, want := range []string{"595 x 842", "A4", "tcpladder"} {
		if !strings.Contains(strings.ReplaceAll(info, "594.96 x 841.92", "595 x 842"), want) {
			t.Errorf("pdfinfo does not say %s:\n%s", want, info)
		}
	}
	t.Run("page numbers", func(t *testing.T) { p.numbers(t) })
	t.Run("contents", func(t *testing.T) { p.contents(t, b) })
	t.Run("blocks", func(t *testing.T) { p.blocks(t, b) })
	t.Run("headings", func(t *testing.T) { p.headings(t, b) })
	t.Run("margins", func(t *testing.T) { p.margins(t) })
}

// numbers: each page but the first ends with its number.
func (p paper) numbers(t *testing.T) {
	for i, page := range p.pages {
		fields := strings.Fields(page)
		has := len(fields) > 0 && fields[len(fields)-1] == strconv.Itoa(i+1)
		if has == (i == 0) {
			t.Errorf("page %d ends with %q", i+1, fields[max(0, len(fields)-3):])
		}
	}
}

var contentsLine = regexp.MustCompile(`(?m)^ *(.*\S) +(\d+)$`)

// contents: each heading that the contents name is on the page that they name.
func (p paper) contents(t *testing.T, b *book) {
	front := slices.IndexFunc(p.pages, func(page string) bool {
		return strings.HasPrefix(strings.TrimSpace(page), b.texts[0].title)
	})
	text := strings.Join(p.pages[1:max(1, front)], "\n")
	lines := contentsLine.FindAllStringSubmatch(text, -1)
	for _, line := range lines {
		page, err := strconv.Atoi(line[2])
		if err != nil || page > len(p.pages) || !strings.Contains(squeeze(p.pages[page-1]), squeeze(line[1])) {
			t.Errorf("contents: %s is not on page %s", line[1], line[2])
		}
	}
	want := 0
	for _, one := range b.texts {
		want += 1 + len(one.heads)
	}
	if len(lines) != want {
		t.Errorf("%d lines of contents, want %d:\n%s", len(lines), want, text)
	}
}

// blocks: what must not be split is on one page, with all its letters.
func (p paper) blocks(t *testing.T, b *book) {
	pages := make([]string, len(p.pages))
	for i, page := range p.pages {
		pages[i] = squeeze(page)
	}
	for _, one := range b.texts {
		for _, part := range wholePre.FindAllStringSubmatch(one.body, -1) {
			text := ""
			for _, line := range aLine.FindAllStringSubmatch(part[1], -1) {
				text += squeeze(line[1])
			}
			if !strings.Contains(strings.Join(pages, "\f"), text) {
				t.Errorf("%s: not whole on any page:\n%s", one.file, text)
			}
		}
	}
}

// headings: none is the last line of its page.
func (p paper) headings(t *testing.T, b *book) {
	titles := map[string]bool{}
	for _, one := range b.texts {
		for _, h := range regexp.MustCompile(`(?s)<h[1-6][^>]*>(.*?)</h[1-6]>`).FindAllStringSubmatch(one.body, -1) {
			titles[squeeze(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(h[1], ""))] = true
		}
	}
	for i, page := range p.pages {
		lines := strings.Split(strings.TrimSpace(page), "\n")
		number := strconv.Itoa(i + 1)
		for len(lines) > 0 && (strings.TrimSpace(lines[len(lines)-1]) == "" || lines[len(lines)-1] == number) {
			lines = lines[:len(lines)-1]
		}
		if len(lines) > 0 && titles[squeeze(lines[len(lines)-1])] {
			t.Errorf("page %d ends with the heading %q", i+1, lines[len(lines)-1])
		}
	}
}

var word = regexp.MustCompile(`<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>`)

// margins: no word is outside of what a printer prints, in points.
func (p paper) margins(t *testing.T) {
	boxes := filepath.Join(t.TempDir(), "boxes.html")
	p.poppler(t, "pdftotext", "-bbox", p.file, boxes)
	text, err := os.ReadFile(boxes)
	if err != nil {
		t.Fatal(err)
	}
	words := word.FindAllStringSubmatch(string(text), -1)
	if len(words) < 10000 {
		t.Errorf("%d words", len(words))
	}
	for _, w := range words {
		var left, top, right, bottom float64
		fmt.Sscan(strings.Join(w[1:5], " "), &left, &top, &right, &bottom)
		if left < 45 || right > 595-45 || top < 15 || bottom > 842-15 {
			t.Errorf("%q at %v is in the margin", w[5], w[1:5])
		}
	}
}
