package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"qgo/gguf/show"
	"qgo/model/files"
)

// download gets one file.
type download struct {
	c        *Client
	f        File
	path     string // where it will be; part and state have names of their own
	progress func(done int64)

	mu    sync.Mutex
	state state
	saved time.Time
}

func (d *download) part() string   { return d.path + partEnd }
func (d *download) record() string { return d.path + stateEnd }

// Download gets a file and checks its size and hash. It continues where an
// earlier one ended. path appears when all is there and right. A file that is
// there already is checked, and replaced if it is not the right one. progress,
// if not nil, is called with the bytes that are there, from one goroutine at a
// time.
func (c *Client) Download(ctx context.Context, f File, path string, progress func(done int64)) error {
	if progress == nil {
		progress = func(int64) {}
	}
	d := &download{c: c, f: f, path: path, progress: progress}
	stop := d.c.ifLong("another program is downloading " + show.Text(filepath.Base(path)) + ": waiting for it")
	unlock, err := files.Lock(ctx, path+lockEnd)
	stop()
	if err != nil {
		return d.explain(err)
	}
	defer unlock()
	if there, err := d.there(ctx); there || err != nil {
		return err
	}
	if err := d.clearWay(); err != nil {
		return err
	}
	d.resume()
	if err := files.NeedSpace(path, f.Size-d.state.sum()); err != nil {
		return err
	}
	out, err := files.Open(d.part())
	if err != nil {
		return d.explain(err)
	}
	err = d.fetch(ctx, out)
	if errors.Is(err, errNoRanges) {
		err = d.fetchWhole(ctx, out)
	}
	if err != nil && d.state.sum() == 0 {
		err = cmp.Or(err, out.Close())
		_ = d.clear() // the first error is the one to report
		return d.explain(err)
	}
	if err = cmp.Or(err, d.save(), out.Close()); err != nil {
		return d.explain(err)
	}
	return d.explain(d.finish(ctx))
}

// clear removes what there is of the download.
func (d *download) clear() error {
	for _, path := range []string{d.part(), d.record()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// explain returns an error with the name of the file that is downloaded, and
// without those of the files beside it.
func (d *download) explain(err error) error {
	var unwritten *writeError
	var inFile *fs.PathError
	var inLink *os.LinkError
	switch {
	case err == nil, err == context.Canceled, errors.As(err, &unwritten):
		return err
	case errors.As(err, &inFile), errors.As(err, &inLink):
		return d.unwritten(err)
	}
	return fmt.Errorf("%s: %w", show.Text(d.f.Path), err)
}

// unwritten says that the file cannot be written, for the reason at the bottom
// of err.
func (d *download) unwritten(err error) error {
	if err == nil {
		return nil
	}
	reason := err
	for next := errors.Unwrap(reason); next != nil; next = errors.Unwrap(reason) {
		reason = next
	}
	return &writeError{fmt.Sprintf("%s cannot be written to %s: %v", show.Text(d.f.Path), filepath.Dir(d.path), reason), err}
}

// writeError is an error of a file in the cache, in other words.
type writeError struct {
	text string
	err  error
}

func (e *writeError) Error() string { return e.text }
func (e *writeError) Unwrap() error { return e.err }

// there reports whether the file is there and the right one.
func (d *download) there(ctx context.Context) (bool, error) {
	info, err := os.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, files.Explain(d.path, err)
	}
	if !info.Mode().IsRegular() {
		return false, files.Regular(d.path)
	}
	want := cmp.Or(d.f.SHA256, d.recorded())
	if info.Size() == d.f.Size && want != "" {
		sum, _, err := d.hash(ctx, d.path)
		if err != nil {
			return false, err
		}
		if sum == want {
			d.progress(d.f.Size)
			d.f.SHA256 = sum
			return true, d.unwritten(writeRecord(d.path, d.f))
		}
	}
	why := "is not the file that is published (its size or SHA-256 differs)"
	if info.Size() == d.f.Size && want == "" {
		why = "the address does not say whether it is still the same"
	}
	d.c.announce(show.Text(filepath.Base(d.path))+" is here, but "+why+": downloading it anew", 0)
	return false, nil
}

// recorded returns the hash of the file that is here, if it is still the one
// at an address that states none: one of the same ETag. Where there is none a
// query, which is not kept, may choose another file.
func (d *download) recorded() string {
	r, ok := ReadRecord(d.path)
	same := r.ETag == d.f.etag
	if r.ETag == "" || d.f.etag == "" {
		same = !strings.Contains(d.f.url, "?")
	}
	if !ok || r.URL != withoutSecrets(d.f.url) || !same {
		return ""
	}
	return r.SHA256
}

func (d *download) hash(ctx context.Context, path string) (sum string, size int64, err error) {
	defer d.c.ifLong("checking " + show.Text(filepath.Base(d.path)))()
	return HashFile(ctx, path)
}

// clearWay removes what is no ordinary file from where the download is
// written: it is not followed.
func (d *download) clearWay() error {
	for _, path := range []string{d.part(), d.record()} {
		if files.Regular(path) == nil {
			continue
		}
		if os.Remove(path) != nil {
			return fmt.Errorf("%s cannot be downloaded: a directory in %s whose name begins with the file's is in the way; move it away", show.Text(filepath.Base(d.path)), filepath.Dir(d.path))
		}
	}
	return nil
}

// resume takes up the state of an earlier download of the same file.
func (d *download) resume() {
	d.state = state{Name: d.f.name, SHA256: d.f.SHA256, ETag: d.f.etag, Size: d.f.Size, Chunk: d.c.ChunkSize}
	d.state.Done = make([]int64, chunks(d.f.Size, d.c.ChunkSize))
	old, ok := readState(d.record())
	if !ok || old.SHA256 != d.f.SHA256 || old.ETag != d.f.etag || old.SHA256+old.ETag == "" || old.Size != d.f.Size || old.Chunk != d.c.ChunkSize {
		return
	}
	info, err := os.Lstat(d.part())
	if err != nil {
		return
	}
	for i, n := range old.Done {
		if n > 0 && int64(i)*old.Chunk+n > info.Size() {
			return
		}
	}
	old.Name = d.f.name
	d.state = old
}

func (d *download) save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := json.Marshal(d.state)
	if err != nil {
		return err
	}
	d.saved = time.Now()
	return d.unwritten(replace(d.record(), b))
}

