package hub

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestETag continues the download of a file without a known hash only if the
// server says that it is still the same one.
func TestETag(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		sent          int64 // the second time: 4 bytes for the question, and the rest or all
	}{
		"the same": {`"1"`, `"1"`, 4 + 3000},
		"another":  {`"1"`, `"2"`, 4 + 5000},
		"weak":     {`W/"1"`, `W/"1"`, 4 + 5000},
		"none":     {"", "", 4 + 5000},
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte("GGUF" + strings.Repeat("x", 4996))
			etag := c.before
			var sent atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if etag != "" {
					w.Header().Set("ETag", etag)
				}
				http.ServeContent(&counter{w, &sent}, r, "", time.Time{}, bytes.NewReader(data))
			}))
			defer server.Close()
			ref, err := ParseRef(server.URL + "/m.gguf")
			if err != nil {
				t.Fatal(err)
			}
			client, cache := NewClient(), Cache{t.TempDir()}
			client.ChunkSize, client.Connections = 1000, 1
			ctx, cancel := context.WithCancel(t.Context())
			_, _, err = client.Pull(ctx, cache, ref, func(done, _ int64) {
				if done == 2000 {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("broken off: %v", err)
			}
			etag = c.after
			if c.after != c.before {
				data = []byte("GGUF" + strings.Repeat("y", 4996))
			}
			sent.Store(0)
			path, _, err := client.Pull(t.Context(), cache, ref, nil)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, data) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			if n := sent.Load(); n != c.sent {
				t.Errorf("%d bytes sent, want %d", n, c.sent)
			}
		})
	}
}

// counter counts the bytes of answers.
type counter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n.Add(int64(n))
	return n, err
}
