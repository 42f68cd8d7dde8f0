package hub

import (
	"context"
	"os"

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
	if err := files.NeedSpace(path, need); err != nil {
		return "", 0, err
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

// present is the number of bytes that are here of a file.
func present(path string) int64 {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	s, _ := readState(path + stateEnd)
	return s.sum()
}
