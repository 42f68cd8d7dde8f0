package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// diary keeps what a client says and how long it waits.
type diary struct {
	mu    sync.Mutex
	said  []string
	waits []time.Duration
}

// keep has the client write into the diary, and wait for nothing.
func (d *diary) keep(c *Client) {
	c.Notice = func(text string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.said = append(d.said, text)
	}
	c.sleep = func(ctx context.Context, wait time.Duration) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.waits = append(d.waits, wait)
		return ctx.Err()
	}
}

// raw are texts of Go's packages and of files that users do not know.
var raw = []string{"Get \"", "dial tcp", "lookup ", "json:", "x509:", "tls:", "EOF", ".part", "\n", "read tcp", "http: "}

// TestFaults has a server answer every listing alike: faults that stay end at
// once, others are tried again, and the user is told so.
func TestFaults(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	const attempts = 3
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		asked int
		want  string
	}{
		"404":               {status(404), 1, "answered 404 Not Found; there is no such model"},
		"410":               {status(410), 1, "answered 410 Gone"},
		"401":               {status(401), 1, "HF_TOKEN is not one that may read it"},
		"403":               {status(403), 1, "HF_TOKEN is not one that may read it"},
		"501":               {status(501), 1, "501 Not Implemented"},
		"an unknown status": {status(799), 1, "answered 799, which is no status of HTTP; check HF_ENDPOINT"},
		"999":               {status(999), 1, "answered 999, which is no status of HTTP"},
		"599":               {status(599), attempts, "answered 599; try again later"},
		"500":               {status(500), attempts, "answered 500 Internal Server Error; try again later"},
		"503":               {status(503), attempts, "is busy (503 Service Unavailable); try again later"},
		"429 for a minute":  {status(429, "Retry-After", "60"), attempts, "is busy (429 Too Many Requests); try again later"},
		"429 for an hour":   {status(429, "Retry-After", "3600"), 1, "wants to be left alone for 60 minutes; try again after that"},
		"429 for ever":      {status(429, "Retry-After", "99999999999999999999"), 1, "left alone for 24 hours"},
		"a page":            {status(200, "Content-Type", "text/html; charset=utf-8"), 1, "answered with a web page"},
		"a circle":          {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, 10, "redirects without end"},
		"no listing":        {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"error":"x"}`) }, 1, "is no list of files"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `[{"ty`)
		}, attempts, "cannot be reached (the connection broke off); check the connection"},
		"never ends": {func(w http.ResponseWriter, _ *http.Request) {
			for w.Header().Set("Content-Type", "application/json"); ; {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, 1, "does not end after 8 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				c.serve(w, r)
			}))
			defer server.Close()
			client := NewClient()
			client.Endpoint, client.Token, client.TokenFrom, client.Attempts = server.URL, "secret", "HF_TOKEN", attempts
			var d diary
			d.keep(client)
			_, err := client.Files(t.Context(), named("qwen2.5-0.5b:q4_0"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			if n := int(asked.Load()); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
			checkDiary(t, &d, err, c.asked == attempts)
		})
	}
}

// checkDiary wants texts for users, and waits that were announced.
func checkDiary(t *testing.T, d *diary, err error, retried bool) {
	t.Helper()
	for _, text := range append(d.said, err.Error()) {
		for _, bad := range raw {
			if strings.Contains(text, bad) {
				t.Errorf("%q shows %q", text, bad)
			}
		}
	}
	if !retried {
		if len(d.said)+len(d.waits) != 0 {
			t.Errorf("said %q, waited %v", d.said, d.waits)
		}
		return
	}
	if len(d.said) != 2 || len(d.waits) != 2 {
		t.Fatalf("said %q, waited %v; want two of each", d.said, d.waits)
	}
	for i, text := range d.said {
		if want := fmt.Sprintf("; trying again in %s (%d of 2)", inWords(d.waits[i]), i+1); !strings.HasSuffix(text, want) {
			t.Errorf("said %q, want %q", text, want)
		}
	}
}

// TestUnreachable is about hosts with which there is no connection.
func TestUnreachable(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the handshake
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for endpoint, c := range map[string]struct {
		want    string
		retried bool
	}{
		secure.URL: {"is not valid (this machine does not know who signed it)", false},
		strings.Replace(plain.URL, "http:", "https:", 1): {"(it does not speak HTTPS)", false},
		"http://" + closed.Addr().String():               {"cannot be reached (connection refused); check the connection", true},
		"not an address":                                 {`HF_ENDPOINT is "not an address"; expected`, false},
	} {
		client := NewClient()
		client.Endpoint, client.Attempts = endpoint, 3
		var d diary
		d.keep(client)
		_, err := client.Files(t.Context(), named("qwen2.5-0.5b:q4_0"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", endpoint, err, c.want)
			continue
		}
		checkDiary(t, &d, err, c.retried)
	}
	for _, c := range []struct {
		err       error
		want      string
		permanent bool
	}{
		{&net.DNSError{Err: "x", Name: "h", IsNotFound: true}, "there is no such host", true},
		{&net.DNSError{Err: "x", Name: "h", IsTemporary: true}, "its name cannot be looked up: DNS does not answer", false},
		{&net.OpError{Op: "proxyconnect", Err: errors.New("x")}, "the proxy does not answer", false},
		{errors.New("x"), "the connection failed", false},
	} {
		if text, permanent := reason(c.err); text != c.want || permanent != c.permanent {
			t.Errorf("%v: %q, %v; want %q, %v", c.err, text, permanent, c.want, c.permanent)
		}
	}
}

// TestStalledListing gives up a listing of which only the header comes.
func TestStalledListing(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	client := NewClient()
	client.Endpoint, client.Stall = server.URL, 50*time.Millisecond
	var d diary
	d.keep(client)
	_, err := client.Files(t.Context(), named("qwen2.5-0.5b:q4_0"))
	if err == nil || !strings.Contains(err.Error(), "nothing came from") || asked.Load() != 2 || len(d.said) != 1 {
		t.Errorf("error %v after %d requests, said %q", err, asked.Load(), d.said)
	}
}

// TestSlowListing gives up a listing that comes a byte at a time.
func TestSlowListing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprint(w, " ")
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}))
	defer server.Close()
	client := NewClient()
	client.Endpoint, client.Stall = server.URL, 100*time.Millisecond
	if _, err := client.Files(t.Context(), named("qwen2.5-0.5b:q4_0")); err == nil || !strings.Contains(err.Error(), "did not send its list of files within 400ms") {
		t.Errorf("error %v", err)
	}
}

// TestInterruptedWait ends the wait for a busy server.
func TestInterruptedWait(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "50")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	client := NewClient()
	client.Endpoint = server.URL
	client.Notice = func(string) { cancel() }
	start := time.Now()
	_, err := client.Files(ctx, named("qwen2.5-0.5b:q4_0"))
	if !errors.Is(err, context.Canceled) || time.Since(start) > 10*time.Second {
		t.Errorf("error %v after %v", err, time.Since(start))
	}
}
