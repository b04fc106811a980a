package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// all is made once: it only reads files.
var all = sync.OnceValues(func() (*book, error) {
	_, err := os.Stat("../quiz.md") // a handout may be without it
	return newBook("../..", options{quiz: err == nil, exercises: true})
})

// everything returns the book with all that can be printed. It skips a test where
// only the compiled tests are.
func everything(t *testing.T) *book {
	t.Helper()
	if _, err := os.Stat("style.css"); err != nil {
		t.Skip("there are no sources here")
	}
	b, err := all()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// page renders one text that is nowhere in the project.
func page(t *testing.T, markdown string) (*text, error) {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "picture.svg"), []byte("<svg/>"), 0o644); err != nil {
		t.Fatal(err)
	}
	clean, err := forStudents("test.md", markdown)
	if err != nil {
		return nil, err
	}
	one := &text{file: "test.md", id: "p-test"}
	b := &book{root: root, texts: []*text{one}, byFile: map[string]*text{"test.md": one}}
	return one, b.render(one, parse(one, clean))
}

var (
	fence     = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	span      = regexp.MustCompile("`[^`\n]+`")
	inline    = regexp.MustCompile(`(!?)\[[^\]]*\]\(([^)\s]+)\)`)
	nav       = regexp.MustCompile(`(?m)^\[Contents\]\(README\.md\) · .*$`)
	sup       = regexp.MustCompile(`<sup><a href="#([-\w]+)">(\d+)</a></sup>`)
	anyHref   = regexp.MustCompile(`href="([^"]+)"`)
	anyID     = regexp.MustCompile(` id="([^"]+)"`)
	wholePre  = regexp.MustCompile(`(?s)<pre class="whole">(.*?)</pre>`)
	anyPre    = regexp.MustCompile(`<pre[^>]*>`)
	aLine     = regexp.MustCompile(`<span class="line[^"]*">([^<]*)</span>`)
	aBlock    = regexp.MustCompile(`(?s)<div class="block">\n(.*?)</div>\n`)
	anyPicure = regexp.MustCompile(`<img [^>]*?src="([^"]{0,20})`)
)

// source returns the Markdown of a text that is for students.
func (b *book) source(t *testing.T, one *text) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(b.root, one.file))
	if err != nil {
		t.Fatal(err)
	}
	clean, err := forStudents(one.file, string(raw))
	if err != nil {
		t.Fatal(err)
	}
	return clean
}

func TestEveryLinkIsAFootnote(t *testing.T) {
	b := everything(t)
	for _, one := range b.texts {
		prose := span.ReplaceAllString(fence.ReplaceAllString(b.source(t, one), ""), "x")
		prose = nav.ReplaceAllString(prose, "")
		var targets []string
		for _, link := range inline.FindAllStringSubmatch(prose, -1) {
			if link[1] == "" { // else a picture
				targets = append(targets, link[2])
			}
		}
		marks := sup.FindAllStringSubmatch(one.body, -1)
		if len(marks) != len(targets) {
			t.Errorf("%s has %d links and %d marks", one.file, len(targets), len(marks))
			continue
		}
		notes := b.footnotes(one, nil)
		for i, mark := range marks {
			var n int
			fmt.Sscan(mark[2], &n)
			if n < 1 || n > len(one.notes) || one.notes[n-1].target != targets[i] {
				t.Fatalf("%s: mark %d is %s; the link leads to %s", one.file, i+1, mark[2], targets[i])
			}
			item := fmt.Sprintf(`<li id="%s">`, mark[1])
			if !strings.Contains(notes, item) {
				t.Errorf("%s: no footnote %s", one.file, mark[1])
			}
			if strings.Contains(targets[i], "://") && !strings.Contains(notes, item+html.EscapeString(targets[i])+"</li>") {
				t.Errorf("%s: footnote %d does not say %s", one.file, n, targets[i])
			}
		}
	}
}

