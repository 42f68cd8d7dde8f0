//go:build unix

package hub

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOddFiles puts links, pipes and directories where a download has its
// files: nothing outside the cache is touched, and nothing waits.
func TestOddFiles(t *testing.T) {
	h := newFakeHub(t, 3000)
	for _, end := range []string{"", partEnd, stateEnd, recordEnd, ".lock"} {
		for _, kind := range []string{"link", "dangling", "hard", "pipe", "directory"} {
			dir := t.TempDir()
			outside, none := filepath.Join(dir, "outside"), filepath.Join(dir, "none")
			path := filepath.Join(dir, "models", fileName)
			err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(outside, []byte("mine"), 0o600))
			switch kind {
			case "link":
				err = errors.Join(err, os.Symlink(outside, path+end))
			case "dangling":
				err = errors.Join(err, os.Symlink(none, path+end))
			case "hard":
				err = errors.Join(err, os.Link(outside, path+end))
			case "pipe":
				err = errors.Join(err, syscall.Mkfifo(path+end, 0o600))
			case "directory":
				err = errors.Join(err, os.MkdirAll(filepath.Join(path+end, "full"), 0o700))
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (Cache{filepath.Dir(path)}).List(); err != nil {
				t.Errorf("%s at %s: list: %v", kind, end, err)
			}
			err = h.pull(h.client(), path)
			fails := kind == "directory" || end == ".lock" || end == "" && kind == "pipe"
			if (err != nil) != fails {
				t.Errorf("%s at %q: error %v", kind, end, err)
			}
			if err != nil {
				if text := err.Error(); strings.Contains(text, "\n") || strings.Contains(text, partEnd) || !strings.Contains(text, "move it away") && !strings.Contains(text, "cannot be written") {
					t.Errorf("%s at %q: error %v", kind, end, err)
				}
			} else if info, err := os.Lstat(path); err != nil || info.Size() != 3000 {
				t.Errorf("%s at %q: the file is %v, %v", kind, end, info, err)
			}
			if b, _ := os.ReadFile(outside); string(b) != "mine" {
				t.Errorf("%s at %q: the file outside has %d bytes", kind, end, len(b))
			}
			if _, err := os.Lstat(none); err == nil {
				t.Errorf("%s at %q: a file was made outside", kind, end)
			}
		}
	}
}
