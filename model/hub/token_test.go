package hub

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestToken looks for the token where Hugging Face's tools do.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) string {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	usual := write("home/.cache/huggingface/token", "usual\n")
	moved := write("hf/token", "moved")
	named := write("named", " named \r\n")
	for _, c := range []struct{ token, path, home, want, from string }{
		{" set\n", named, filepath.Dir(moved), "set", "HF_TOKEN"},
		{" ", named, filepath.Dir(moved), "named", named},
		{"", "", filepath.Dir(moved), "moved", moved},
		{"", "", "", "usual", usual},
		{"", filepath.Join(dir, "none"), "", "", ""},
	} {
		t.Setenv("HOME", filepath.Join(dir, "home"))
		t.Setenv("USERPROFILE", filepath.Join(dir, "home")) // on Windows
		t.Setenv("HF_TOKEN", c.token)
		t.Setenv("HF_TOKEN_PATH", c.path)
		t.Setenv("HF_HOME", c.home)
		if client := NewClient(); client.Token != c.want || client.TokenFrom != c.from {
			t.Errorf("%+v: %q from %q", c, client.Token, client.TokenFrom)
		}
	}
}

// TestBadToken sends no token that no header may carry, and does not show it.
func TestBadToken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the hub was asked") }))
	defer server.Close()
	for _, token := range []string{"a\nb", "a b", "geheimß", "a\x00"} {
		client := NewClient()
		client.Endpoint, client.Token, client.TokenFrom = server.URL, token, "HF_TOKEN"
		_, err := client.Files(t.Context(), named("qwen2.5-0.5b:q4_0"))
		if err == nil || !strings.HasPrefix(err.Error(), "the token in HF_TOKEN has a character") || strings.Contains(err.Error(), token) {
			t.Errorf("token %q: error %v", token, err)
		}
	}
}

// TestRedirects sends the token to the hub's own origin and to no other, also
// not when another leads back to it.
func TestRedirects(t *testing.T) {
	var seen map[string]string
	note := func(at string, next *string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			seen[at+r.URL.Path] = r.Header.Get("Authorization")
			switch {
			case next != nil && *next != "":
				http.Redirect(w, r, *next, http.StatusTemporaryRedirect)
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		}
	}
	var fromHub, fromOther string
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := &fromHub
		if r.URL.Path == "/end" {
			next = nil
		}
		note("hub", next)(w, r)
	}))
	defer hub.Close()
	other := httptest.NewServer(note("other", &fromOther))
	defer other.Close()
	const api = "/api/models/Qwen/Qwen2.5-0.5B-Instruct-GGUF/tree/main"
	for _, c := range []struct {
		name, fromHub, fromOther string
		want                     map[string]string
	}{
		{"the same origin", hub.URL + "/end", "", map[string]string{"hub" + api: "Bearer secret", "hub/end": "Bearer secret"}},
		{"another port", other.URL + "/x", "", map[string]string{"hub" + api: "Bearer secret", "other/x": ""}},
		{"another name", strings.Replace(hub.URL, "127.0.0.1", "localhost", 1) + "/end", "", map[string]string{"hub" + api: "Bearer secret", "hub/end": ""}},
		{"there and back", other.URL + "/x", hub.URL + "/end", map[string]string{"hub" + api: "Bearer secret", "other/x": "", "hub/end": ""}},
	} {
		seen, fromHub, fromOther = map[string]string{}, c.fromHub, c.fromOther
		client := NewClient()
		client.Endpoint, client.Token = hub.URL, "secret"
		if _, err := client.Files(t.Context(), named("qwen2.5-0.5b:q4_0")); err == nil {
			t.Errorf("%s: no error", c.name)
		}
		if len(seen) != len(c.want) {
			t.Errorf("%s: requests %v", c.name, seen)
		}
		for at, token := range c.want {
			if seen[at] != token {
				t.Errorf("%s: %s got %q, want %q", c.name, at, seen[at], token)
			}
		}
	}
}

func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://h/x", "https://H:443/y", true}, {"http://h:80", "http://h", true},
		{"https://h", "http://h", false}, {"https://h", "http://h:443", false}, {"https://h", "https://h:8443", false}, {"https://h", "https://a.h", false},
	} {
		a, _ := url.Parse(c.a)
		b, _ := url.Parse(c.b)
		if got := sameOrigin(a, b); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}
