package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"mime"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	source "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// A tree is a parsed text.
type tree struct {
	root   ast.Node
	source []byte
	ids    map[ast.Node]string // of headings
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.Table))

// parse parses a text, and notes its headings. The line of links below a title is
// for the screen.
func parse(t *text, text string) *tree {
	p := &tree{source: []byte(text), ids: map[ast.Node]string{}}
	p.root = markdown.Parser().Parse(source.NewReader(p.source))
	for node := p.root.FirstChild(); node != nil; node = node.NextSibling() {
		h, ok := node.(*ast.Heading)
		if !ok {
			continue
		}
		title := plain(node, p.source)
		id := t.id + "--" + slug(title)
		if h.Level == 1 && t.title == "" {
			t.title, id = title, t.id
			if next := node.NextSibling(); next != nil && strings.HasPrefix(plain(next, p.source), "Contents ·") {
				p.root.RemoveChild(p.root, next)
			}
		}
		p.ids[node] = id
		if h.Level == 2 && !strings.HasPrefix(t.file, "docs/exercises/") {
			t.heads = append(t.heads, head{id, title})
		}
	}
	return p
}

// plain returns the text of a node without its markup.
func plain(node ast.Node, source []byte) string {
	var s strings.Builder
	ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			s.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				s.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return s.String()
}

// slug spells a heading as code hosts do in links. Names in a PDF have no letters
// beyond ASCII.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r < unicode.MaxASCII && (r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

// A printer renders one text for paper.
type printer struct {
	*book
	text *text
	tree *tree
}

func (b *book) render(t *text, parsed *tree) error {
	ours := util.Prioritized(&printer{b, t, parsed}, 1)
	markdown := goldmark.New(goldmark.WithExtensions(extension.Table),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(ours)))
	var out bytes.Buffer
	if err := markdown.Renderer().Render(&out, parsed.source, parsed.root); err != nil {
		return err
	}
	t.body = out.String()
	return nil
}

// RegisterFuncs says what paper needs otherwise than a screen.
func (p *printer) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, p.heading)
	r.Register(ast.KindParagraph, p.paragraph)
	r.Register(ast.KindLink, p.link)
	r.Register(ast.KindAutoLink, p.autoLink)
	r.Register(ast.KindImage, p.image)
	r.Register(ast.KindFencedCodeBlock, p.code)
	r.Register(ast.KindCodeBlock, p.code)
	r.Register(ast.KindHTMLBlock, p.htmlBlock)
	r.Register(ast.KindRawHTML, p.rawHTML)
}

func (p *printer) heading(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	level := node.(*ast.Heading).Level
	if !entering {
		fmt.Fprintf(w, "</h%d>\n", level)
	} else if id := p.tree.ids[node]; id != "" {
		fmt.Fprintf(w, "<h%d id=\"%s\">", level, id)
	} else {
		fmt.Fprintf(w, "<h%d>", level)
	}
	return ast.WalkContinue, nil
}

func isCode(node ast.Node) bool {
	return node != nil && (node.Kind() == ast.KindFencedCodeBlock || node.Kind() == ast.KindCodeBlock)
}

// isPicture reports whether a node is a paragraph that begins with a picture.
func isPicture(node ast.Node) bool {
	return node != nil && node.Kind() == ast.KindParagraph && node.FirstChild() != nil && node.FirstChild().Kind() == ast.KindImage
}

// paragraph keeps a line that announces code, and what comes before a picture, on the
// page of that.
func (p *printer) paragraph(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		w.WriteString("</p>\n")
		return ast.WalkContinue, nil
	}
	next := node.NextSibling()
	for next != nil && next.Kind() == ast.KindHTMLBlock && p.block(next) == "" {
		next = next.NextSibling()
	}
	announces := strings.HasSuffix(plain(node, p.tree.source), ":")
	if isPicture(next) || isCode(next) && announces {
		w.WriteString(`<p class="leads">`)
	} else {
		w.WriteString("<p>")
	}
	return ast.WalkContinue, nil
}

func (p *printer) link(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n := p.note(string(node.(*ast.Link).Destination))
	if entering {
		w.WriteString(p.anchor(n))
	} else {
		w.WriteString(p.mark(n))
	}
	return ast.WalkContinue, nil
}

func (p *printer) autoLink(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		link := node.(*ast.AutoLink)
		n := p.note(string(link.URL(source)))
		w.WriteString(p.anchor(n) + html.EscapeString(string(link.Label(source))) + p.mark(n))
	}
	return ast.WalkContinue, nil
}

// image embeds a file of the project.
func (p *printer) image(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	name := path.Join(path.Dir(p.text.file), string(node.(*ast.Image).Destination))
	picture, err := os.ReadFile(filepath.Join(p.root, filepath.FromSlash(name)))
	if err != nil {
		return ast.WalkStop, err
	}
	fmt.Fprintf(w, "<img class=\"%s\" src=\"data:%s;base64,%s\" alt=\"%s\">", path.Base(path.Dir(name)), mime.TypeByExtension(path.Ext(name)),
		base64.StdEncoding.EncodeToString(picture), html.EscapeString(plain(node, source)))
	return ast.WalkSkipChildren, nil
}

func (p *printer) code(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if fenced, ok := node.(*ast.FencedCodeBlock); ok {
		language = string(fenced.Language(source))
	}
	var lines []string
	for i := range node.Lines().Len() {
		line := node.Lines().At(i)
		lines = append(lines, strings.TrimSuffix(string(line.Value(source)), "\n"))
	}
	w.WriteString(codeBlock(language, lines))
	return ast.WalkContinue, nil
}

var (
	comment = regexp.MustCompile(`(?s)<!--.*?-->`)
	anyTag  = regexp.MustCompile(`</?[a-zA-Z][^>]*>`)
	// On paper nothing folds.
	unfold = strings.NewReplacer("<details>", `<div class="details">`, "</details>", "</div>",
		"<summary>", `<p class="summary">`, "</summary>", "</p>")
	known = map[string]bool{`<div class="details">`: true, "</div>": true,
		`<p class="summary">`: true, "</p>": true, "<code>": true, "</code>": true}
)

// block returns what is left of a block of HTML without comments.
func (p *printer) block(node ast.Node) string {
	var s strings.Builder
	for i := range node.Lines().Len() {
		line := node.Lines().At(i)
		s.Write(line.Value(p.tree.source))
	}
	if end := node.(*ast.HTMLBlock).ClosureLine; end.Len() > 0 {
		s.Write(end.Value(p.tree.source))
	}
	return strings.TrimSpace(comment.ReplaceAllString(s.String(), ""))
}

func (p *printer) htmlBlock(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	text := unfold.Replace(p.block(node))
	for _, tag := range anyTag.FindAllString(text, -1) {
		if !known[tag] {
			return ast.WalkStop, fmt.Errorf("%s: print does not know this HTML", tag)
		}
	}
	if text != "" {
		w.WriteString(text + "\n")
	}
	return ast.WalkContinue, nil
}

func (p *printer) rawHTML(_ util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	segments := node.(*ast.RawHTML).Segments
	text := string(segments.Value(source))
	if entering && comment.ReplaceAllString(text, "") != "" {
		return ast.WalkStop, fmt.Errorf("%s: print does not know this HTML", text)
	}
	return ast.WalkSkipChildren, nil
}
