package docs

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// linkPatterns find the targets of Markdown and HTML links and pictures.
var linkPatterns = []*regexp.Regexp{
	regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`),
	regexp.MustCompile(`(?m)^\[[^\]]+\]:\s+(\S+)`),
	regexp.MustCompile(`(?:src|href|srcset)="([^"]+)"`),
}

var (
	codeBlock = regexp.MustCompile("(?ms)^ *(```|~~~).*?^ *(```|~~~) *$")
	codeSpan  = regexp.MustCompile("`[^`\n]+`")
	heading   = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *#*$`)
	anchor    = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
)

// Every link inside the project leads to a file, and its fragment to a heading.
func TestLinks(t *testing.T) {
	for _, file := range projectFiles(t) {
		if path.Ext(file) != ".md" {
			continue
		}
		prose := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(string(read(t, file)), ""), "")
		for _, pattern := range linkPatterns {
			for _, match := range pattern.FindAllStringSubmatch(prose, -1) {
				checkLink(t, file, match[1])
			}
		}
	}
}

// checkLink fails unless the target of a link in file is there.
func checkLink(t *testing.T, file, target string) {
	t.Helper()
	link, err := url.Parse(target)
	if err != nil {
		t.Errorf("%s: link to %s: %v", file, target, err)
		return
	}
	if link.Scheme != "" || link.Host != "" {
		return // elsewhere in the world
	}
	to := file
	if link.Path != "" {
		to = path.Join(path.Dir(file), link.Path)
	}
	if strings.HasPrefix(to, "..") || strings.HasPrefix(link.Path, "/") {
		t.Errorf("%s: link to %s leaves the project", file, target)
		return
	}
	if _, err := os.Stat(filepath.Join(root, to)); err != nil {
		t.Errorf("%s: link to %s: there is no %s", file, target, to)
		return
	}
	if link.Fragment != "" && path.Ext(to) == ".md" && !hasAnchor(string(read(t, to)), link.Fragment) {
		t.Errorf("%s: link to %s: %s has no such heading", file, target, to)
	}
}

// hasAnchor reports whether a code host gives one of the text's headings this
// fragment. The second heading of one name, which gets "-1", is not known here.
func hasAnchor(text, fragment string) bool {
	for _, id := range anchor.FindAllStringSubmatch(text, -1) {
		if id[1] == fragment {
			return true
		}
	}
	text = codeBlock.ReplaceAllString(text, "")
	for _, title := range heading.FindAllStringSubmatch(text, -1) {
		if slug(title[1]) == fragment {
			return true
		}
	}
	return false
}

// slug spells a heading as code hosts do: lower case, hyphens for spaces, no
// punctuation.
func slug(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}
