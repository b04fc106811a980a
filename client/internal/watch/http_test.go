package watch

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const host = "127.0.0.1:41234"

func site() *Site {
	return &Site{watch: New(Subject{Name: "03-select"}), host: host, token: "secret", ctx: context.Background()}
}

// TestForeign: only the page itself can drive the watch, or read it.
func TestForeign(t *testing.T) {
	s := site()
	for name, test := range map[string]struct {
		method, path, host, token string
		header                    map[string]string
		want                      int
	}{
		"the page":                  {"GET", "/", host, "", nil, 200},
		"typed into the browser":    {"GET", "/", host, "", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		"a link from elsewhere":     {"GET", "/", host, "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
		"its script":                {"GET", "/app.js", host, "", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"its sources":               {"GET", "/about", host, "", nil, 200},
		"nothing of the sort":       {"GET", "/page/index.html", host, "", nil, 404},
		"the page without token":    {"GET", "/index.html", host, "", nil, 404},
		"a name for 127.0.0.1":      {"GET", "/", "evil.example:41234", "", nil, 403},
		"localhost":                 {"GET", "/", "localhost:41234", "", nil, 403},
		"another port":              {"GET", "/", "127.0.0.1:80", "", nil, 403},
		"events for another origin": {"GET", "/events", host, "", map[string]string{"Origin": "http://evil.example"}, 403},
		"sources for another site":  {"GET", "/about", host, "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"action":                    {"POST", "/do", host, "secret", map[string]string{"Origin": "http://" + host}, 204},
		"action without origin":     {"POST", "/do", host, "secret", nil, 204},
		"action of another origin":  {"POST", "/do", host, "secret", map[string]string{"Origin": "http://evil.example"}, 403},
		"action of origin null":     {"POST", "/do", host, "secret", map[string]string{"Origin": "null"}, 403},
		"action without token":      {"POST", "/do", host, "", map[string]string{"Origin": "http://" + host}, 403},
		"action with a wrong token": {"POST", "/do", host, "secre", nil, 403},
		"action by GET":             {"GET", "/do?do=add", host, "secret", nil, 404},
		"action by PUT":             {"PUT", "/do", host, "secret", nil, 405},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, strings.NewReader(`{"do":"idle-leave"}`))
			r.Host = test.host
			if test.token != "" {
				r.Header.Set("X-Token", test.token)
			}
			for key, value := range test.header {
				r.Header.Set(key, value)
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("status %d, want %d: %s", w.Code, test.want, w.Body)
			}
			if csp := w.Header().Get("Content-Security-Policy"); w.Code == 200 && !strings.Contains(csp, "frame-ancestors 'none'") {
				t.Errorf("another page may frame it: %q", csp)
			}
		})
	}
}

// TestOrders: bad orders are refused.
func TestOrders(t *testing.T) {
	s := site()
	for body, want := range map[string]int{
		`{"do":"add"}`:             http.StatusConflict, // there is no server
		`{"do":"send","id":"A"}`:   http.StatusConflict,
		`{"do":"format the disk"}`: http.StatusConflict,
		`{"do":`:                   http.StatusBadRequest,
		`{"do":"add","text":"` + strings.Repeat("x", 100<<10) + `"}`: http.StatusBadRequest,
	} {
		r := httptest.NewRequest("POST", "/do", strings.NewReader(body))
		r.Host = host
		r.Header.Set("X-Token", "secret")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%.40s: status %d, want %d: %s", body, w.Code, want, w.Body)
		}
	}
}

// TestPage: three files that load nothing from elsewhere, and are short enough to read.
func TestPage(t *testing.T) {
	size, lines := 0, 0
	for _, name := range []string{"index.html", "style.css", "app.js"} {
		f, err := page.Open("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(f)
		f.Close()
		size, lines = size+len(text), lines+strings.Count(string(text), "\n")
		if strings.Contains(string(text), "//cdn") || strings.Contains(string(text), "https://") {
			t.Errorf("%s loads something from elsewhere", name)
		}
	}
	t.Logf("%d bytes, %d lines", size, lines)
	if size > 60<<10 || lines > 1000 {
		t.Errorf("the page has %d bytes and %d lines: over 60 KB or 1,000 lines", size, lines)
	}
}
