// Package files is what commands that write large files share.
package files

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
)

// NeedSpace fails if the file system of the file path has less than n bytes
// free; its directory need not exist yet. Where that cannot be told it
// succeeds, and writing will tell.
func NeedSpace(path string, n int64) error {
	dir := filepath.Dir(path)
	free, err := free(existing(dir))
	if err != nil || n <= free {
		return nil
	}
	return fmt.Errorf("%s needs %s, but there are only %s free in %s; delete what you can spare, or choose another place",
		filepath.Base(path), humanize.Bytes(uint64(n)), humanize.Bytes(uint64(free)), dir)
}

// existing returns the directory, or the nearest above it that exists.
func existing(dir string) string {
	for {
		above := filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil || above == dir {
			return dir
		}
		dir = above
	}
}