// TestLinksLeadSomewhere: inside the document to an anchor, and otherwise to the web.
func TestLinksLeadSomewhere(t *testing.T) {
	document := everything(t).html(nil)
	ids := map[string]int{}
	for _, id := range anyID.FindAllStringSubmatch(document, -1) {
		ids[id[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%d times id %s", n, id)
		}
	}
	for _, link := range anyHref.FindAllStringSubmatch(document, -1) {
		target, inside := strings.CutPrefix(link[1], "#")
		if inside && ids[target] == 0 {
			t.Errorf("a link to #%s, which is not there", target)
		}
		if !inside && !strings.HasPrefix(target, "https://") {
			t.Errorf("a link to %s: neither in the document nor on the web", target)
		}
	}
}

func TestFootnotes(t *testing.T) {
	one, err := page(t, "# T: the `title`\n\n[a](https://a.example/?b&c) [b](docs/b.md#c) [a](https://a.example/?b&c)\n[c](#two-words) <https://d.example> **[e](e.go)**\n\n## Two words\n")
	if err != nil {
		t.Fatal(err)
	}
	b := &book{texts: []*text{one}}
	got := b.footnotes(one, map[string]int{"p-test--two-words": 7})
	for _, want := range []string{
		`<li id="p-test-note-1">https://a.example/?b&amp;c</li>`,
		`<li id="p-test-note-2">docs/b.md#c</li>`,
		`<li id="p-test-note-3"><a href="#p-test--two-words">T: the title: Two words</a>, page&nbsp;7</li>`,
		`<li id="p-test-note-4">https://d.example</li>`,
		`<li id="p-test-note-5">e.go</li>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not %s in\n%s", want, got)
		}
	}
	for _, want := range []string{
		`<a href="https://a.example/?b&amp;c">a</a><sup><a href="#p-test-note-1">1</a></sup>`,
		`<a>b</a><sup><a href="#p-test-note-2">2</a></sup>`,
		`<a href="#p-test--two-words">c</a><sup>`,
		`<strong><a>e</a><sup><a href="#p-test-note-5">5</a></sup></strong>`,
		`<h2 id="p-test--two-words">Two words</h2>`,
	} {
		if !strings.Contains(one.body, want) {
			t.Errorf("not %s in\n%s", want, one.body)
		}
	}
}

// TestBlocksAreWhole: a block of up to 45 lines is in one part, a longer one in parts
// of at most 45 that begin with a declaration, and all of them have all their lines.
func TestBlocksAreWhole(t *testing.T) {
	b := everything(t)
	long := 0
	for _, one := range b.texts {
		for _, tag := range anyPre.FindAllString(one.body, -1) {
			if tag != `<pre class="whole">` {
				t.Errorf("%s: %s", one.file, tag)
			}
		}
		blocks := aBlock.FindAllStringSubmatch(one.body, -1)
		for i, want := range fence.FindAllStringSubmatch(b.source(t, one), -1) {
			if strings.HasPrefix(one.file, "docs/exercises/") {
				break // they also have blocks without a fence
			}
			lines := strings.Split(strings.TrimSuffix(want[2], "\n"), "\n")
			parts := wholePre.FindAllStringSubmatch(blocks[i][1], -1)
			if len(lines) <= maxWhole && len(parts) != 1 {
				t.Errorf("%s: %d lines in %d parts", one.file, len(lines), len(parts))
			}
			if len(lines) > maxWhole {
				long++
			}
			var got []string
			for n, part := range parts {
				inside := aLine.FindAllStringSubmatch(part[1], -1)
				if len(inside) > maxWhole {
					t.Errorf("%s: a part of %d lines that must not be split", one.file, len(inside))
				}
				if n > 0 && !regexp.MustCompile(`^(//|import|func|type|var|const)`).MatchString(inside[0][1]) {
					t.Errorf("%s: a part begins with %q", one.file, inside[0][1])
				}
				for _, line := range inside {
					got = append(got, strings.TrimRight(html.UnescapeString(line[1]), " \u00a0"))
				}
			}
			for n := range lines {
				lines[n] = strings.TrimRight(strings.ReplaceAll(lines[n], "\t", "    "), " ")
			}
			if !slices.Equal(got, lines) {
				t.Errorf("%s: printed as\n%s\nnot as\n%s", one.file, strings.Join(got, "\n"), strings.Join(lines, "\n"))
			}
		}
	}
	if long == 0 {
		t.Error("no block is longer than 45 lines")
	}
}

