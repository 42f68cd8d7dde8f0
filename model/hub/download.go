package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"qgo/model/files"
)

// state is what is known of an unfinished download. It stands beside the
// file, so that a later run continues.
type state struct {
	SHA256 string  `json:"sha256"`
	Size   int64   `json:"size"`
	Chunk  int64   `json:"chunk"`
	Done   []int64 `json:"done"` // bytes of each chunk, from its start
}

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

func (d *download) part() string   { return d.path + ".part" }
func (d *download) record() string { return d.path + ".part.json" }

// Download gets a file and checks its size and hash. It continues where an
// earlier one ended. path appears when all is there and right. progress, if
// not nil, is called with the bytes that are there, from one goroutine at a
// time.
func (c *Client) Download(ctx context.Context, f File, path string, progress func(done int64)) error {
	if progress == nil {
		progress = func(int64) {}
	}
	unlock, err := files.Lock(ctx, path+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if info, err := os.Stat(path); err == nil && info.Size() == f.Size {
		progress(f.Size)
		return nil // somebody else got it meanwhile
	}
	d := &download{c: c, f: f, path: path, progress: progress}
	d.resume()
	if err := files.NeedSpace(path, f.Size-d.sum()); err != nil {
		return err
	}
	out, err := os.OpenFile(d.part(), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	err = d.fetch(ctx, out)
	if errors.Is(err, errNoRanges) {
		err = d.fetchWhole(ctx, out)
	}
	err = errors.Join(err, d.save(), out.Close())
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	return d.finish(ctx)
}

// resume takes up the state of an earlier download of the same file.
func (d *download) resume() {
	d.state = state{SHA256: d.f.SHA256, Size: d.f.Size, Chunk: d.c.ChunkSize}
	d.state.Done = make([]int64, (d.f.Size+d.c.ChunkSize-1)/d.c.ChunkSize)
	b, err := os.ReadFile(d.record())
	if err != nil {
		return
	}
	var old state
	if json.Unmarshal(b, &old) != nil || old.SHA256 != d.f.SHA256 || old.Size != d.f.Size || old.Chunk != d.c.ChunkSize || len(old.Done) != len(d.state.Done) {
		return
	}
	info, err := os.Stat(d.part())
	if err != nil {
		return
	}
	for i, n := range old.Done {
		if start := int64(i) * old.Chunk; n < 0 || n > d.length(i) || n > 0 && start+n > info.Size() {
			return
		}
	}
	d.state = old
}

// length is the number of bytes in chunk i.
func (d *download) length(i int) int64 {
	return min(d.state.Chunk, d.state.Size-int64(i)*d.state.Chunk)
}

// sum is the number of bytes that are there.
func (d *download) sum() (n int64) {
	for _, k := range d.state.Done {
		n += k
	}
	return n
}

func (d *download) save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := json.Marshal(d.state)
	if err != nil {
		return err
	}
	d.saved = time.Now()
	return os.WriteFile(d.record(), b, 0o644)
}

const saveInterval = 2 * time.Second

// count adds n bytes to chunk i.
func (d *download) count(i int, n int64) error {
	d.mu.Lock()
	d.state.Done[i] += n
	d.progress(d.sum())
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
	start, left := int64(i)*d.state.Chunk+have, d.length(i)-have
	if left == 0 {
		return false, nil
	}
	body, err := d.open(ctx, fmt.Sprintf("bytes=%d-%d", start, start+left-1))
	if err != nil {
		return false, err
	}
	defer body.Close()
	in := io.LimitReader(body, left)
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
			return progress, fmt.Errorf("the connection ended %d bytes early: %w", left, err)
		}
	}
	return progress, nil
}

// fetchWhole gets all from a server that cannot send parts.
func (d *download) fetchWhole(ctx context.Context, out *os.File) error {
	return d.c.retry(ctx, func() (bool, error) {
		clear(d.state.Done)
		body, err := d.open(ctx, "")
		if err != nil {
			return false, err
		}
		defer body.Close()
		buf := make([]byte, 1<<18)
		for at := int64(0); at < d.f.Size; {
			n, err := body.Read(buf[:min(int64(len(buf)), d.f.Size-at)])
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				return false, err
			}
			at += int64(n)
			d.progress(at)
			if err != nil && at < d.f.Size {
				return false, fmt.Errorf("the connection ended %d bytes early: %w", d.f.Size-at, err)
			}
		}
		for i := range d.state.Done {
			d.state.Done[i] = d.length(i)
		}
		return true, nil
	})
}

// open asks for the file, or a range of it. Reading fails when nothing comes
// for too long.
func (d *download) open(ctx context.Context, byteRange string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	r := &stallReader{after: d.c.Stall, cancel: cancel}
	r.timer = time.AfterFunc(d.c.Stall, func() {
		r.stalled.Store(true)
		cancel()
	})
	var err error
	if r.body, err = d.c.get(ctx, d.f.url, byteRange); err != nil {
		r.timer.Stop()
		cancel()
		return nil, r.explain(err)
	}
	return r, nil
}

// stallReader is a body whose timer ends it.
type stallReader struct {
	body    io.ReadCloser
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
		return fmt.Errorf("nothing came for %v", r.after)
	}
	return err
}

func (r *stallReader) Close() error {
	r.timer.Stop()
	err := r.body.Close()
	r.cancel()
	return err
}

// finish checks the file and gives it its name.
func (d *download) finish(ctx context.Context) error {
	sum, size, err := HashFile(ctx, d.part())
	if err != nil {
		return err
	}
	if size != d.f.Size || sum != d.f.SHA256 {
		return errors.Join(fmt.Errorf("%s: expected %d bytes with the SHA-256 %s, found %d with %s; the file was deleted, pull it again",
			d.f.Path, d.f.Size, d.f.SHA256, size, sum), os.Remove(d.part()), os.Remove(d.record()))
	}
	if err := writeRecord(d.path, d.f); err != nil {
		return err
	}
	return errors.Join(os.Rename(d.part(), d.path), os.Remove(d.record()))
}

// HashFile returns the SHA-256 of a file, in hexadecimal digits, and its size.
func HashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	h := sha256.New()
	const piece = 8 << 20 // so that ctx can end it
	for {
		n, err := io.CopyN(h, file, piece)
		size += n
		switch {
		case err == io.EOF:
			return hex.EncodeToString(h.Sum(nil)), size, nil
		case err != nil:
			return "", 0, err
		case ctx.Err() != nil:
			return "", 0, ctx.Err()
		}
	}
}
