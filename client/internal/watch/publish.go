package watch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Scenes returns the script that leads up to the wall of a rung, for the page in docs.
func Scenes(rung string) []Scene { return lessons[rung[:2]].scenes }

// Page builds one page from recordings and the three files of the live page. It needs
// no server, and has one copy of each source that several rungs share.
func Page(recordings []*Recording) ([]byte, error) {
	type about struct {
		About
		Sources map[string]int `json:"sources"`
	}
	type tape struct {
		About  about             `json:"about"`
		Key    int               `json:"key"`
		Events []json.RawMessage `json:"events"`
	}
	var all struct {
		Texts []string `json:"texts"`
		Tapes []tape   `json:"tapes"`
	}
	for _, r := range recordings {
		sources := map[string]int{}
		for _, name := range slices.Sorted(maps.Keys(r.About.Sources)) {
			text := r.About.Sources[name]
			at := slices.Index(all.Texts, text)
			if at < 0 {
				at, all.Texts = len(all.Texts), append(all.Texts, text)
			}
			sources[name] = at
		}
		all.Tapes = append(all.Tapes, tape{about{r.About, sources}, r.Key, r.Events})
	}
	tapes, err := json.Marshal(all) // which escapes every <
	if err != nil {
		return nil, err
	}
	html, _ := page.ReadFile("page/index.html")
	style, _ := page.ReadFile("page/style.css")
	script, _ := page.ReadFile("page/app.js")
	for old, new := range map[string]string{
		`<link rel="stylesheet" href="style.css">`:       "<style>\n" + string(style) + "</style>",
		`<meta name="token" content="{{token}}">` + "\n": "",
		`<script src="app.js"></script>`:                 `<script type="application/json" id="tapes">` + string(tapes) + "</script>\n<script>\n" + string(script) + "</script>",
	} {
		if !bytes.Contains(html, []byte(old)) {
			return nil, fmt.Errorf("index.html has no %s", old)
		}
		html = bytes.Replace(html, []byte(old), []byte(new), 1)
	}
	return html, nil
}

// Outline returns what must be the same when a rung is recorded again: what was done,
// in order, and which calls were made where. Times, ports and how the bytes were split
// may differ.
func (r *Recording) Outline() (string, error) {
	var acts, calls []string
	for _, raw := range r.Events {
		var e struct {
			K, Text, Call, Errno, File string
			Line                       int
			Client                     *struct{ ID string }
			Server                     *struct{ Is, How string }
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return "", err
		}
		switch {
		case e.K == "act" && e.Client != nil && !strings.HasPrefix(e.Text, "is disconnected"):
			acts = append(acts, e.Client.ID+" "+e.Text)
		case e.K == "act" && e.Client == nil, e.K == "note":
			acts = append(acts, e.Text)
		case e.K == "server":
			acts = append(acts, "server: "+e.Server.Is+" "+e.Server.How)
		case e.K == "call":
			call := fmt.Sprintf("%s %s:%d", e.Call, e.File, e.Line)
			if !slices.Contains(calls, call) {
				calls = append(calls, call)
			}
		}
	}
	slices.Sort(calls) // either of two clients may come first
	return strings.Join(acts, "\n") + "\n\n" + strings.Join(calls, "\n"), nil
}

// Current reports whether a recording has these sources and these scenes. Only a new
// recording shows whether the server still behaves the same: see Outline.
func (r *Recording) Current(sources map[string]string, scenes []Scene) bool {
	return maps.Equal(sources, r.About.Sources) && slices.Equal(scenes, r.Scenes)
}

// ParseRecording parses what JSON returns.
func ParseRecording(text []byte) (*Recording, error) {
	var r Recording
	err := json.Unmarshal(text, &r)
	return &r, err
}
