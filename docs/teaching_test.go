package docs

import (
	"errors"
	"flag"
	"fmt"
	"html"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example/tcpladder/docs/internal/weave"
	"example/tcpladder/shared/echotest"
)

var record = flag.Bool("record", false, "write docs/sheets.html again")

const lessonMinutes = 90

// lessonParts are the parts of a lesson, in order. Those with a number of minutes
// happen in class.
var lessonParts = []string{"Prepare", "Begin", "Show", "Predict", "Do", "The step", "Discuss", "Homework",
	"What goes wrong", "Next time"}

// A lesson is one of teaching.md.
type lesson struct {
	title   string // Lesson 1: one at a time
	text    string
	names   []string // of its parts, in order
	parts   map[string]string
	minutes int
}

var (
	partStart = regexp.MustCompile(`(?m)^\*\*([A-Z][a-z ]+)\.?\*\*(?: \((\d+) minutes\)\.)?`)
	question  = regexp.MustCompile(`\*([^*]*\?)\*`)
	listItem  = regexp.MustCompile(`(?m)^\d+\. (.*)$`)
)

// teaching returns teaching.md. A copy for students does not have it.
func teaching(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "teaching.md"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the notes for teachers are not in this copy")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// chapterSections cuts a text at its headings of the second level.
func chapterSections(text string) (titles []string, bodies map[string]string) {
	bodies = map[string]string{}
	for _, s := range strings.Split("\n"+text, "\n## ")[1:] {
		title, body, _ := strings.Cut(s, "\n")
		titles = append(titles, title)
		bodies[title] = body
	}
	return titles, bodies
}

// lessons returns the lessons of teaching.md.
func lessons(t *testing.T) (all []lesson) {
	t.Helper()
	titles, bodies := chapterSections(teaching(t))
	for _, title := range titles {
		if strings.HasPrefix(title, "Lesson ") {
			all = append(all, parseLesson(title, bodies[title]))
		}
	}
	if len(all) == 0 {
		t.Fatal("docs/teaching.md has no lessons")
	}
	return all
}

func parseLesson(title, text string) lesson {
	l := lesson{title: title, text: text, parts: map[string]string{}}
	starts := partStart.FindAllStringSubmatchIndex(text, -1)
	for i, s := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name := text[s[2]:s[3]]
		l.names = append(l.names, name)
		l.parts[name] = strings.TrimSpace(text[s[1]:end])
		if s[4] >= 0 {
			minutes, _ := strconv.Atoi(text[s[4]:s[5]])
			l.minutes += minutes
		}
	}
	return l
}

// A lesson can be prepared from its part of the page: nothing is missing, and it
// fits into its time.
func TestLessons(t *testing.T) {
	text := teaching(t)
	for i, l := range lessons(t) {
		if want := fmt.Sprintf("Lesson %d: ", i+1); !strings.HasPrefix(l.title, want) {
			t.Errorf("%q comes where %q should", l.title, want)
		}
		if !strings.Contains(text, fmt.Sprintf("\n| %d | ", i+1)) {
			t.Errorf("%s: the syllabus has no row for it", l.title)
		}
		if !slices.Equal(l.names, lessonParts) {
			t.Errorf("%s: its parts are %q, not %q", l.title, l.names, lessonParts)
		}
		if l.minutes != lessonMinutes {
			t.Errorf("%s: its parts take %d minutes, not %d", l.title, l.minutes, lessonMinutes)
		}
		for name, part := range l.parts {
			if part == "" {
				t.Errorf("%s: nothing is said about %s", l.title, name)
			}
		}
		if !strings.Contains(l.parts["Do"], "go run ./client watch 0") {
			t.Errorf("%s: nothing is done with client watch", l.title)
		}
		if !strings.Contains(l.parts["Prepare"], "Windows: ") {
			t.Errorf("%s: Prepare does not count the windows", l.title)
		}
	}
}

