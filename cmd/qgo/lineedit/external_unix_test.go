//go:build unix

package lineedit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOtherEditor wants the editor's file to go however the message ends, and
// words where there is no editor.
func TestOtherEditor(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("VISUAL", " ") // as good as none
	t.Setenv("EDITOR", "true -x")
	e := NewEditor(nil, os.Stdout, openHistory(t, ""), nil)
	s := press(newState("> ", nil, nil), "secret")
	s.other = &e.other
	if s.openEditor() == nil || !e.other.open() {
		t.Fatalf("the editor was not opened: %s", s.notice)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 1 || string(read(t, names[0])) != "secret" {
		t.Fatalf("files %q, %v", names, err)
	}
	e.other.close()
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 || e.other.open() {
		t.Errorf("the files %q are left", names)
	}
	t.Setenv("EDITOR", "no-such-editor")
	if s.openEditor() != nil || s.notice != `there is no editor "no-such-editor" ($VISUAL and $EDITOR say which one it is)` {
		t.Errorf("notice %q", s.notice)
	}
	t.Setenv("EDITOR", "true")
	t.Setenv("TMPDIR", filepath.Join(dir, "none"))
	if s.openEditor() != nil || s.notice != "there is no place for the editor's file: "+filepath.Join(dir, "none")+": no such file or directory" {
		t.Errorf("notice %q", s.notice)
	}
}

// TestOddHistory keeps a history in memory whose file is no ordinary one. None
// is waited for, followed or written.
func TestOddHistory(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.WriteFile(at("file"), nil, 0o600), os.Symlink(at("file"), at("link")), syscall.Mkfifo(at("pipe"), 0o600), os.Mkdir(at("directory"), 0o700))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"link": "symbolic link", "pipe": "no ordinary file", "directory": "directory", "file/x": "not a directory"} {
		h, err := OpenHistory(at(path))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
		h.Add("a")
		if got := h.Entries(); len(got) != 1 || len(read(t, at("file"))) != 0 {
			t.Errorf("%s: entries %q", path, got)
		}
	}
	h := openHistory(t, at("new"))
	if err := syscall.Mkfifo(at("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Add("a") // a pipe that came later is not waited for either
	if got := h.Entries(); len(got) != 1 {
		t.Errorf("entries %q", got)
	}
}
