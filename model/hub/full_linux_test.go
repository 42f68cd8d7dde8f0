package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"qgo/testdata"
)

// TestFullDisk downloads to a file system of 64 kB.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		testdata.Missing(t, "a small file system: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	path := filepath.Join(dir, fileName)
	h := newFakeHub(t, 100000)
	if err := h.pull(h.client(), path); err == nil || !strings.Contains(err.Error(), "needs 100 kB") || h.bytes.Load() != 0 {
		t.Errorf("too large from the start: %v, %d bytes sent", err, h.bytes.Load())
	}
	// Somebody else fills the disk meanwhile.
	h = newFakeHub(t, 40000)
	c := h.client()
	list, err := c.Files(t.Context(), named("qwen2.5-0.5b:q4_0"))
	if err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	full := false
	err = c.Download(t.Context(), list[0], path, func(done int64) {
		if !full && done > 10000 {
			full = true
			_ = os.WriteFile(filler, make([]byte, 60000), 0o600) // as far as there is room
		}
	})
	if !errors.Is(err, syscall.ENOSPC) || err.Error() != fmt.Sprintf("%s cannot be written to %s: no space left on device", fileName, dir) {
		t.Fatalf("full meanwhile: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := h.pull(c, path); err != nil {
		t.Fatal(err)
	}
	h.check(path)
}
