package watch

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

//go:embed page
var page embed.FS

// A Site serves the page of one watch. Only this machine can reach it, and of the
// pages in a browser here only its own: a page from another site has another Origin,
// a hostile name that resolves to 127.0.0.1 is another Host, and neither can read the
// token that every action needs.
type Site struct {
	watch *Watch
	host  string // the only Host it accepts: 127.0.0.1:41234
	token string
	ctx   context.Context
}

// Serve serves the page on l until ctx ends.
func Serve(ctx context.Context, w *Watch, l net.Listener) error {
	s := &Site{watch: w, host: l.Addr().String(), token: rand.Text(), ctx: ctx}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

// Handler returns the site's handler.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /{file}", s.file)
	mux.HandleFunc("GET /about", s.about)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("POST /do", s.do)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.foreign(r); err != "" {
			http.Error(w, err, http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// foreign returns why a request does not come from the page itself, or "".
func (s *Site) foreign(r *http.Request) string {
	origin := r.Header.Get("Origin")
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case r.Host != s.host:
		return "wrong Host: open http://" + s.host + "/"
	case origin != "" && origin != "http://"+s.host:
		return "refused: the request comes from elsewhere"
	case r.URL.Path != "/" && site != "" && site != "same-origin" && site != "none":
		return "refused: the request comes from elsewhere"
	case r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Token")), []byte(s.token)) != 1:
		return "no token, or an old one: reload the page"
	}
	return ""
}

// index serves the page, with the token in it.
func (s *Site) index(w http.ResponseWriter, r *http.Request) {
	text, _ := page.ReadFile("page/index.html")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, strings.Replace(string(text), "{{token}}", s.token, 1))
}

func (s *Site) file(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("file") == "index.html" {
		http.NotFound(w, r)
		return
	}
	http.ServeFileFS(w, r, page, "page/"+r.PathValue("file"))
}

// about serves what never changes.
func (s *Site) about(w http.ResponseWriter, r *http.Request) {
	json.NewEncoder(w).Encode(s.watch.About())
}

// events streams the story from its beginning, as server-sent events, many in one
// message. Nothing is buffered for a slow browser: it continues with whatever the
// story still keeps.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	s.watch.enter()
	defer s.watch.leave()
	flush := http.NewResponseController(w)
	pace := time.NewTicker(beat)
	defer pace.Stop()
	var at place
	for {
		events, next, changed := s.watch.story.after(at)
		at = next
		if len(events) > 0 {
			fmt.Fprint(w, "data: [")
			for i, e := range events {
				if i > 0 {
					fmt.Fprint(w, ",")
				}
				w.Write(e)
			}
			fmt.Fprint(w, "]\n\n")
			if flush.Flush() != nil {
				return
			}
		}
		if len(events) == most {
			continue
		}
		if !wait(r.Context(), s.ctx, changed) || !wait(r.Context(), s.ctx, pace.C) {
			return
		}
	}
}

// wait waits for c. It returns false if the page or the watch ends first.
func wait[T any](page, watch context.Context, c <-chan T) bool {
	select {
	case <-page.Done():
		return false
	case <-watch.Done():
		return false
	case <-c:
		return true
	}
}

// do carries out an action.
func (s *Site) do(w http.ResponseWriter, r *http.Request) {
	var order struct{ Do, ID, Text string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&order); err != nil {
		http.Error(w, "bad request: "+err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.watch.do(s.ctx, order.Do, order.ID, order.Text); err != nil {
		http.Error(w, plain(err), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