// Whoever names the number of lessons names the right one.
func TestNumberOfLessons(t *testing.T) {
	numbers := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight"}
	want := numbers[len(lessons(t))] + " lessons"
	for _, file := range []string{"README.md", "docs/README.md", "docs/teaching.md"} {
		if !strings.Contains(strings.ToLower(string(read(t, file))), want) {
			t.Errorf("%s does not say that there are %s", file, want)
		}
	}
}

// Every question to the class is in italics, and its answer follows it.
func TestQuestionsAreAnswered(t *testing.T) {
	quoted := regexp.MustCompile(`"[^"\n]*"`)
	titles, bodies := chapterSections(teaching(t))
	for _, title := range titles {
		if !strings.HasPrefix(title, "Lesson ") && title != "Oral questions" {
			continue
		}
		text := codeBlock.ReplaceAllString(bodies[title], "")
		text = strings.ReplaceAll(codeSpan.ReplaceAllString(text, "CODE"), "**", "")
		for paragraph := range strings.Lines(quoted.ReplaceAllString(text, "QUOTED")) {
			outside := question.Split(strings.TrimSpace(paragraph), -1)
			for i, said := range outside {
				if strings.Contains(said, "?") {
					t.Errorf("%s: a question is not in italics: %q", title, said)
				}
				if i > 0 && len(strings.Fields(said)) == 0 {
					t.Errorf("%s: question %d has no answer in %q", title, i, paragraph)
				}
			}
		}
	}
}

// What the chapters ask under Predict is asked in one lesson, word for word, and
// answered there.
func TestPredictionsAreAnswered(t *testing.T) {
	asked := map[string]int{}
	for _, l := range lessons(t) {
		for _, q := range predictions(l) {
			asked[q]++
		}
	}
	for _, rung := range rungs {
		_, bodies := chapterSections(string(read(t, "docs/"+rung+".md")))
		items := listItem.FindAllStringSubmatch(bodies["Predict"], -1)
		if len(items) == 0 {
			t.Errorf("docs/%s.md asks nothing under Predict", rung)
		}
		for _, item := range items {
			if asked[item[1]] != 1 {
				t.Errorf("docs/%s.md asks %q under Predict; the lessons ask that %d times, not once", rung, item[1], asked[item[1]])
			}
		}
	}
}

// predictions returns the questions that a lesson asks under Predict.
func predictions(l lesson) (all []string) {
	for _, item := range listItem.FindAllStringSubmatch(l.parts["Predict"], -1) {
		if q := question.FindStringSubmatch(item[1]); q != nil {
			all = append(all, q[1])
		}
	}
	return all
}

