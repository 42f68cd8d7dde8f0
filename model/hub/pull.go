package hub

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"qgo/model/files"
)

// Pull gets all files of a model into the cache, and returns the path of the
// first and the size of all. Nothing is made or sent if there is too little
// space. progress, if not nil, is called with the bytes that are there, from
// one goroutine at a time.
func (c *Client) Pull(ctx context.Context, cache Cache, r Ref, progress func(done, total int64)) (path string, total int64, err error) {
	list, err := c.Files(ctx, r)
	if err != nil {
		return "", 0, err
	}
	var need int64
	for _, f := range list {
		total += f.Size // cannot overflow: a listing has no room for so many files of maxSize
		need += f.Size - min(present(cache.Path(f)), f.Size)
	}
	path = cache.Path(list[0])
	unmake, err := makeDir(cache.Dir)
	if err != nil {
		return "", 0, err
	}
	defer func() {
		if err != nil {
			unmake()
		}
	}()
	if err := files.NeedSpace(path, need); err != nil {
		return "", 0, cmp.Or(checkWritable(cache.Dir), err)
	}
	var before int64
	for _, f := range list {
		err := c.Download(ctx, f, cache.Path(f), func(done int64) {
			if progress != nil {
				progress(before+done, total)
			}
		})
		if err != nil {
			return "", 0, err
		}
		before += f.Size
	}
	return path, total, nil
}

// makeDir makes a directory, and those above it. unmake removes those that it
// made, as far as there is nothing in them.
func makeDir(dir string) (unmake func(), err error) {
	var made []string
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		made = append(made, at)
	}
	unmake = func() {
		for _, at := range made {
			_ = os.Remove(at) // fails if something is in it, which stays
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		unmake()
		return nil, placeError("the directory for models cannot be made", dir, err)
	}
	return unmake, nil
}

// checkWritable fails if no file can be made in a directory.
func checkWritable(dir string) error {
	file, err := os.CreateTemp(dir, "qgo-*")
	if err != nil {
		return placeError("no file can be made in the directory for models", dir, err)
	}
	return cmp.Or(file.Close(), os.Remove(file.Name()))
}

func placeError(what, dir string, err error) error {
	return fmt.Errorf("%s: %w; QGO_MODELS may name another place", what, files.Explain(dir, err))
}

// present is the number of bytes that are here of a file.
func present(path string) int64 {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	s, _ := readState(path + stateEnd)
	return s.sum()
}
