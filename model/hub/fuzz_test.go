package hub

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// answer is a transport by which every server gives the same answer.
type answer []byte

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a)), Request: r}, nil
}

const (
	listing = `[{"type":"file","path":"` + fileName + `","size":3,"lfs":{"oid":"` + someSum + `","size":3}}]`
	someSum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
)

// FuzzListing reads any list of files: no path leaves the cache, and nothing is
// downloaded that the hub states no size and hash for.
func FuzzListing(f *testing.F) {
	f.Add([]byte(listing))
	f.Add([]byte(strings.Replace(listing, fileName, "../"+fileName, 1)))
	f.Add([]byte(strings.Replace(listing, `"size":3}`, `"size":-3}`, 1)))
	f.Add([]byte(`[{"type":"file","path":"qwen2.5-0.5b-instruct-q4_0-00001-of-00002.gguf"}]`))
	f.Add([]byte(`{"error":"no"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := NewClient()
		c.HTTP, c.Attempts = &http.Client{Transport: answer(body)}, 1
		list, err := c.Files(context.Background(), named("qwen2.5-0.5b:q4_0"))
		if (err == nil) != (len(list) > 0) {
			t.Errorf("%d files, error %v", len(list), err)
		}
		for _, file := range list {
			if filepath.Base(file.Path) != file.Path || file.Size <= 0 || file.Size > 1<<40 || !isSHA256(file.SHA256) {
				t.Errorf("file %+v", file)
			}
		}
	})
}

// FuzzState reads any record beside an unfinished download of 3 bytes, which
// then ends with the right contents whatever the record says.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"sha256":"`+someSum+`","size":3,"chunk":2,"done":[2,0]}`), []byte("ab"))
	f.Add([]byte(`{"sha256":"`+someSum+`","size":3,"chunk":2,"done":[2,1]}`), []byte("xyz"))
	f.Add([]byte(`{"size":-1,"chunk":0,"done":[-1]}`), []byte("abcd"))
	f.Add([]byte(`{`), []byte(""))
	f.Fuzz(func(t *testing.T, record, part []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, fileName)
		for name, b := range map[string][]byte{".part": part, ".part.json": record} {
			if err := os.WriteFile(path+name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		list, err := Cache{dir}.List()
		if err != nil || len(list) != 1 || list[0].Complete() {
			t.Errorf("list %+v, %v", list, err)
		}
		c := NewClient()
		c.HTTP, c.ChunkSize, c.Attempts = &http.Client{Transport: ranges("abc")}, 2, 1
		file := File{Path: fileName, Size: 3, SHA256: someSum, source: source{url: "http://hub/file"}}
		err = c.Download(context.Background(), file, path, nil)
		if err != nil { // the record said that wrong bytes were right: they are not kept
			err = c.Download(context.Background(), file, path, nil)
		}
		if got, _ := os.ReadFile(path); err != nil || string(got) != "abc" {
			t.Errorf("downloaded %q, error %v", got, err)
		}
	})
}

// ranges is a transport by which every server has this file.
type ranges string

func (s ranges) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(s)))
	response := w.Result()
	response.Request = r
	return response, nil
}
