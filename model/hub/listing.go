package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"qgo/gguf/show"
)

// File is a published file.
type File struct {
	Path   string // in the repository
	Size   int64
	SHA256 string // in hexadecimal digits; empty if it is not known
	source
	etag  string // that tells versions of it apart, if there is one
	local string // its name in the cache
	name  string // of the model
}

// maxSize is the largest file that is believed; a state with a number for
// every chunk of it is still small.
const maxSize = 1 << 40

// Files returns the files of a model, which are several if it is split.
func (c *Client) Files(ctx context.Context, r Ref) ([]File, error) {
	var list []File
	var err error
	if r.address != nil {
		list, err = c.probeAll(ctx, r)
	} else {
		list, err = c.listRepo(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].local, list[i].name = r.local(list[i].Path), r.text
	}
	return list, nil
}

// entry is a line of the hub's listing.
type entry struct {
	Type, Path string
	Size       json.Number
	LFS        *struct {
		OID  string
		Size json.Number
	}
}

func (c *Client) listRepo(ctx context.Context, r Ref) ([]File, error) {
	if _, err := c.endpoint(); err != nil {
		return nil, err
	}
	at := source{c.Endpoint + "/api/models/" + r.repo + "/tree/" + url.PathEscape(r.revision), true}
	if r.quant != "" || r.stem == "" || strings.Contains(r.stem, "/") {
		at.url += "?recursive=true"
	}
	var body []byte
	stalls := 0
	err := c.retry(ctx, func() (_ bool, err error) {
		body, err = c.listing(ctx, at)
		var f *fault
		if errors.As(err, &f) && f.stalled {
			stalls++
			f.permanent = stalls > 1 // a list is short: who does not send it will not
		}
		return false, err
	})
	if err != nil {
		return nil, err
	}
	var tree []entry
	if json.Unmarshal(body, &tree) != nil {
		return nil, fmt.Errorf("the answer of %s is no list of files; check HF_ENDPOINT if you set it", at.host())
	}
	chosen, err := choose(r, tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", show.Text(r.repo), err)
	}
	var list []File
	for _, e := range chosen {
		f, err := c.listed(r, e)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// listing returns a listing, within bounds of size and time.
func (c *Client) listing(ctx context.Context, from source) ([]byte, error) {
	const stalls = 4 // in all; it would be sent in a second
	limited, cancel := context.WithTimeout(ctx, stalls*c.Stall)
	defer cancel()
	body, err := c.readListing(limited, from)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return nil, &fault{what: fmt.Sprintf("%s did not send its list of files within %s", from.host(), inWords(stalls*c.Stall)),
			advice: "try again later", cause: err, permanent: true}
	}
	return body, err
}

func (c *Client) readListing(ctx context.Context, from source) ([]byte, error) {
	answer, err := c.get(ctx, from, nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	const most = 8 << 20
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err != nil {
		return nil, bodyFault(ctx, from, err)
	}
	if len(body) > most {
		return nil, &fault{what: fmt.Sprintf("the list of files of %s does not end after %d MB", from.host(), most>>20), permanent: true}
	}
	return body, nil
}

// bodyFault is for an answer that ends early.
func bodyFault(ctx context.Context, from source, err error) error {
	if f, ok := err.(*fault); ok {
		return f
	}
	return networkFault(ctx, from, err)
}

// choose returns the files of the listing that are meant, in order.
func choose(r Ref, tree []entry) ([]entry, error) {
	var stems, all []string
	for _, e := range tree {
		p, ok := parsePart(e.Path)
		if e.Type != "file" || !ok {
			continue
		}
		if !slices.Contains(all, p.stem) {
			all = append(all, p.stem)
		}
		if r.matches(p.stem) && !slices.Contains(stems, p.stem) {
			stems = append(stems, p.stem)
		}
	}
	if len(stems) == 0 {
		what := "no file " + show.Text(r.stem) + ".gguf"
		if r.stem == "" {
			what = "no GGUF file"
			if r.quant != "" {
				what += " of type " + show.Text(r.quant)
			}
		}
		if len(all) > 0 {
			what += "; there is " + someOf(all)
		}
		return nil, fmt.Errorf("the hub has %s", what)
	}
	stem, err := r.pick(stems)
	if err != nil {
		return nil, err
	}
	return parts(stem, tree)
}

// parts returns the whole file of that stem, or all parts of it. Some
// repositories have both.
func parts(stem string, tree []entry) ([]entry, error) {
	sets := map[int]map[int]entry{} // by how many there are, and which it is
	for _, e := range tree {
		if p, ok := parsePart(e.Path); ok && e.Type == "file" && p.stem == stem {
			if sets[p.of] == nil {
				sets[p.of] = map[int]entry{}
			}
			sets[p.of][p.no] = e
		}
	}
	var sizes []int
	for of := range sets {
		sizes = append(sizes, of)
	}
	slices.Sort(sizes)
	for _, of := range sizes {
		if len(sets[of]) < of {
			continue
		}
		var list []entry
		for no := 1; no <= of; no++ {
			list = append(list, sets[of][no])
		}
		return list, nil
	}
	return nil, fmt.Errorf("the hub has %d of %d parts of %s.gguf; the model is not whole there", len(sets[sizes[0]]), sizes[0], show.Text(stem))
}

// listed returns the file of an entry, if the entry says what is needed.
func (c *Client) listed(r Ref, e entry) (File, error) {
	f := File{Path: e.Path}
	if e.LFS == nil || !isSHA256(e.LFS.OID) {
		return f, fmt.Errorf("the hub states no size and hash for %s; it cannot be checked", show.Text(e.Path))
	}
	size, err := strconv.ParseInt(e.LFS.Size.String(), 10, 64)
	if err != nil || size <= 0 || size > maxSize {
		return f, fmt.Errorf("the hub states a size of %s bytes for %s; expected 1 to %d", show.Text(e.LFS.Size.String()), show.Text(e.Path), int64(maxSize))
	}
	f.Size, f.SHA256 = size, e.LFS.OID
	f.source = source{c.Endpoint + "/" + r.repo + "/resolve/" + url.PathEscape(r.revision) + "/" + escapePath(e.Path), true}
	return f, nil
}

func escapePath(p string) string {
	list := strings.Split(p, "/")
	for i := range list {
		list[i] = url.PathEscape(list[i])
	}
	return strings.Join(list, "/")
}
