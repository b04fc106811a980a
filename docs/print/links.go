package main

import (
	"fmt"
	"html"
	"net/url"
	"path"
	"slices"
	"strings"
)

// note returns the number of the footnote for a link, and adds it if it is the
// first one to lead there.
func (p *printer) note(target string) int {
	i := slices.IndexFunc(p.text.notes, func(n note) bool { return n.target == target })
	if i < 0 {
		i = len(p.text.notes)
		p.text.notes = append(p.text.notes, p.resolve(target))
	}
	return i + 1
}

// resolve says where a link leads, for somebody with paper in hand.
func (p *printer) resolve(target string) note {
	link, err := url.Parse(target)
	if err != nil || link.Scheme != "" {
		return note{target: target, text: target}
	}
	file := p.text.file
	if link.Path != "" {
		file = path.Join(path.Dir(file), link.Path)
	}
	to := p.byFile[file]
	if to == nil {
		if link.Fragment != "" {
			file += "#" + link.Fragment
		}
		return note{target: target, text: file}
	}
	n := note{target: target, text: to.title, id: to.id}
	if i := slices.IndexFunc(to.heads, func(h head) bool { return h.id == to.id+"--"+link.Fragment }); i >= 0 {
		n.text, n.id = n.text+": "+to.heads[i].title, to.heads[i].id
	}
	return n
}

// anchor begins a link, and mark ends it. What is neither printed nor on the web has
// no address: that of a file would be one of the machine that prints.
func (p *printer) anchor(number int) string {
	n := p.text.notes[number-1]
	switch {
	case n.id != "":
		return fmt.Sprintf(`<a href="#%s">`, n.id)
	case strings.Contains(n.target, "://"):
		return fmt.Sprintf(`<a href="%s">`, html.EscapeString(n.target))
	}
	return "<a>"
}

func (p *printer) mark(number int) string {
	return fmt.Sprintf(`</a><sup><a href="#%s-note-%d">%[2]d</a></sup>`, p.text.id, number)
}
