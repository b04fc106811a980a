package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A label is drawn between two characters that no font shows and that take no room:
// the boxes and gaps on the board have the size that the labels need.
const labelBegins, labelEnds = "\u2061", "\u2062"

var invisible = strings.NewReplacer("«", labelBegins, "»", labelEnds)

// The endings of the file names: with labels, and for the board.
const withLabels, forBoard = ".svg", "-board.svg"

// hash names what a picture is drawn from: if it changes, the picture must.
func hash(source string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(mermaid+"\n"+page+"\n"+gaps+"\n"+source)))
}

var (
	svgTag  = regexp.MustCompile(`^<svg [^>]*>`)
	viewBox = regexp.MustCompile(`viewBox="(\S+) (\S+) (\S+) (\S+)"`)
	text    = regexp.MustCompile(`>[^<]+<`)
)

// anyFont takes out the font in which Mermaid has measured the text.
var anyFont = strings.NewReplacer(`&quot;DejaVu Sans&quot;`, "sans-serif", "DejaVu Sans", "sans-serif")

// gaps shows where a label of an arrow belongs on the board.
const gaps = `<style>.edgeLabel rect{stroke:#777!important;stroke-dasharray:4 3}</style>`

// pictures makes both pictures of a drawing.
func pictures(source, drawing string) (map[string]string, error) {
	open, box := svgTag.FindString(drawing), viewBox.FindStringSubmatch(drawing)
	if open == "" || box == nil {
		return nil, errors.New("no drawing")
	}
	// A viewer in the dark would show black on black.
	paper := fmt.Sprintf(`<rect x="%s" y="%s" width="%s" height="%s" fill="#fff"/>`, box[1], box[2], box[3], box[4])
	head := fmt.Sprintf(`<svg data-source="%s" %s%s`, hash(source), strings.TrimPrefix(open, "<svg "), paper)
	body := anyFont.Replace(strings.TrimPrefix(drawing, open))
	labelled, labels, err := onLabels(body, func(label string) string { return label })
	if err != nil {
		return nil, err
	}
	if labels == 0 {
		return nil, errors.New("no label in the drawing: write «label»")
	}
	board, _, err := onLabels(body, func(string) string { return "" })
	return map[string]string{withLabels: head + labelled + "\n", forBoard: head + gaps + board + "\n"}, err
}

// onLabels applies f to the text of each label, takes out the marks, and counts
// them. A label of several lines is several elements.
func onLabels(svg string, f func(string) string) (_ string, labels int, err error) {
	inside := false
	svg = text.ReplaceAllStringFunc(svg, func(between string) string {
		kept := ""
		for rest := between[1 : len(between)-1]; rest != ""; {
			mark := labelBegins
			if inside {
				mark = labelEnds
			}
			part, after, marked := strings.Cut(rest, mark)
			if inside {
				part = f(part)
			} else if marked {
				labels++
			}
			if marked {
				inside = !inside
			}
			kept, rest = kept+part, after
		}
		return ">" + kept + "<"
	})
	if inside || strings.ContainsAny(svg, labelBegins+labelEnds) {
		err = errors.New("a label without its end, or within another one")
	}
	return svg, labels, err
}
