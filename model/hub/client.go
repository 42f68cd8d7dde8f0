package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultEndpoint is Hugging Face's hub.
const DefaultEndpoint = "https://huggingface.co"

// Client speaks with a hub. The zero value is not useful; see [NewClient].
type Client struct {
	Endpoint string
	Token    string // of an account; may be empty
	HTTP     *http.Client

	ChunkSize   int64         // bytes of a file that one request gets
	Connections int           // at a time
	Stall       time.Duration // without a byte, after which a connection is given up
	Attempts    int           // in a row without a byte, before a download is given up
	Pause       time.Duration // before the second attempt; it doubles with each
}

// NewClient returns a client with the settings of the environment: HF_ENDPOINT,
// HF_TOKEN, and the proxies that net/http knows.
func NewClient() *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	return &Client{
		Endpoint: strings.TrimRight(cmp.Or(os.Getenv("HF_ENDPOINT"), DefaultEndpoint), "/"),
		Token:    os.Getenv("HF_TOKEN"),
		HTTP:     &http.Client{Transport: transport},

		ChunkSize: 32 << 20, Connections: 4, Stall: 30 * time.Second, Attempts: 6, Pause: time.Second,
	}
}

// File is a published file.
type File struct {
	Path   string
	Size   int64
	SHA256 string // in hexadecimal digits
	url    string
}

// Files returns the files of a model, which are several if it is split.
func (c *Client) Files(ctx context.Context, n Name) ([]File, error) {
	address := c.Endpoint + "/api/models/" + n.repo() + "/tree/main"
	var tree []struct {
		Type, Path string
		Size       int64
		LFS        *struct {
			OID  string
			Size int64
		}
	}
	err := c.retry(ctx, func() (bool, error) {
		body, err := c.get(ctx, address, "")
		if err != nil {
			return false, err
		}
		defer body.Close()
		tree = nil
		const maxListing = 16 << 20
		if err := json.NewDecoder(io.LimitReader(body, maxListing)).Decode(&tree); err != nil {
			return false, fmt.Errorf("%s: the answer is no list of files: %w", address, err)
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	var list []File
	ours := regexp.MustCompile("^" + regexp.QuoteMeta(n.Stem()) + `(-\d{5}-of-\d{5})?\.gguf$`)
	for _, f := range tree {
		if f.Type != "file" || !ours.MatchString(f.Path) {
			continue
		}
		const maxSize = 1 << 40 // which a state with a few numbers a chunk takes
		if f.LFS == nil || !isSHA256(f.LFS.OID) || f.LFS.Size <= 0 || f.LFS.Size > maxSize {
			return nil, fmt.Errorf("%s: the hub states no size and hash for %s, or one above a terabyte", address, f.Path)
		}
		list = append(list, File{
			Path: f.Path, Size: f.LFS.Size, SHA256: f.LFS.OID,
			url: c.Endpoint + "/" + n.repo() + "/resolve/main/" + url.PathEscape(f.Path),
		})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no file %s.gguf", address, n.Stem())
	}
	slices.SortFunc(list, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

var isSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString

// statusError is an answer that is not the one wanted.
type statusError struct {
	url    string
	status int
	after  time.Duration // the server asks to wait that long
	token  bool          // was sent
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: the server answered %d %s", e.url, e.status, http.StatusText(e.status))
	switch {
	case (e.status == http.StatusUnauthorized || e.status == http.StatusForbidden) && e.token:
		text += "; HF_TOKEN is not one that may read this"
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden:
		text += "; set HF_TOKEN to a token of an account that may read this"
	case e.status == http.StatusNotFound:
		text += "; HF_ENDPOINT, if you set it, must be a server that has the model"
	case e.status == http.StatusRequestedRangeNotSatisfiable:
		text += "; the file is shorter than the hub said, which may be for a moment: pull again"
	case e.temporary():
		text += "; try again later, what was downloaded is kept"
	}
	return text
}

func (e *statusError) temporary() bool {
	return e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout || e.status >= 500
}

// get asks for a URL, or for a range of it, and returns the body. If the
// server sends all in place of the range the error is errNoRanges.
func (c *Client) get(ctx context.Context, address, byteRange string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "qgo")
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token) // net/http keeps it from other hosts
	}
	want := http.StatusOK
	if byteRange != "" {
		r.Header.Set("Range", byteRange)
		want = http.StatusPartialContent
	}
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w; check the network, and HTTPS_PROXY and HF_ENDPOINT if you need them", err)
	}
	switch {
	case answer.StatusCode == want:
		return answer.Body, nil
	case answer.StatusCode == http.StatusOK:
		answer.Body.Close()
		return nil, errNoRanges
	}
	answer.Body.Close()
	return nil, &statusError{url: address, status: answer.StatusCode, after: retryAfter(answer.Header), token: c.Token != ""}
}

var errNoRanges = errors.New("the server does not send parts of files")

// retryAfter is the time that a server asks to wait: a number of seconds or a
// date (RFC 9110, 10.2.3).
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return time.Duration(min(n, 3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(time.Until(at), 0), time.Hour)
	}
	return 0
}

// retry calls try until it succeeds, fails for good, or fails too often
// without getting anywhere. try reports whether it got somewhere.
func (c *Client) retry(ctx context.Context, try func() (progress bool, err error)) error {
	pause := c.Pause
	for failures := 1; ; failures++ {
		progress, err := try()
		if err == nil {
			return nil
		}
		if progress {
			failures, pause = 1, c.Pause
		}
		wait := pause
		var status *statusError
		if errors.As(err, &status) {
			if !status.temporary() {
				return err
			}
			wait = max(wait, status.after)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if failures >= c.Attempts || permanent(err) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, 30*time.Second)
	}
}

// permanent reports whether trying again cannot help.
func permanent(err error) bool {
	var path *os.PathError // of a file here: the disk is full, say
	return errors.Is(err, errNoRanges) || errors.As(err, &path)
}
