package hub

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"qgo/model/files"
)

// TestDamaged has a file of the right size with wrong bytes in the cache: it is
// got again, and the user is told. A right one is not.
func TestDamaged(t *testing.T) {
	h := newFakeHub(t, 5000)
	path := filepath.Join(t.TempDir(), fileName)
	var d diary
	c := h.client()
	d.keep(c)
	for name, damage := range map[string]func() error{
		"other bytes": func() error { return os.WriteFile(path, make([]byte, len(h.data)), 0o600) },
		"too short":   func() error { return os.WriteFile(path, h.data[:10], 0o600) },
		"too long":    func() error { return os.WriteFile(path, append(bytes.Clone(h.data), 0), 0o600) },
	} {
		d.said = nil
		if err := errors.Join(damage(), h.pull(c, path)); err != nil {
			t.Fatal(err)
		}
		h.check(path)
		if len(d.said) != 1 || !strings.Contains(d.said[0], fileName+" is here, but is not the file that is published") {
			t.Errorf("%s: said %q", name, d.said)
		}
	}
	d.said = nil
	h.bytes.Store(0)
	if err := errors.Join(os.Remove(path+recordEnd), h.pull(c, path)); err != nil {
		t.Fatal(err)
	}
	h.check(path) // with a new record
	if n := h.bytes.Load(); n != 0 || len(d.said) != 0 {
		t.Errorf("a right file: %d bytes sent, said %q", n, d.said)
	}
}

// TestParts has one part of two in the cache, or a part cut short: that is not
// the model.
func TestParts(t *testing.T) {
	h := newFakeHub(t, 3000)
	cache := Cache{t.TempDir()}
	const name = "qwen2.5-0.5b:q8_0"
	pull := func() error {
		_, total, err := h.client().Pull(context.Background(), cache, named(name), nil)
		if err == nil && total != 6000 {
			t.Errorf("%d bytes in all", total)
		}
		return err
	}
	if err := pull(); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(cache.Dir, "qwen2.5-0.5b-instruct-q8_0-00001-of-00002.gguf")
	if path, err := cache.Find(name); err != nil || path != first {
		t.Errorf("found %s, %v", path, err)
	}
	for _, no := range []string{"1", "2"} {
		path := strings.Replace(first, "00001-of", "0000"+no+"-of", 1)
		for damage, f := range map[string]func() error{
			"missing": func() error { return os.Remove(path) },
			"short":   func() error { return os.Truncate(path, 2999) },
		} {
			if err := f(); err != nil {
				t.Fatal(err)
			}
			list, err := cache.List()
			if err != nil || len(list) != 1 || list[0].Complete() || list[0].Whole != 1 || list[0].Parts != 2 || list[0].Name != name {
				t.Errorf("part %s %s: list %+v, %v", no, damage, list, err)
			}
			want := name + " is incomplete: part " + no + " of 2 is missing; get it with: qgo pull " + name
			if _, err := cache.Find(name); err == nil || err.Error() != want || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("part %s %s: error %v, want %q", no, damage, err, want)
			}
			h.bytes.Store(0)
			if err := pull(); err != nil {
				t.Fatal(err)
			}
			if n := h.bytes.Load(); n != 3000 {
				t.Errorf("part %s %s: %d bytes sent", no, damage, n)
			}
		}
	}
	if removed, err := cache.Remove(name); err != nil || len(removed) != 2 || removed[0] != first {
		t.Errorf("removed %q, %v", removed, err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache.Dir, "*.gguf*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestMissingParts counts parts that a name promises: no name costs memory.
func TestMissingParts(t *testing.T) {
	cache := Cache{t.TempDir()}
	if err := os.WriteFile(filepath.Join(cache.Dir, "mine-00002-of-99999.gguf"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "mine-00002-of-99999.gguf is incomplete: parts 1, 3, 4, 5, 6, … of 99999 are missing; put it into " + cache.Dir
	if _, err := cache.Find("mine"); err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	if _, err := cache.Find("mime"); err == nil || !strings.Contains(err.Error(), "did you mean mine-00002-of-99999.gguf?") && !strings.Contains(err.Error(), "'qgo list' shows") {
		t.Errorf("another name: %v", err)
	}
}

// TestAddress pulls a file that is at no hub, whole and in parts: it has no
// hash, and is listed, found and removed by its address.
func TestAddress(t *testing.T) {
	data := append([]byte("GGUF"), bytes.Repeat([]byte("0123456789"), 300)...)
	sent := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the token went to another server")
		}
		sent[r.URL.Path]++
		switch {
		case strings.HasPrefix(r.URL.Path, "/whole/"): // without ranges
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			w.Write(data)
		case strings.HasPrefix(r.URL.Path, "/endless/"):
			w.Write(data)
		case strings.HasPrefix(r.URL.Path, "/other/"):
			w.Write([]byte("PK"))
		case strings.HasPrefix(r.URL.Path, "/ranges/"):
			w.Header().Set("ETag", `"1"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	cache := Cache{t.TempDir()}
	c := NewClient()
	c.Token, c.ChunkSize, c.Connections = "secret", 1000, 1
	get := func(at string) (Ref, string, error) {
		r, err := ParseRef(server.URL + at)
		if err != nil {
			t.Fatal(err)
		}
		path, _, err := c.Pull(t.Context(), cache, r, nil)
		return r, path, err
	}
	for _, at := range []string{"/whole/m.gguf", "/ranges/m.gguf?x=1", "/ranges/p-00002-of-00002.gguf"} {
		r, path, err := get(at)
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, data) {
			t.Errorf("%s: %d bytes, %v", at, len(b), err)
		}
		if found, err := cache.Find(r.String()); err != nil || found != path || NameOf(path) != r.String() {
			t.Errorf("%s: found %s, %v; its name is %s", at, found, err, NameOf(path))
		}
		clear(sent)
		if _, _, err := get(at); err != nil || sent[r.address.Path] != 1 && sent[r.address.Path] != 2 { // the question, with and without a range
			t.Errorf("%s again: %v, %v", at, sent, err)
		}
	}
	if list, err := cache.List(); err != nil || len(list) != 3 {
		t.Errorf("list %+v, %v", list, err)
	}
	for at, want := range map[string]string{"/endless/m.gguf": "does not state a size", "/other/m.gguf": "sends is no GGUF file", "/none/m.gguf": "404 Not Found", "/ranges/m-00001-of-99999.gguf": "one of 99999 parts"} {
		if _, _, err := get(at); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", at, err, want)
		}
	}
	if removed, err := cache.Remove(server.URL + "/ranges/p-00001-of-00002.gguf"); err != nil || len(removed) != 2 {
		t.Errorf("removed %q, %v", removed, err)
	}
}

// TestLockNotice tells the user that somebody else has the download.
func TestLockNotice(t *testing.T) {
	h := newFakeHub(t, 10)
	path := filepath.Join(t.TempDir(), fileName)
	unlock, err := files.Lock(t.Context(), path+".lock")
	if err != nil {
		t.Fatal(err)
	}
	var d diary
	c := h.client()
	d.keep(c)
	notice := c.Notice
	c.Notice = func(text string) {
		notice(text)
		unlock()
	}
	if err := h.pull(c, path); err != nil {
		t.Fatal(err)
	}
	h.check(path)
	if want := "another program is downloading " + fileName + ": waiting for it"; len(d.said) != 1 || d.said[0] != want {
		t.Errorf("said %q, want %q", d.said, want)
	}
}
