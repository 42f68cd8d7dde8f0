//go:build unix

package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOddFiles puts what is no ordinary file where one is opened, read, locked
// or replaced: nothing outside is touched, and nothing waits.
func TestOddFiles(t *testing.T) {
	for name, want := range map[string]string{"link": "symbolic link", "dangling": "symbolic link", "pipe": "no ordinary file", "directory": "directory", "hard": "hard link"} {
		dir := t.TempDir()
		outside, path := filepath.Join(dir, "outside"), filepath.Join(dir, "x")
		err := os.WriteFile(outside, []byte("mine"), 0o600)
		switch name {
		case "link":
			err = errors.Join(err, os.Symlink(outside, path))
		case "dangling":
			err = errors.Join(err, os.Symlink(filepath.Join(dir, "none"), path))
		case "pipe":
			err = errors.Join(err, syscall.Mkfifo(path, 0o600))
		case "directory":
			err = errors.Join(err, os.Mkdir(path, 0o700))
		case "hard":
			err = errors.Join(err, os.Link(outside, path))
		}
		if err != nil {
			t.Fatal(err)
		}
		_, opened := Open(path)
		_, read := Read(path, 10)
		_, locked := Lock(context.Background(), path)
		if name == "hard" && read == nil { // to read it changes nothing
			read = opened
		}
		for _, err := range []error{opened, read, locked, Regular(path)} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
		}
		if err := Replace(path, text("new")); (err == nil) != (name != "directory" && name != "pipe") {
			t.Errorf("%s: replacing it: %v", name, err)
		}
		if b, _ := os.ReadFile(outside); string(b) != "mine" {
			t.Errorf("%s: the file outside has %q", name, b)
		}
		if _, err := os.Lstat(filepath.Join(dir, "none")); err == nil {
			t.Errorf("%s: a file was made outside", name)
		}
	}
}

func TestRegularFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if _, err := Read(path, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	if err := errors.Join(Regular(path), Replace(path, text("0123456789")), Regular(path)); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(path, 10); err != nil || string(b) != "0123456789" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := Read(path, 9); err == nil || !strings.Contains(err.Error(), "larger than 9 bytes") {
		t.Errorf("too large: %v", err)
	}
	file, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("x"), 2); err != nil {
		t.Error(err)
	}
	file.Close()
	if b, _ := Read(path, 10); string(b) != "01x3456789" {
		t.Errorf("contents %q", b)
	}
}
