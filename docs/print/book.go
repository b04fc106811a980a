package main

import (
	_ "embed"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// options are what is printed beside the chapters.
type options struct{ quiz, exercises bool }

// A book is what is printed together.
type book struct {
	root   string
	texts  []*text
	byFile map[string]*text
}

// A text is one Markdown file.
type text struct {
	file  string // docs/03-select.md
	id    string // select: what its anchors begin with
	title string
	heads []head // what the contents list below the title
	notes []note
	body  string // HTML
}

// A head is a heading that a link can lead to.
type head struct{ id, title string }

// A note is a footnote: where a link leads. Each target has one in each text.
type note struct {
	target string
	text   string // for a target outside the book
	id     string // for one inside: its anchor
}

// newBook reads the texts. All are parsed before one is rendered: a link may lead to
// a later chapter, and is then printed with that chapter's title.
func newBook(root string, o options) (*book, error) {
	patterns := []string{"docs/0[1-5]-*.md"}
	if o.exercises {
		patterns = append(patterns, "docs/exercises/0*/README.md")
	}
	if o.quiz {
		patterns = append(patterns, "docs/quiz.md")
	}
	b := &book{root: root, byFile: map[string]*text{}}
	var trees []*tree
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("no %s (%v)", pattern, err)
		}
		for _, file := range files {
			t, parsed, err := readText(root, file)
			if err != nil {
				return nil, err
			}
			b.texts, trees = append(b.texts, t), append(trees, parsed)
			b.byFile[t.file] = t
		}
	}
	for i, t := range b.texts {
		if err := b.render(t, trees[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", t.file, err)
		}
	}
	return b, nil
}

// readText reads and parses one file.
func readText(root, file string) (*text, *tree, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	name, err := filepath.Rel(root, file)
	if err != nil {
		return nil, nil, err
	}
	t := &text{file: filepath.ToSlash(name)}
	t.id = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(t.file, "docs/"), ".md"), "/README")
	t.id = "p-" + strings.ReplaceAll(t.id, "/", "-")
	clean, err := forStudents(t.file, string(source))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", t.file, err)
	}
	return t, parse(t, clean), nil
}

var (
	forTeachers = regexp.MustCompile(`(?s)<!-- teacher -->.*?<!-- /teacher -->\n?`)
	teacherMark = regexp.MustCompile(`<!-- /?teacher -->`)
	folded      = regexp.MustCompile(`(?s)<details>.*?</details>\n?`)
)

// forStudents takes out what is for teachers, and of the quiz the answers.
func forStudents(file, source string) (string, error) {
	source = forTeachers.ReplaceAllString(source, "")
	if teacherMark.MatchString(source) {
		return "", errors.New("<!-- teacher --> and <!-- /teacher --> are not in pairs")
	}
	if file == "docs/quiz.md" {
		source = folded.ReplaceAllString(source, "")
	}
	return source, nil
}

//go:embed style.css
var style string

// html returns the whole document. The numbers of pages are known once it has been
// printed without them; their column is as wide as it will be.
func (b *book) html(pages map[string]int) string {
	var s strings.Builder
	s.WriteString("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>tcpladder</title>\n<style>\n" + style)
	for _, t := range b.texts { // the title of the chapter, above each page
		fmt.Fprintf(&s, "@page %s { @top-right { content: %q } }\n#%[1]s-text { page: %[1]s }\n", t.id, strings.Map(printable, t.title))
	}
	s.WriteString("</style>\n<body>\n" + b.titlePage() + b.contents(pages))
	for _, t := range b.texts {
		fmt.Fprintf(&s, "<article id=\"%s-text\">\n%s%s</article>\n", t.id, t.body, b.footnotes(t, pages))
	}
	s.WriteString("</body>\n</html>\n")
	return s.String()
}

// printable keeps quotes and escapes out of a string in CSS.
func printable(r rune) rune {
	if r == '"' || r == '\\' || r < ' ' {
		return -1
	}
	return r
}

func (b *book) titlePage() string {
	edition := ""
	git := exec.Command("git", "log", "-1", "--format=commit %h of %cs")
	git.Dir = b.root
	if out, err := git.Output(); err == nil {
		edition = "<p>" + html.EscapeString(strings.TrimSpace(string(out))) + "</p>\n"
	}
	return `<section class="title">
<p class="name">tcpladder</p>
<p class="subtitle">One TCP echo server, built five times:<br>from a blocking socket to an event loop with frames</p>
<p>A small number stands for a link: see the end of the chapter.<br>
Paths and commands start in the top folder of the project.</p>
` + edition + "</section>\n"
}

func (b *book) contents(pages map[string]int) string {
	var s strings.Builder
	line := func(class, id, title string) {
		page := ""
		if n := pages[id]; n > 0 {
			page = fmt.Sprint(n)
		}
		fmt.Fprintf(&s, "<li class=\"%s\"><a href=\"#%s\">%s</a><span class=\"dots\"></span><span class=\"number\">%s</span></li>\n",
			class, id, html.EscapeString(title), page)
	}
	s.WriteString("<nav>\n<h1>Contents</h1>\n<ol>\n")
	for _, t := range b.texts {
		line("text", t.id, t.title)
		for _, h := range t.heads {
			line("head", h.id, h.title)
		}
	}
	s.WriteString("</ol>\n</nav>\n")
	return s.String()
}

// footnotes lists where the links of a text lead.
func (b *book) footnotes(t *text, pages map[string]int) string {
	if len(t.notes) == 0 {
		return ""
	}
	var s strings.Builder
	s.WriteString("<section class=\"notes\">\n<h2>Links</h2>\n<ol>\n")
	for i, n := range t.notes {
		where := html.EscapeString(n.text)
		if n.id != "" {
			where = fmt.Sprintf("<a href=\"#%s\">%s</a>", n.id, where)
			if page := pages[n.id]; page > 0 {
				where += fmt.Sprintf(", page&nbsp;%d", page)
			}
		}
		fmt.Fprintf(&s, "<li id=\"%s-note-%d\">%s</li>\n", t.id, i+1, where)
	}
	s.WriteString("</ol>\n</section>\n")
	return s.String()
}
