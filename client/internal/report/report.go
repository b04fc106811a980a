// Package report has the results of checks, and writes them for other programs.
package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"example/tcpladder/shared/echotest"
)

// An Outcome is what came of a check.
type Outcome string

const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // cannot be made here
	NotRun  Outcome = "not run"
)

// A Result is what came of one check.
type Result struct {
	Check   string  `json:"check"`
	Promise string  `json:"promise"`
	Own     bool    `json:"own,omitempty"`   // of the exercise, not of the rung it is built on
	Earns   bool    `json:"earns,omitempty"` // a point
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Judge makes a result of what a check has returned.
func Judge(c echotest.Check, err error, took time.Duration) Result {
	r := Result{Check: c.Name, Promise: c.Promise, Own: c.Own, Outcome: Passed, Seconds: took.Round(time.Millisecond).Seconds()}
	if reason, skipped := echotest.Skipped(err); skipped {
		r.Outcome, r.Why = Skipped, reason
	} else if err != nil {
		r.Outcome, r.Why = Failed, Clip(err.Error())
	}
	return r
}

// Printable is text that harms neither a terminal nor a table.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || strconv.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// Clip is text of a length that a report can bear.
func Clip(text string) string {
	const most = 4 << 10
	text = Printable(strings.TrimSpace(text))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " ..."
	}
	return text
}

// A Suite is a list of results under one name.
type Suite struct {
	Name    string   `json:"name"`
	Results []Result `json:"results"`
	Error   string   `json:"error,omitempty"` // why there are none
}

// JSON writes v, indented.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(v)
}

// The elements of Jenkins' junit-10.xsd that are used here.
type (
	xmlSuites struct {
		XMLName  xml.Name   `xml:"testsuites"`
		Name     string     `xml:"name,attr"`
		Time     string     `xml:"time,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Suites   []xmlSuite `xml:"testsuite"`
	}
	xmlSuite struct {
		Name     string    `xml:"name,attr"`
		Tests    int       `xml:"tests,attr"`
		Failures int       `xml:"failures,attr"`
		Errors   int       `xml:"errors,attr"`
		Skipped  int       `xml:"skipped,attr"`
		Time     string    `xml:"time,attr"`
		Cases    []xmlCase `xml:"testcase"`
	}
	xmlCase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Time    string   `xml:"time,attr"`
		Skipped *xmlNote `xml:"skipped"`
		Error   *xmlNote `xml:"error"`
		Failure *xmlNote `xml:"failure"`
	}
	xmlNote struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes suites as Jenkins' junit-10.xsd has it.
func JUnit(w io.Writer, name string, suites []Suite) error {
	all := xmlSuites{Name: name}
	var sum float64
	for _, s := range suites {
		one, seconds := s.xml()
		sum += seconds
		all.Tests, all.Failures, all.Errors = all.Tests+one.Tests, all.Failures+one.Failures, all.Errors+one.Errors
		all.Suites = append(all.Suites, one)
	}
	all.Time = xmlTime(sum)
	io.WriteString(w, xml.Header)
	e := xml.NewEncoder(w)
	e.Indent("", "\t")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// xmlTime is a time as SUREFIRE_TIME has it.
func xmlTime(seconds float64) string { return fmt.Sprintf("%.3f", seconds) }

func (s Suite) xml() (one xmlSuite, sum float64) {
	one = xmlSuite{Name: s.Name}
	if s.Error != "" {
		one.Errors++
		one.Cases = append(one.Cases, xmlCase{Name: "build", Class: s.Name, Time: xmlTime(0), Error: note("error", s.Error)})
	}
	for _, r := range s.Results {
		c := xmlCase{Name: r.Check, Class: s.Name, Time: xmlTime(r.Seconds)}
		switch r.Outcome {
		case Failed:
			one.Failures++
			c.Failure = note("failure", r.Why)
			c.Failure.Message = r.Promise
		case Skipped, NotRun:
			one.Skipped++
			c.Skipped = note("", r.Why)
			c.Skipped.Text = ""
		}
		sum += r.Seconds
		one.Cases = append(one.Cases, c)
	}
	one.Tests, one.Time = len(one.Cases), xmlTime(sum)
	return one, sum
}

// note has the first line as its message, and all of it as its text.
func note(kind, text string) *xmlNote {
	text = Printable(text)
	first, _, _ := strings.Cut(text, "\n")
	return &xmlNote{Type: kind, Message: first, Text: text}
}
