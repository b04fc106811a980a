package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"example/tcpladder/docs/internal/chromium"
	"example/tcpladder/shared/proc"
)

// print writes the PDF and returns how many pages it has. It prints twice: the first
// time to learn on which page each heading is.
func (b *book) print(file string) (int, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return 0, err
	}
	dir, remove, err := proc.TempDir()
	if err != nil {
		return 0, err
	}
	defer remove()
	page, draft := filepath.Join(dir, "page.html"), filepath.Join(dir, "draft.pdf")
	_, expected, err := printPage(b.html(nil), page, draft)
	if err != nil {
		return 0, err
	}
	count, pages, err := printPage(b.html(expected), page, draft)
	if err != nil {
		return 0, err
	}
	if !maps.Equal(expected, pages) {
		return 0, errors.New("the numbers of pages move the pages")
	}
	text, err := os.ReadFile(draft)
	if err != nil {
		return 0, err
	}
	return count, os.WriteFile(file, text, 0o644)
}

// printPage prints HTML, and returns the number of pages, and of the page of each
// heading.
func printPage(html, page, file string) (int, map[string]int, error) {
	if err := os.WriteFile(page, []byte(html), 0o644); err != nil {
		return 0, nil, err
	}
	if _, err := chromium.Run(page, "--no-pdf-header-footer", "--generate-pdf-document-outline", "--print-to-pdf="+file); err != nil {
		return 0, nil, err
	}
	pdf, err := os.ReadFile(file)
	if err != nil {
		return 0, nil, err
	}
	order, err := pageOrder(string(pdf))
	if err != nil {
		return 0, nil, err
	}
	pages, err := destinations(string(pdf), order)
	return len(order), pages, err
}

var (
	object      = regexp.MustCompile(`(?m)^(\d+) 0 obj\n((?s:.*?))\nendobj`)
	catalog     = regexp.MustCompile(`/Type /Catalog\s[^\x00]*?/Pages (\d+) 0 R`)
	kids        = regexp.MustCompile(`/Kids \[([^\]]*)\]`)
	reference   = regexp.MustCompile(`(\d+) 0 R`)
	destination = regexp.MustCompile(`/(p-[-\w]+) \[(\d+) 0 R /XYZ `)
)

// pageOrder returns the number of each page, by the object that it is in the PDF.
func pageOrder(pdf string) (map[string]int, error) {
	objects := map[string]string{}
	for _, o := range object.FindAllStringSubmatch(pdf, -1) {
		objects[o[1]] = o[2]
	}
	root := catalog.FindStringSubmatch(pdf)
	if root == nil {
		return nil, errors.New("this chromium writes a PDF that print cannot read")
	}
	order := map[string]int{}
	var visit func(number string)
	visit = func(number string) {
		children := kids.FindStringSubmatch(objects[number])
		if children == nil {
			order[number] = len(order) + 1
			return
		}
		for _, child := range reference.FindAllStringSubmatch(children[1], -1) {
			visit(child[1])
		}
	}
	visit(root[1])
	return order, nil
}

// destinations returns the page of each anchor that a link leads to.
func destinations(pdf string, order map[string]int) (map[string]int, error) {
	pages := map[string]int{}
	for _, d := range destination.FindAllStringSubmatch(pdf, -1) {
		page, ok := order[d[2]]
		if !ok {
			return nil, fmt.Errorf("%s is on no page", strconv.Quote(d[1]))
		}
		pages[d[1]] = page
	}
	if len(pages) == 0 {
		return nil, errors.New("this chromium writes no destinations into a PDF")
	}
	return pages, nil
}