// TestLinesFit: style.css has room for 101 characters.
func TestLinesFit(t *testing.T) {
	for _, one := range everything(t).texts {
		for _, line := range aLine.FindAllStringSubmatch(one.body, -1) {
			code := strings.HasPrefix(line[0], `<span class="line added`) || strings.HasPrefix(line[0], `<span class="line removed`)
			if n := utf8.RuneCountInString(html.UnescapeString(line[1])); code && n > 101 {
				t.Errorf("%s: %d characters: %s", one.file, n, line[1])
			}
		}
	}
}

func TestParts(t *testing.T) {
	lines := func(n int, line string) []string { return slices.Repeat([]string{line}, n) }
	join := func(all ...[]string) []string { return slices.Concat(all...) }
	function := join([]string{"", "// f does", "func f() {"}, lines(17, "\tx"), []string{"}"})
	for _, c := range []struct {
		name, language string
		lines          []string
		want           []int
	}{
		{"just short enough", "go", lines(45, "x"), []int{45}},
		{"two functions", "go", join(lines(25, "a"), function), []int{26, 20}},
		{"between functions, not at a gap in one", "go", join(lines(25, "a"), []string{"", "func f() {", "\tx", "", "\ty"}, function), []int{26, 5, 20}},
		{"a beginning that is too short to stand alone", "go", join([]string{"package p", "", "var y"}, lines(22, "\t"), function), []int{26, 20}},
		{"one that is too long", "go", join([]string{"func f() {"}, lines(30, "\tx"), []string{""}, lines(30, "\ty")), []int{32, 30}},
		{"one without a gap", "go", lines(100, "\tx"), []int{45, 45, 10}},
		{"hunks", "diff", join([]string{"--- a", "+++ b", "@@ -1 +1 @@"}, lines(30, "+x"), []string{"@@ -9 +9 @@"}, lines(30, " y")), []int{33, 31}},
		{"two files", "diff", join([]string{"--- a", "+++ b", "@@ -1 +1 @@"}, lines(30, "+x"), []string{"--- c", "+++ d", "@@ -9 +9 @@"}, lines(30, " y")), []int{33, 33}},
		{"commands", "console", join([]string{"$ a"}, lines(30, "x"), []string{"$ b"}, lines(30, "y")), []int{31, 31}},
		{"something else", "python", join(lines(30, "x"), []string{""}, lines(30, "\ty")), []int{31, 30}},
	} {
		var got []int
		all := parts(c.language, c.lines)
		for _, part := range all {
			got = append(got, len(part))
		}
		if !slices.Equal(got, c.want) || !slices.Equal(slices.Concat(all...), c.lines) {
			t.Errorf("%s: parts of %v lines, want %v", c.name, got, c.want)
		}
	}
}

func TestNothingForTeachers(t *testing.T) {
	one, err := page(t, "# T\n\nbefore\n\n<!-- teacher -->\n\nsecret [x](https://x.example)\n\n<!-- /teacher -->\n\n<!-- session 01 A+ -->\n```console\n$ a\n```\n\n- an item <!-- teacher -->secret<!-- /teacher -->\n- <!-- hunk --> another\n\n<!-- several\nlines -->\nafter\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"secret", "<!--", "-->", "session", "hunk", "several", "teacher"} {
		if strings.Contains(one.body, never) {
			t.Errorf("%s is printed:\n%s", never, one.body)
		}
	}
	for _, always := range []string{"before", "$ a", "an item", "another", "after"} {
		if !strings.Contains(one.body, always) {
			t.Errorf("%s is not printed:\n%s", always, one.body)
		}
	}
	if len(one.notes) > 0 {
		t.Error("a teacher's link is in the footnotes")
	}
	for _, wrong := range []string{"<!-- teacher -->", "<!-- /teacher -->", "<!-- teacher --><!-- teacher --><!-- /teacher --><!-- /teacher -->"} {
		if _, err := page(t, "# T\n\n"+wrong+"\n"); err == nil {
			t.Errorf("%s is no error", wrong)
		}
	}
}

func TestNothingForTheScreen(t *testing.T) {
	b := everything(t)
	document := b.html(nil)
	for _, never := range []string{"<!--", "<details", "<summary", "<script", "Contents</a> ·", "Answers"} {
		if strings.Contains(document, never) {
			t.Errorf("the document has %s", never)
		}
	}
	pictures := anyPicure.FindAllStringSubmatch(document, -1)
	for _, picture := range pictures {
		if !strings.HasPrefix(picture[1], "data:image/") {
			t.Errorf("a picture at %s", picture[1])
		}
	}
	if len(pictures) < 10 {
		t.Errorf("%d pictures", len(pictures))
	}
	if root, err := filepath.Abs("../.."); err != nil || strings.Contains(document, root) {
		t.Errorf("the document names a folder of this machine (%v)", err)
	}
}