const saveInterval = 2 * time.Second

// count adds n bytes to chunk i.
func (d *download) count(i int, n int64) error {
	d.mu.Lock()
	d.state.Done[i] += n
	d.progress(d.state.sum())
	due := time.Since(d.saved) > saveInterval
	d.mu.Unlock()
	if due {
		return d.save()
	}
	return nil
}

// fetch gets what is missing, several chunks at a time.
func (d *download) fetch(ctx context.Context, out *os.File) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	chunks := make(chan int)
	var wg sync.WaitGroup
	for range min(d.c.Connections, len(d.state.Done)) {
		wg.Go(func() {
			for i := range chunks {
				if err := d.c.retry(ctx, func() (bool, error) { return d.chunk(ctx, out, i) }); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range d.state.Done {
		select {
		case chunks <- i:
		case <-ctx.Done():
		}
	}
	close(chunks)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// chunk gets the rest of chunk i. It reports whether any of it came.
func (d *download) chunk(ctx context.Context, out *os.File, i int) (progress bool, err error) {
	d.mu.Lock()
	have := d.state.Done[i]
	d.mu.Unlock()
	start, left := int64(i)*d.state.Chunk+have, d.state.length(i)-have
	if left == 0 {
		return false, nil
	}
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", start, start+left-1)}}
	if d.f.SHA256 == "" && d.f.etag != "" {
		header.Set("If-Range", d.f.etag) // or else there is no telling that the file changed
	}
	answer, err := d.c.get(ctx, d.f.source, header)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if err := d.checkRange(answer.Header, start); err != nil {
		return false, err
	}
	in := io.LimitReader(answer.Body, left)
	buf := make([]byte, 1<<18)
	for left > 0 {
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := out.WriteAt(buf[:n], start); err != nil {
				return progress, err
			}
			if err := d.count(i, int64(n)); err != nil {
				return progress, err
			}
			progress = true
			start, left = start+int64(n), left-int64(n)
		}
		if left > 0 && err != nil {
			return progress, d.early(ctx, left, err, "check the connection, what was downloaded is kept")
		}
	}
	return progress, nil
}

// checkRange fails if an answer is about another place, or a file of another
// size, than was asked for.
func (d *download) checkRange(h http.Header, start int64) error {
	from, _, size := contentRange(h)
	f := &fault{advice: "which may be for a moment: pull again", permanent: true}
	switch {
	case from != start:
		f.what = fmt.Sprintf("%s sent another part of the file than it was asked for", d.f.host())
	case size >= 0 && size < d.f.Size:
		f.what = fmt.Sprintf("%s has a file of %d bytes, shorter than the hub said", d.f.host(), size)
	case size > d.f.Size:
		f.what = fmt.Sprintf("%s has a file of %d bytes, longer than the hub said", d.f.host(), size)
	default:
		return nil
	}
	return f
}

// fetchWhole gets all from a server that cannot send parts.
func (d *download) fetchWhole(ctx context.Context, out *os.File) error {
	return d.c.retry(ctx, func() (bool, error) {
		clear(d.state.Done)
		answer, err := d.c.get(ctx, d.f.source, nil)
		if err != nil {
			return false, err
		}
		defer answer.Body.Close()
		buf := make([]byte, 1<<18)
		for at := int64(0); at < d.f.Size; {
			n, err := answer.Body.Read(buf[:min(int64(len(buf)), d.f.Size-at)])
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				return false, err
			}
			at += int64(n)
			d.progress(at)
			if err != nil && at < d.f.Size {
				return false, d.early(ctx, d.f.Size-at, err, "check the connection; this server sends files as a whole only, and each pull begins anew")
			}
		}
		for i := range d.state.Done {
			d.state.Done[i] = d.state.length(i)
		}
		return true, nil
	})
}

// early is the error for an answer that ended with so many bytes missing.
func (d *download) early(ctx context.Context, left int64, err error, advice string) error {
	var f *fault
	if errors.As(err, &f) {
		return f // it says more
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &fault{what: fmt.Sprintf("the connection to %s broke off %d bytes early", d.f.host(), left),
		advice: advice, cause: err}
}

// finish checks the file and gives it its name.
func (d *download) finish(ctx context.Context) error {
	sum, size, err := d.hash(ctx, d.part())
	if err != nil {
		return err
	}
	d.f.SHA256 = cmp.Or(d.f.SHA256, sum)
	if size != d.f.Size || sum != d.f.SHA256 {
		return cmp.Or(d.clear(), fmt.Errorf("expected %d bytes with the SHA-256 %s, found %d with %s; the file was deleted, pull it again",
			d.f.Size, d.f.SHA256, size, sum))
	}
	if err := writeRecord(d.path, d.f); err != nil {
		return d.unwritten(err)
	}
	return cmp.Or(os.Rename(d.part(), d.path), os.Remove(d.record()))
}
