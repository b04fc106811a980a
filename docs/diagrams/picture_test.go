package main

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example/tcpladder/docs/internal/chromium"
	"example/tcpladder/shared/echotest"
)

// maxSize keeps a picture small enough to be read with its chapter.
const maxSize = 60 << 10

var label = regexp.MustCompile(`«([^»]*)»`)

// sources skips a test where only the compiled tests are.
func sources(t *testing.T) map[string]string {
	t.Helper()
	if _, err := os.Stat("main.go"); err != nil {
		t.Skip("there are no sources here")
	}
	all, err := readSources(".")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d sources, %v", len(all), err)
	}
	return all
}

// words returns what each text in a picture says, without any space, and how often
// the picture has each element.
func words(t *testing.T, svg string) (texts []string, elements map[string]int) {
	t.Helper()
	elements = map[string]int{}
	inText := false
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return texts, elements
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements[token.Name.Local]++
			if token.Name.Local == "text" {
				inText, texts = true, append(texts, "")
			}
		case xml.EndElement:
			inText = inText && token.Name.Local != "text"
		case xml.CharData:
			if inText {
				texts[len(texts)-1] += squeeze(string(token))
			}
		}
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// letters brings text that is cut and ordered in different ways into one form.
func letters(texts ...string) string {
	all := []rune(strings.Join(texts, ""))
	slices.Sort(all)
	return string(all)
}

// TestPicturesAreOfTheirSources needs neither npm nor chromium.
func TestPicturesAreOfTheirSources(t *testing.T) {
	left := map[string]bool{}
	files, _ := filepath.Glob("*.svg")
	for _, file := range files {
		left[file] = true
	}
	for name, source := range sources(t) {
		for _, kind := range []string{withLabels, forBoard} {
			svg, err := os.ReadFile(name + kind)
			if err != nil {
				t.Errorf("%v: go run ./docs/diagrams draws it", err)
			} else if !strings.HasPrefix(string(svg), `<svg data-source="`+hash(source)+`"`) {
				t.Errorf("%s%s is not of %s.mmd, page.html and %s as they are: go run ./docs/diagrams", name, kind, name, mermaid)
			}
			delete(left, name+kind)
		}
	}
	for file := range left {
		t.Errorf("%s has no source: remove it", file)
	}
}

// TestBoardHasNoLabels also says that nothing else is missing on the board.
func TestBoardHasNoLabels(t *testing.T) {
	for name, source := range sources(t) {
		var svg [2]string
		for i, kind := range []string{withLabels, forBoard} {
			text, err := os.ReadFile(name + kind)
			if err != nil {
				t.Fatal(err)
			}
			svg[i] = string(text)
		}
		labelled, elements := words(t, svg[0])
		board, onBoard := words(t, svg[1])
		delete(onBoard, "style") // it has one more
		delete(elements, "style")
		if !maps.Equal(elements, onBoard) {
			t.Fatalf("%s: the elements are %v, on the board %v", name, elements, onBoard)
		}
		var gone, labels []string
		for i, text := range labelled {
			label, ok := strings.CutPrefix(text, board[i])
			if !ok {
				t.Errorf("%s: %q is %q on the board", name, text, board[i])
			}
			gone = append(gone, label)
		}
		for _, found := range label.FindAllStringSubmatch(source, -1) {
			for line := range strings.SplitSeq(found[1], "<br/>") {
				labels = append(labels, squeeze(line))
				if !strings.Contains(strings.Join(gone, "\n"), squeeze(line)) {
					t.Errorf("%s: the label %q is not shown, or also on the board", name, line)
				}
			}
		}
		if letters(gone...) != letters(labels...) {
			t.Errorf("%s: the board lacks %q, the labels are %q", name, gone, labels)
		}
	}
}

// TestPicturesAreShownEverywhere: code hosts, printers and old viewers draw no HTML
// inside a picture, run no script, and fetch nothing.
func TestPicturesAreShownEverywhere(t *testing.T) {
	sources(t)
	files, _ := filepath.Glob("*.svg")
	for _, file := range files {
		svg, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(svg) > maxSize {
			t.Errorf("%s has %d bytes, over %d", file, len(svg), maxSize)
		}
		for _, never := range []string{"<foreignObject", "<script", "@import", "url(http", "href=\"http"} {
			if strings.Contains(string(svg), never) {
				t.Errorf("%s has %s", file, never)
			}
		}
		for _, always := range []string{`<rect `, `fill="#fff"/>`, `font-family:sans-serif`, `<title`} {
			if !strings.Contains(string(svg), always) {
				t.Errorf("%s has no %s", file, always)
			}
		}
		if _, elements := words(t, string(svg)); elements["text"] == 0 {
			t.Errorf("%s has no text", file)
		}
	}
}

// TestDraw draws again: what the pictures say must be what is drawn. Where it stands
// depends on the fonts of the machine.
func TestDraw(t *testing.T) {
	if !echotest.LongRun() {
		t.Skip("set TCPLADDER_LONG=1")
	}
	sources := sources(t)
	drawings, err := draw(sources)
	if errors.Is(err, errFetch) || errors.Is(err, chromium.ErrNone) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range sources {
		made, err := pictures(source, drawings[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for kind, picture := range made {
			there, err := os.ReadFile(name + kind)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := words(t, picture)
			if want, _ := words(t, string(there)); !slices.Equal(got, want) {
				t.Errorf("%s%s says %q, drawn again %q", name, kind, want, got)
			}
		}
	}
}

func TestLabels(t *testing.T) {
	const drawing = `<svg viewBox="0 -1 20 30"><text>` + "a \u2061b</text><text>c\u2062 d \u2061e\u2062" + `</text></svg>`
	made, err := pictures("source", drawing)
	if err != nil {
		t.Fatal(err)
	}
	const paper = `viewBox="0 -1 20 30"><rect x="0" y="-1" width="20" height="30" fill="#fff"/>`
	for kind, want := range map[string]string{
		withLabels: `<text>a b</text><text>c d e</text></svg>`,
		forBoard:   gaps + `<text>a </text><text> d </text></svg>`,
	} {
		if got := made[kind]; got != `<svg data-source="`+hash("source")+`" `+paper+want+"\n" {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

func TestLabelsThatAreWrong(t *testing.T) {
	for _, inside := range []string{"", "a", "\u2061a", "a\u2062", "\u2061a\u2061b\u2062"} {
		if _, err := pictures("", `<svg viewBox="0 0 1 1"><text>`+inside+`</text></svg>`); err == nil {
			t.Errorf("%q is no error", inside)
		}
	}
	if _, err := pictures("", "Syntax error"); err == nil {
		t.Error("no drawing is no error")
	}
}
