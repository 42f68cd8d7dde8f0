//go:build unix

package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOpenToRead opens what can be there: nothing waits, and no link is
// followed.
func TestOpenToRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.WriteFile(at("file"), []byte("text"), 0o400), os.Link(at("file"), at("hard")),
		os.Symlink(at("file"), at("link")), syscall.Mkfifo(at("pipe"), 0o600), os.Mkdir(at("directory"), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"link": "is a symbolic link", "pipe": "is no ordinary file", "directory": "is a directory"} {
		if _, err := OpenToRead(at(name)); err == nil || !strings.Contains(err.Error(), at(name)+" "+want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	for _, name := range []string{"file", "hard"} {
		file, err := OpenToRead(at(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, err := io.ReadAll(file); string(b) != "text" || err != nil {
			t.Errorf("%s: read %q, %v", name, b, err)
		}
		file.Close()
	}
	if _, err := OpenToRead(at("none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}
