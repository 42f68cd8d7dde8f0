package hub

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"qgo/gguf/show"
)

// probeAll asks about the file at an address, and the other parts of it.
func (c *Client) probeAll(ctx context.Context, r Ref) ([]File, error) {
	p, _ := parsePart(r.address.Path)
	const most = 1000
	if p.of > most {
		return nil, fmt.Errorf("%s is one of %d parts; expected at most %d", show.Text(path.Base(r.address.Path)), p.of, most)
	}
	var list []File
	for no := 1; no <= p.of; no++ {
		u := *r.address
		if p.of > 1 {
			u.Path, u.RawPath = fmt.Sprintf("%s-%05d-of-%05d.gguf", p.stem, no, p.of), ""
		}
		f := File{Path: path.Base(u.Path), source: source{url: u.String()}}
		err := c.retry(ctx, func() (bool, error) { return false, c.probe(ctx, &f) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", show.Text(f.Path), err)
		}
		list = append(list, f)
	}
	return list, nil
}

// magic is how a GGUF file begins.
const magic = "GGUF"

// probe asks for the first bytes of a file, and with them for its size.
func (c *Client) probe(ctx context.Context, f *File) error {
	header := http.Header{"Range": {fmt.Sprintf("bytes=0-%d", len(magic)-1)}}
	answer, err := c.get(ctx, f.source, header)
	if err == errNoRanges {
		answer, err = c.get(ctx, f.source, nil)
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	f.Size = answer.ContentLength
	if answer.StatusCode == http.StatusPartialContent {
		_, _, f.Size = contentRange(answer.Header)
	}
	if f.Size < 0 || f.Size > maxSize {
		return &fault{what: fmt.Sprintf("%s does not state a size between 1 and %d bytes", f.host(), int64(maxSize)), permanent: true}
	}
	begin := make([]byte, len(magic))
	if _, err := io.ReadFull(answer.Body, begin); err != nil && f.Size >= int64(len(magic)) {
		return bodyFault(ctx, f.source, err)
	}
	if string(begin) != magic {
		return &fault{what: "what " + f.host() + " sends is no GGUF file", permanent: true}
	}
	if etag := answer.Header.Get("ETag"); strings.HasPrefix(etag, `"`) { // a strong one
		f.etag = etag
	}
	return nil
}

// contentRange reads the header Content-Range; what it does not say is -1.
func contentRange(h http.Header) (from, to, size int64) {
	text, ok := strings.CutPrefix(h.Get("Content-Range"), "bytes ")
	span, total, ok2 := strings.Cut(text, "/")
	first, last, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return -1, -1, -1
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return -1
		}
		return n
	}
	return number(first), number(last), number(total)
}
