package hub

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"qgo/gguf/show"
)

// DefaultEndpoint is Hugging Face's hub.
const DefaultEndpoint = "https://huggingface.co"

// Client speaks with a hub. The zero value is not useful; see [NewClient].
type Client struct {
	Endpoint  string
	Token     string // of an account; may be empty
	TokenFrom string // where it is from, for messages
	HTTP      *http.Client

	ChunkSize   int64         // bytes of a file that one request gets
	Connections int           // at a time
	Stall       time.Duration // without a byte, after which a connection is given up
	Attempts    int           // in a row without a byte, before a download is given up
	Pause       time.Duration // before the second attempt; it doubles with each

	// Notice, if not nil, is called with a line of text about what goes on, such
	// as a wait. It may be called from several goroutines at a time.
	Notice func(text string)

	sleep func(ctx context.Context, d time.Duration) error // in place of [sleep], in tests
	said  said
}

// NewClient returns a client with the settings of the environment: HF_ENDPOINT,
// HF_TOKEN or the token that Hugging Face's own tools have stored, and the
// proxies that net/http knows.
func NewClient() *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	token, from := environmentToken()
	return &Client{
		Endpoint: strings.TrimRight(cmp.Or(strings.TrimSpace(os.Getenv("HF_ENDPOINT")), DefaultEndpoint), "/"),
		Token:    token, TokenFrom: from,
		HTTP: &http.Client{Transport: transport},

		ChunkSize: 32 << 20, Connections: 4, Stall: 30 * time.Second, Attempts: 6, Pause: time.Second,
	}
}

// endpoint returns the address of the hub.
func (c *Client) endpoint() (*url.URL, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || wrongAddress(u) != "" || u.RawQuery != "" {
		return nil, &fault{what: fmt.Sprintf("HF_ENDPOINT is %s", show.Quoted(withoutSecrets(c.Endpoint))), advice: "expected the address of a server, such as " + DefaultEndpoint, permanent: true}
	}
	return u, nil
}

// get asks for what is at an address, or for a range of it, and returns the
// answer, whose body is to be closed. Reading it fails when nothing comes for
// too long. If the server sends all in place of the range the error is
// errNoRanges.
func (c *Client) get(ctx context.Context, from source, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	body := &stallReader{after: c.Stall, cancel: cancel, host: from.host()}
	body.timer = time.AfterFunc(c.Stall, func() {
		body.stalled.Store(true)
		cancel()
	})
	answer, err := c.ask(ctx, from, header)
	if err != nil {
		body.timer.Stop()
		cancel()
		return nil, body.explain(err)
	}
	body.body, answer.Body = answer.Body, body
	return answer, nil
}

func (c *Client) ask(ctx context.Context, from source, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from.url, nil)
	if err != nil {
		return nil, &fault{what: show.Quoted(withoutSecrets(from.url)) + " is no address", permanent: true}
	}
	for key := range header {
		r.Header.Set(key, header.Get(key))
	}
	r.Header.Set("User-Agent", "qgo")
	r.Header.Set("Accept-Encoding", "identity") // sizes and ranges are those of the file
	if hub, err := c.endpoint(); err == nil && c.Token != "" && sameOrigin(r.URL, hub) {
		if err := c.checkToken(); err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := *c.HTTP
	client.CheckRedirect = redirect
	client.Transport = checkedTransport{cmp.Or(client.Transport, http.DefaultTransport), from}
	answer, err := client.Do(r)
	if err != nil {
		return nil, networkFault(ctx, from, err)
	}
	want := http.StatusOK
	if header.Get("Range") != "" {
		want = http.StatusPartialContent
	}
	if err := c.judge(answer, want, from); err != nil {
		answer.Body.Close()
		return nil, err
	}
	return answer, nil
}

// judge returns what is wrong with an answer.
func (c *Client) judge(answer *http.Response, want int, from source) error {
	kind, _, _ := strings.Cut(strings.ToLower(answer.Header.Get("Content-Type")), ";")
	isPage := kind == "text/html" || kind == "application/xhtml+xml"
	host := show.Text(answer.Request.URL.Host)
	switch {
	case (answer.StatusCode == http.StatusOK || answer.StatusCode == want) && isPage:
		return &fault{what: host + " answered with a web page in place of what was asked for",
			advice: "a login, a proxy or a network's sign-in page may be in the way: open it in a browser", permanent: true}
	case answer.StatusCode == want:
		return nil
	case answer.StatusCode == http.StatusOK:
		return errNoRanges
	}
	token := answer.Request.Header.Get("Authorization") != "" // after redirects, too
	return statusFault(answer, from, token, c.TokenFrom)
}

// stallReader is a body whose timer ends it.
type stallReader struct {
	body    io.ReadCloser
	host    string
	after   time.Duration
	timer   *time.Timer
	cancel  func()
	stalled atomic.Bool
}

func (r *stallReader) Read(b []byte) (int, error) {
	n, err := r.body.Read(b)
	r.timer.Reset(r.after)
	return n, r.explain(err)
}

func (r *stallReader) explain(err error) error {
	if err != nil && err != io.EOF && r.stalled.Load() {
		return &fault{what: fmt.Sprintf("nothing came from %s for %s", r.host, inWords(r.after)), advice: "check the connection, or pull again later", cause: err, stalled: true}
	}
	return err
}

func (r *stallReader) Close() error {
	r.timer.Stop()
	err := r.body.Close()
	r.cancel()
	return err
}
