package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeHub speaks the hub's protocol: a listing, and files behind a redirect
// to another host.
type fakeHub struct {
	t       *testing.T
	hub     *httptest.Server
	storage *httptest.Server
	data    []byte
	sum     string
	size    int64 // that the listing states

	// misbehave may answer a request for the file in place of the storage.
	misbehave func(w http.ResponseWriter, r *http.Request, n int) bool
	requests  atomic.Int32 // for the file
	bytes     atomic.Int64 // of it sent
}

const fileName = "qwen2.5-0.5b-instruct-q4_0.gguf"

func newFakeHub(t *testing.T, size int) *fakeHub {
	h := &fakeHub{t: t, data: make([]byte, size), size: int64(size)}
	for i := range h.data {
		h.data[i] = byte(i * 7 >> 3)
	}
	sum := sha256.Sum256(h.data)
	h.sum = hex.EncodeToString(sum[:])
	h.storage = httptest.NewServer(http.HandlerFunc(h.serveFile))
	h.hub = httptest.NewServer(http.HandlerFunc(h.serveHub))
	t.Cleanup(h.storage.Close)
	t.Cleanup(h.hub.Close)
	return h
}

func (h *fakeHub) serveHub(w http.ResponseWriter, r *http.Request) {
	const repo = "/Qwen/Qwen2.5-0.5B-Instruct-GGUF"
	switch {
	case r.Header.Get("Authorization") != "Bearer secret":
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/api/models"+repo+"/tree/main":
		type lfs struct {
			OID  string `json:"oid"`
			Size int64  `json:"size"`
		}
		type entry struct {
			Type string `json:"type"`
			Path string `json:"path"`
			LFS  *lfs   `json:"lfs,omitempty"`
		}
		json.NewEncoder(w).Encode([]entry{
			{"file", "README.md", nil},
			{"file", fileName, &lfs{h.sum, h.size}},
			{"file", "qwen2.5-0.5b-instruct-q8_0-00002-of-00002.gguf", &lfs{h.sum, h.size}},
			{"file", "qwen2.5-0.5b-instruct-q8_0-00001-of-00002.gguf", &lfs{h.sum, h.size}},
			{"file", "qwen2.5-0.5b-instruct-q2_k.gguf", nil},
		})
	case strings.HasPrefix(r.URL.Path, repo+"/resolve/main/"):
		// Another host, as the hub's storage is.
		http.Redirect(w, r, strings.Replace(h.storage.URL, "127.0.0.1", "localhost", 1)+"/blob", http.StatusFound)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *fakeHub) serveFile(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		h.t.Error("the token went to another host")
	}
	if n := int(h.requests.Add(1)); h.misbehave != nil && h.misbehave(w, r, n) {
		return
	}
	http.ServeContent(&counter{w, &h.bytes}, r, "", time.Time{}, bytes.NewReader(h.data))
}

func (h *fakeHub) client() *Client {
	return &Client{Endpoint: h.hub.URL, Token: "secret", HTTP: h.hub.Client(),
		ChunkSize: 1000, Connections: 3, Stall: time.Minute, Attempts: 3, Pause: time.Millisecond}
}

// named returns the reference for a name.
func named(text string) Ref {
	n, ok := ParseName(text)
	if !ok {
		panic(text)
	}
	return n.ref()
}

// pull gets the file as a pull does.
func (h *fakeHub) pull(c *Client, path string) error {
	_, _, err := c.Pull(context.Background(), Cache{filepath.Dir(path)}, named("qwen2.5-0.5b:q4_0"), nil)
	return err
}

func (h *fakeHub) check(path string) {
	h.t.Helper()
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, h.data) {
		h.t.Errorf("%d bytes, %v; want the file's %d", len(b), err, len(h.data))
	}
	if r, ok := ReadRecord(path); !ok || r.SHA256 != h.sum {
		h.t.Errorf("record %+v", r)
	}
	left, _ := filepath.Glob(path + ".part*")
	if len(left) != 0 {
		h.t.Errorf("left behind: %v", left)
	}
}

func TestDownload(t *testing.T) {
	for _, size := range []int{1, 999, 1000, 1001, 123456} {
		h := newFakeHub(t, size)
		path := filepath.Join(t.TempDir(), "models", fileName)
		if err := h.pull(h.client(), path); err != nil {
			t.Fatal(err)
		}
		h.check(path)
		if n := h.bytes.Load(); n != int64(size) {
			t.Errorf("%d bytes were sent for a file of %d", n, size)
		}
	}
}

// cut ends a connection after n bytes of a range.
func cut(w http.ResponseWriter, data []byte, r *http.Request, n int) {
	var from, to int
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
	w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(data)))
	w.WriteHeader(http.StatusPartialContent)
	w.Write(data[from : from+min(n, to-from+1)])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// TestCut cuts the connection at every byte of a chunk.
func TestCut(t *testing.T) {
	const size = 50
	for at := range size {
		h := newFakeHub(t, size)
		h.misbehave = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n <= 2 {
				cut(w, h.data, r, at)
			}
			return false
		}
		path := filepath.Join(t.TempDir(), fileName)
		if err := h.pull(h.client(), path); err != nil {
			t.Fatalf("cut after %d bytes: %v", at, err)
		}
		h.check(path)
	}
}

func TestServerErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		bad  func(h *fakeHub, w http.ResponseWriter, r *http.Request, n int) bool
		want string // in the error; none for a download that succeeds
	}{
		{"busy for a while", func(_ *fakeHub, w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > 2 {
				return false
			}
			w.Header().Set("Retry-After", "1")
			w.WriteHeader([]int{http.StatusTooManyRequests, http.StatusServiceUnavailable}[n-1])
			return true
		}, ""},
		{"busy for good", func(_ *fakeHub, w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}, "502 Bad Gateway; try again later"},
		{"gone", func(_ *fakeHub, w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.WriteHeader(http.StatusNotFound)
			return true
		}, "404 Not Found"},
		{"no ranges", func(h *fakeHub, w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Write(h.data)
			return true
		}, ""},
		{"silent once", func(_ *fakeHub, _ http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				<-r.Context().Done()
				return true
			}
			return false
		}, ""},
		{"silent", func(h *fakeHub, w http.ResponseWriter, r *http.Request, _ int) bool {
			<-r.Context().Done()
			return true
		}, "nothing came from"},
		{"other bytes", func(h *fakeHub, w http.ResponseWriter, r *http.Request, _ int) bool {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, len(h.data))))
			return true
		}, "the file was deleted, pull it again"},
		{"too short", func(h *fakeHub, w http.ResponseWriter, r *http.Request, _ int) bool {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(h.data[:len(h.data)-1]))
			return true
		}, "shorter than the hub said"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFakeHub(t, 3500)
			h.misbehave = func(w http.ResponseWriter, r *http.Request, n int) bool { return c.bad(h, w, r, n) }
			path := filepath.Join(t.TempDir(), fileName)
			client := h.client()
			if strings.HasPrefix(c.name, "silent") {
				client.Stall = 200 * time.Millisecond
			}
			start := time.Now()
			err := h.pull(client, path)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				h.check(path)
			} else if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if c.name == "busy for a while" && time.Since(start) < time.Second {
				t.Errorf("Retry-After: 1 was waited for %v", time.Since(start))
			}
			if _, err := os.Stat(path); c.want != "" && err == nil {
				t.Error("the file is there after an error")
			}
		})
	}
}

// TestResume breaks a download off and wants the next to get the rest only.
func TestResume(t *testing.T) {
	h := newFakeHub(t, 10000)
	h.misbehave = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n > 3 {
			cut(w, h.data, r, 100)
		}
		return false
	}
	path := filepath.Join(t.TempDir(), fileName)
	ctx, cancel := context.WithCancel(context.Background())
	c := h.client()
	c.Attempts = 1000
	list, err := c.Files(ctx, named("qwen2.5-0.5b:q4_0"))
	if err != nil {
		t.Fatal(err)
	}
	var there int64
	err = c.Download(ctx, list[0], path, func(done int64) {
		if there = done; done > 5000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("broken off: %v", err)
	}
	if list, err := (Cache{filepath.Dir(path)}).List(); err != nil || len(list) != 1 || list[0].Complete() || list[0].Size != there || list[0].Total != 10000 {
		t.Errorf("list %+v, %v; want %d of 10000 bytes", list, err, there)
	}
	// From another hub with the same file: this one may still be sending what
	// was asked for before.
	again := newFakeHub(t, 10000)
	if err := again.pull(again.client(), path); err != nil {
		t.Fatal(err)
	}
	again.check(path)
	if n := again.bytes.Load(); n != 10000-there {
		t.Errorf("%d bytes were sent again, want the %d that were missing", n, 10000-there)
	}
	// A state that is damaged, or of another file, is not believed.
	for _, bad := range []string{"{", `{"sha256":"x","size":10000,"chunk":1000,"done":[1]}`, fmt.Sprintf(`{"sha256":%q,"size":10000,"chunk":1000,"done":[1000,1000,1000,1000,1000,1000,1000,1000,1000,9999]}`, h.sum)} {
		other := filepath.Join(t.TempDir(), fileName)
		if err := errors.Join(os.WriteFile(other+".part", nil, 0o600), os.WriteFile(other+".part.json", []byte(bad), 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := again.pull(again.client(), other); err != nil {
			t.Errorf("state %s: %v", bad, err)
		}
		again.check(other)
	}
}

// TestTwoAtOnce pulls one file twice at a time: it is sent once.
func TestTwoAtOnce(t *testing.T) {
	h := newFakeHub(t, 50000)
	path := filepath.Join(t.TempDir(), fileName)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := h.pull(h.client(), path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	h.check(path)
	if n := h.bytes.Load(); n != 50000 {
		t.Errorf("%d bytes were sent, want 50000", n)
	}
}

func TestFiles(t *testing.T) {
	h := newFakeHub(t, 10)
	c := h.client()
	list, err := c.Files(context.Background(), named("qwen2.5-0.5b:q8_0"))
	if err != nil || len(list) != 2 || !strings.Contains(list[0].Path, "00001-of") || list[1].Size != 10 {
		t.Errorf("split files: %+v, %v", list, err)
	}
	for quant, want := range map[string]string{"q2_k": "no size and hash", "q6_k": "has no file"} {
		if _, err := c.Files(context.Background(), named("qwen2.5-0.5b:"+quant)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", quant, err, want)
		}
	}
	c.Token = ""
	if _, err := c.Files(context.Background(), named("qwen2.5-0.5b:q4_0")); err == nil || !strings.Contains(err.Error(), "set HF_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
	c.Token = "wrong"
	if _, err := c.Files(context.Background(), named("qwen2.5-0.5b:q4_0")); err == nil || !strings.Contains(err.Error(), "HF_TOKEN is not") {
		t.Errorf("with a wrong token: %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "7": 7 * time.Second, "99999999": maxRetryAfter, "99999999999999999999999": maxRetryAfter, "Mon, 02 Jan 2006 15:04:05 GMT": 0,
		"Fri, 02 Jan 2899 15:04:05 GMT": maxRetryAfter,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}
