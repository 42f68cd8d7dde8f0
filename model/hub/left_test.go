package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"qgo/model/files"
)

// namesIn lists what is in a directory.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// failures are answers to a request for a file, none of which sends any of it.
var failures = map[string]http.HandlerFunc{
	"404":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
	"416":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestedRangeNotSatisfiable) },
	"429":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
	"a circle":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
	"wrong size": func(w http.ResponseWriter, r *http.Request) { cut(w, make([]byte, 10), r, 0) },
	"no bytes":   func(w http.ResponseWriter, r *http.Request) { cut(w, make([]byte, 3000), r, 0) },
	"a page": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>")
	},
	"cut off as a whole": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3000")
		_, _ = w.Write(make([]byte, 1000))
		panic(http.ErrAbortHandler)
	},
}

// TestNothingLeft has pulls fail before anything came that another could
// continue: nothing is listed, and nothing is left, not even the directory.
func TestNothingLeft(t *testing.T) {
	for name, fail := range failures {
		h := newFakeHub(t, 3000)
		h.misbehave = func(w http.ResponseWriter, r *http.Request, _ int) bool {
			fail(w, r)
			return true
		}
		cache := Cache{filepath.Join(t.TempDir(), "new", "models")}
		c := h.client()
		new(diary).keep(c)
		if err := h.pull(c, filepath.Join(cache.Dir, fileName)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if list, err := cache.List(); err != nil || len(list) != 0 {
			t.Errorf("%s: list %+v, %v", name, list, err)
		}
		if _, err := os.Stat(filepath.Dir(cache.Dir)); err == nil {
			t.Errorf("%s: left behind: %q", name, namesIn(t, cache.Dir))
		}
	}
}

// TestSomethingLeft keeps what came before a fault, and nothing else: rm
// deletes it.
func TestSomethingLeft(t *testing.T) {
	h := newFakeHub(t, 3000)
	h.misbehave = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 1 {
			w.WriteHeader(http.StatusNotFound)
		}
		return n > 1
	}
	cache := Cache{t.TempDir()}
	c := h.client()
	c.Connections = 1
	if err := h.pull(c, filepath.Join(cache.Dir, fileName)); err == nil {
		t.Error("no error")
	}
	if list, err := cache.List(); err != nil || len(list) != 1 || list[0].Size != 1000 || list[0].Complete() {
		t.Errorf("list %+v, %v", list, err)
	}
	if names := namesIn(t, cache.Dir); len(names) != 2 {
		t.Errorf("left behind: %q", names)
	}
	if _, err := cache.Remove("qwen2.5-0.5b:q4_0"); err != nil {
		t.Error(err)
	}
	if names := namesIn(t, cache.Dir); len(names) != 0 {
		t.Errorf("left after rm: %q", names)
	}
}

// TestRemove deletes the locks of processes that died, too, and nothing that
// is being downloaded.
func TestRemove(t *testing.T) {
	cache := Cache{t.TempDir()}
	path := filepath.Join(cache.Dir, "mine.gguf")
	for _, name := range []string{path, path + lockEnd} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := files.Lock(t.Context(), path+lockEnd)
	if err != nil {
		t.Fatal(err)
	}
	removed, err := cache.Remove("mine")
	if want := "mine.gguf: another program is downloading it; end that first"; err == nil || err.Error() != want || len(removed) != 0 {
		t.Errorf("removed %q, %v; want %q", removed, err, want)
	}
	unlock()
	if removed, err := cache.Remove("mine"); err != nil || len(removed) != 1 || removed[0] != path {
		t.Errorf("removed %q, %v", removed, err)
	}
	if names := namesIn(t, cache.Dir); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
}

// TestNoPlace names the directory that cannot be made, or not be written.
func TestNoPlace(t *testing.T) {
	h := newFakeHub(t, 3000)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	places := map[string]string{filepath.Join(file, "x"): "the directory for models cannot be made: "}
	if runtime.GOOS == "linux" {
		places["/proc/x"] = "the directory for models cannot be made: /proc/x: no such file or directory; QGO_MODELS may name another place"
		places["/proc"] = "no file can be made in the directory for models: /proc: "
	}
	for dir, want := range places {
		_, _, err := h.client().Pull(t.Context(), Cache{dir}, named("qwen2.5-0.5b:q4_0"), nil)
		if err == nil || !strings.HasPrefix(err.Error(), want) || h.requests.Load() != 0 {
			t.Errorf("%s: error %v, want %q", dir, err, want)
		}
	}
}

// TestSecrets pulls from an address with a password and a signature: the server
// gets both, and they are neither kept nor sent elsewhere.
func TestSecrets(t *testing.T) {
	data := append([]byte("GGUF"), make([]byte, 3000)...)
	var end string // of the requests, if not all are answered
	etag := `"1"`
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, values := range r.Header {
			if text := strings.Join(values, " "); strings.Contains(text, "SECRET") || strings.HasPrefix(text, "Basic") {
				t.Errorf("the storage got %q", text)
			}
		}
		if end != "" && strings.HasPrefix(r.Header.Get("Range"), end) {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer storage.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "me" || password != "geheim" || !strings.HasPrefix(r.URL.Query().Get("sig"), "SECRET") {
			t.Errorf("the server got %q, %q, %s", user, password, r.URL)
		}
		http.Redirect(w, r, storage.URL+"/m.gguf", http.StatusFound)
	}))
	defer server.Close()
	cache := Cache{t.TempDir()}
	name := server.URL + "/m.gguf"
	pull := func(query string) (string, error) {
		ref, err := ParseRef(strings.Replace(name, "://", "://me:geheim@", 1) + query)
		if err != nil {
			t.Fatal(err)
		}
		client := NewClient()
		client.ChunkSize, client.Connections = 1000, 1
		path, _, err := client.Pull(context.Background(), cache, ref, nil)
		return path, err
	}
	check := func() {
		t.Helper()
		for _, file := range namesIn(t, cache.Dir) {
			b, err := os.ReadFile(filepath.Join(cache.Dir, file))
			if err != nil || bytes.Contains(b, []byte("geheim")) || bytes.Contains(b, []byte("SECRET")) {
				t.Errorf("%s: %s, %v", file, b, err)
			}
		}
		if list, err := cache.List(); err != nil || len(list) != 1 || list[0].Name != name {
			t.Errorf("list %+v, %v; want %s", list, err, name)
		}
	}
	end = "bytes=1000-"
	if _, err := pull("?sig=SECRET"); err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("broken off: %v", err)
	}
	check()
	end = ""
	path, err := pull("?sig=SECRET2") // signed anew
	if err != nil {
		t.Fatal(err)
	}
	check()
	if found, err := cache.Find(name); err != nil || found != path {
		t.Errorf("found %s, %v", found, err)
	}
	// Another file of that size behind the same path is told by its ETag.
	data, etag = append([]byte("GGUF"), bytes.Repeat([]byte("x"), 3000)...), `"2"`
	if _, err := pull("?sig=SECRET3"); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, data) {
		t.Errorf("another file: %d bytes, %v", len(b), err)
	}
}