// The sheets have a side for each lesson: the questions of Predict, and that for
// next time.
func TestSheets(t *testing.T) {
	var sides strings.Builder
	for _, l := range lessons(t) {
		sides.WriteString(side(l))
	}
	head, _, ok := strings.Cut(string(read(t, "docs/sheets.html")), "</header>\n")
	if !ok {
		t.Fatal("docs/sheets.html has no header")
	}
	want := head + "</header>\n" + sides.String() + "</body>\n</html>\n"
	if *record {
		if err := os.WriteFile(filepath.Join(root, "docs", "sheets.html"), []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if string(read(t, "docs/sheets.html")) != want {
		t.Error("docs/sheets.html does not ask what docs/teaching.md does: go test -run TestSheets ./docs -record")
	}
}

const sheetLines = 18 // to write answers on, on one side

// side returns one side of the sheets.
func side(l lesson) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n<section>\n<h2>%s</h2>\n", inHTML(l.title))
	b.WriteString("<p class=\"name\"><span>Name</span><span>Date</span></p>\n" +
		"<p>First what you predict, before it is shown. Then what you saw, and what you learnt. A wrong prediction counts as much as a right one.</p>\n<ol>\n")
	asked := predictions(l)
	for _, q := range asked {
		fmt.Fprintf(&b, "<li><p>%s</p>%s</li>\n", inHTML(q), strings.Repeat("<hr>", sheetLines/len(asked)))
	}
	next := question.FindStringSubmatch(l.parts["Next time"])
	if next == nil {
		next = []string{"", "nothing is asked"}
	}
	fmt.Fprintf(&b, "</ol>\n<p class=\"next\"><b>For next time:</b> %s</p>\n", inHTML(next[1]))
	b.WriteString("<p class=\"hours\"><b>Hours at home:</b><span>reading</span><span>homework</span><span>stuck on</span></p>\n</section>\n")
	return b.String()
}

// inHTML spells a line of Markdown as HTML, as far as a question needs that.
func inHTML(text string) string {
	return regexp.MustCompile("`([^`]+)`").ReplaceAllString(html.EscapeString(text), "<code>$1</code>")
}

// Each side of the sheets fits on one page.
func TestSheetsFit(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil || !echotest.LongRun() {
		t.Skip("takes chromium, and TCPLADDER_LONG=1")
	}
	page, err := filepath.Abs(filepath.Join(root, "docs", "sheets.html"))
	if err != nil {
		t.Fatal(err)
	}
	pdf := filepath.Join(t.TempDir(), "sheets.pdf")
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--no-pdf-header-footer", "--print-to-pdf="+pdf, "file://"+page)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	printed, err := os.ReadFile(pdf)
	if err != nil {
		t.Fatal(err)
	}
	pages := len(regexp.MustCompile(`/Type ?/Page\b`).FindAll(printed, -1))
	if want := len(lessons(t)); pages != want {
		t.Errorf("docs/sheets.html prints on %d pages, not on %d", pages, want)
	}
}

// A reading is what is read in one lesson: pieces of the step's diff, and
// declarations of files that are new.
type reading struct {
	from, to string
	pieces   map[string][2]int   // of the diff of a file, from the first to the last
	sources  map[string][]string // declarations, by file
}

// readings are those of the lessons, in order.
var readings = []reading{
	{rungs[0], rungs[1], map[string][2]int{"conn.go": {1, 5}, "server.go": {1, 7}}, nil},
	{rungs[1], rungs[2], map[string][2]int{"server.go": {1, 6}}, nil},
	{rungs[2], rungs[3], map[string][2]int{"server.go": {1, 12}}, nil},
	{rungs[2], rungs[3], nil, map[string][]string{
		"eventloop/loop.go": {"Loop", "Loop.Run", "Loop.dispatch", "Loop.Want", "Loop.set", "Loop.Remove",
			"Loop.closeRemoved", "Loop.Stop", "Loop.emptyPipe"},
		"eventloop/poller_epoll.go": {"poller.set"}}},
	{rungs[3], rungs[4], map[string][2]int{"conn.go": {1, 10}}, map[string][]string{"frame/frame.go": {"Cut"}}},
	{rungs[3], rungs[4], map[string][2]int{"conn.go": {11, 12}, "server.go": {1, 7}}, map[string][]string{
		"ending.go": {"ending", "conn.endOfInput", "conn.ignores", "server.finish", "server.drain"}}},
}

// The table of what is read in each lesson counts right, and what is read of a
// diff is all of it, once.
func TestReadings(t *testing.T) {
	text := teaching(t)
	needDiff(t)
	if len(readings) != len(lessons(t)) {
		t.Fatalf("%d readings for %d lessons", len(readings), len(lessons(t)))
	}
	seen := map[string]int{}
	for i, r := range readings {
		pieces, lines := r.count(t, seen)
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \| .* \| %d \| %d \|`, i+1, pieces, lines))
		if !row.MatchString(text) {
			t.Errorf("docs/teaching.md: the table does not say that lesson %d reads %d pieces, %d lines", i+1, pieces, lines)
		}
	}
	for _, step := range theSteps {
		files, err := weave.Step(root, step.from, step.to)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if name := step.to + "/" + f.Path; !f.New && seen[name] != len(f.Pieces) {
				t.Errorf("%d of the %d pieces of %s are read in class", seen[name], len(f.Pieces), name)
			}
		}
	}
}

// count returns how many pieces and lines are read, and adds the pieces of
// diffs to seen. A line of a diff is one that changes.
func (r reading) count(t *testing.T, seen map[string]int) (pieces, lines int) {
	t.Helper()
	files, err := weave.Step(root, r.from, r.to)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		span, ok := r.pieces[f.Path]
		if !ok {
			continue
		}
		read := weave.File{Pieces: f.Pieces[span[0]-1 : min(span[1], len(f.Pieces))]}
		pieces += len(read.Pieces)
		lines += read.Changed()
		seen[r.to+"/"+f.Path] += len(read.Pieces)
	}
	for file, names := range r.sources {
		for _, name := range names {
			text, err := weave.Find(root, []string{"listing", r.to + "/" + file, name})
			if err != nil {
				t.Error(err)
			}
			pieces++
			lines += strings.Count(text, "\n")
		}
	}
	return pieces, lines
}

var (
	forTeachers = regexp.MustCompile(`(?ms)^<!-- teacher -->\n.*?^<!-- /teacher -->\n`)
	quizTitle   = regexp.MustCompile(`^Quiz (\d+): `)
)

// Every question of the quiz has an answer, and every answer is marked as the
// teacher's, so that students can be given the questions alone.
func TestQuiz(t *testing.T) {
	teaching(t)
	quiz := string(read(t, "docs/quiz.md"))
	students := forTeachers.ReplaceAllString(quiz, "")
	for _, word := range []string{"teacher -->", "<details>", "</details>", "Answers"} {
		if strings.Contains(students, word) {
			t.Errorf("docs/quiz.md has %q outside what is marked as the teacher's", word)
		}
	}
	titles, bodies := chapterSections(quiz)
	if want := len(lessons(t)); len(titles) != want {
		t.Errorf("docs/quiz.md has %d quizzes, not %d", len(titles), want)
	}
	for i, title := range titles {
		if n := quizTitle.FindStringSubmatch(title); n == nil || n[1] != fmt.Sprint(i+1) {
			t.Errorf("docs/quiz.md: %q comes where quiz %d should", title, i+1)
		}
		body := bodies[title]
		asked := listItem.FindAllString(forTeachers.ReplaceAllString(body, ""), -1)
		answered := listItem.FindAllString(strings.Join(forTeachers.FindAllString(body, -1), ""), -1)
		if len(asked) != 5 || len(answered) != len(asked) {
			t.Errorf("docs/quiz.md: %q has %d questions and %d answers, not 5 of each", title, len(asked), len(answered))
		}
		for j, q := range asked {
			if !strings.Contains(q, "?") && !strings.HasSuffix(q, "reasons.") || !strings.HasPrefix(q, fmt.Sprint(j+1)) {
				t.Errorf("docs/quiz.md: %q: %q is not question %d", title, q, j+1)
			}
		}
	}
}

// What the oral questions delete is there, and so are the checks that fail.
func TestOralQuestions(t *testing.T) {
	_, bodies := chapterSections(teaching(t))
	rows := regexp.MustCompile("(?m)^\\| (0[1-5]) \\| `([^`]+)` \\| `([^`]+)` \\| (.*?) \\|").FindAllStringSubmatch(bodies["Oral questions"], -1)
	if len(rows) < 10 {
		t.Fatalf("docs/teaching.md has %d lines to delete, not 10 or more", len(rows))
	}
	for _, row := range rows {
		rung, err := echotest.FindRung(row[1])
		if err != nil {
			t.Fatal(err)
		}
		if n := countLines(string(read(t, rung.Folder+"/"+row[2])), row[3]); n != 1 {
			t.Errorf("docs/teaching.md: %s/%s has %q %d times, not once", rung.Folder, row[2], row[3], n)
		}
		checks := echotest.Checks(rung.Promises)
		for _, name := range backquoted.FindAllStringSubmatch(row[4], -1) {
			if !slices.ContainsFunc(checks, func(c echotest.Check) bool { return c.Name == name[1] }) {
				t.Errorf("docs/teaching.md: rung %s has no check %s", row[1], name[1])
			}
		}
	}
}

// countLines counts the lines that are this statement, whatever comment follows.
func countLines(text, statement string) (n int) {
	for line := range strings.Lines(text) {
		code, _, _ := strings.Cut(line, " //")
		if strings.TrimSpace(code) == statement {
			n++
		}
	}
	return n
}
