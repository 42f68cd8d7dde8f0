package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// names lists what is in a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.gguf")
	failed := errors.New("no more")
	for _, c := range []struct {
		write func(io.Writer) error
		err   error
		want  string // the contents afterwards
	}{
		{text("one"), nil, "one"},
		{func(w io.Writer) error { return errors.Join(text("half")(w), failed) }, failed, "one"},
		{text("two"), nil, "two"},
	} {
		if err := Replace(path, c.write); !errors.Is(err, c.err) {
			t.Errorf("error %v, want %v", err, c.err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != c.want {
			t.Errorf("contents %q, %v; want %q", got, err, c.want)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"x.gguf"}) {
			t.Errorf("the directory holds %v", got)
		}
	}
}

func TestReplaceErrors(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, strings.Repeat("x", 300))
	for path, want := range map[string]string{
		dir:                             dir + " is a directory; name the file to write in it",
		os.DevNull:                      os.DevNull + " is not a regular file; choose another name",
		filepath.Join(dir, "none", "x"): "there is no directory " + filepath.Join(dir, "none") + " to write x in; make it first",
		long:                            long + " cannot be written: ",
	} {
		err := Replace(path, text("x"))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), partEnd) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("the directory holds %v", got)
	}
}

// TestReplaceStale leaves parts of dead writers, of a living one and of other
// files: only the first go.
func TestReplaceStale(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.gguf")
	dead := []string{"x.gguf.2.part", "x.gguf.2.part.lock", "x.gguf.3.part.lock", "y.gguf.1.part", "y.gguf.1.part.lock"}
	others := []string{"x.gguf.part", "x.gguf.part.lock", "x.gguf.a1.part", "x.gguf.a1.part.lock", "z.gguf.1.part", "x.gguf.4.part"}
	for _, name := range slices.Concat(dead, others) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := Lock(context.Background(), filepath.Join(dir, "x.gguf.4.part.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := Replace(path, text("new")); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(others), "x.gguf.4.part.lock", "x.gguf")
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("the directory holds %v, want %v", got, want)
	}
}

// TestReplaceKilled kills a process that writes, and replaces its file.
func TestReplaceKilled(t *testing.T) {
	const variable = "QGO_TEST_REPLACE"
	if path := os.Getenv(variable); path != "" {
		_ = Replace(path, func(w io.Writer) error {
			_ = text("half")(w)
			fmt.Println("writing")
			time.Sleep(time.Hour)
			return nil
		})
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "x.gguf")
	cmd := exec.Command(os.Args[0], "-test.run=^TestReplaceKilled$")
	cmd.Env = append(os.Environ(), variable+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for line := bufio.NewScanner(out); line.Scan() && line.Text() != "writing"; {
	}
	if err := Replace(path, text("ours")); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); len(got) != 3 { // a living writer keeps its part and lock
		t.Errorf("beside a living writer the directory holds %v", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := Replace(path, text("again")); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"x.gguf"}) {
		t.Errorf("the directory holds %v", got)
	}
}