func TestOpenAndEmbedded(t *testing.T) {
	one, err := page(t, "# T\n\n<details><summary>A `hint`?</summary>\n\nopen\n\n</details>\n\n![words](picture.svg)\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<div class="details"><p class="summary">A ` + "`hint`" + `?</p>`, "<p>open</p>\n</div>",
		`<img class="." src="data:image/svg+xml;base64,` + base64.StdEncoding.EncodeToString([]byte("<svg/>")) + `" alt="words">`,
	} {
		if !strings.Contains(one.body, want) {
			t.Errorf("not %s in\n%s", want, one.body)
		}
	}
	if _, err := page(t, "![x](gone.svg)\n"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a picture that is not there: %v", err)
	}
	for _, unknown := range []string{"<table>\n", "a <b>c</b>\n"} {
		if _, err := page(t, unknown); err == nil {
			t.Errorf("%q is no error", unknown)
		}
	}
}

func TestContents(t *testing.T) {
	b := everything(t)
	pages := map[string]int{b.texts[2].id: 31, b.texts[2].heads[0].id: 32}
	contents := b.contents(pages)
	for _, one := range b.texts {
		if !strings.Contains(contents, fmt.Sprintf(`<a href="#%s">%s</a>`, one.id, html.EscapeString(one.title))) {
			t.Errorf("%s is not in the contents", one.file)
		}
		if !strings.Contains(one.body, fmt.Sprintf(`<h1 id="%s">`, one.id)) {
			t.Errorf("%s has no title", one.file)
		}
		for _, h := range one.heads {
			if !strings.Contains(one.body, fmt.Sprintf(`<h2 id="%s">`, h.id)) {
				t.Errorf("%s has no %s", one.file, h.title)
			}
		}
	}
	for _, want := range []string{`<span class="number">31</span>`, `<span class="number">32</span>`} {
		if !strings.Contains(contents, want) {
			t.Errorf("not %s in the contents", want)
		}
	}
}

func TestPagesOfPDF(t *testing.T) {
	const pdf = "%PDF-1.4\n" +
		"1 0 obj\n<</Type /Page\n/Parent 7 0 R>>\nendobj\n" +
		"2 0 obj\n<</Type /Page\n/Parent 6 0 R>>\nendobj\n" +
		"3 0 obj\n<</Type /Page\n/Parent 6 0 R>>\nendobj\n" +
		"5 0 obj\n<</p-a [1 0 R /XYZ 56 700 0]\n/p-a--b [2 0 R /XYZ 56 100 0]>>\nendobj\n" +
		"6 0 obj\n<</Type /Pages\n/Kids [3 0 R 2 0 R]>>\nendobj\n" +
		"7 0 obj\n<</Type /Pages\n/Kids [6 0 R 1 0 R]>>\nendobj\n" +
		"8 0 obj\n<</Type /Catalog\n/Pages 7 0 R\n/Dests 5 0 R>>\nendobj\n"
	order, err := pageOrder(pdf)
	if err != nil || len(order) != 3 {
		t.Fatalf("%v, %v", order, err)
	}
	pages, err := destinations(pdf, order)
	if err != nil || pages["p-a"] != 3 || pages["p-a--b"] != 2 {
		t.Errorf("%v, %v; want p-a on page 3, p-a--b on page 2", pages, err)
	}
	for _, broken := range []string{"", strings.ReplaceAll(pdf, "/Catalog", "/Other")} {
		if _, err := pageOrder(broken); err == nil {
			t.Error("a PDF without a catalog is no error")
		}
	}
	if _, err := destinations(strings.ReplaceAll(pdf, "[1 0 R", "[9 0 R"), order); err == nil {
		t.Error("an anchor on no page is no error")
	}
}

// TestClientStaysLight: who only runs the client builds no Markdown.
func TestClientStaysLight(t *testing.T) {
	everything(t)
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to ask for dependencies")
	}
	list := exec.Command("go", "list", "-deps", "./client")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	if strings.Contains(string(out), "goldmark") {
		t.Error("the client depends on goldmark")
	}
}
