package files

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Ends of the names of a file that is not finished and of the lock that its
// writer holds.
const (
	partEnd = ".part"
	lockEnd = ".lock"
)

// Replace has write make the file path: it appears, or takes the place of an
// older one, when write has succeeded. Until then what was written is in a file
// beside it, which goes if write fails. What killed processes left in the
// directory goes as well.
func Replace(path string, write func(w io.Writer) error) error {
	if err := checkTarget(path); err != nil {
		return err
	}
	removeStale(filepath.Dir(path))
	part := fmt.Sprintf("%s.%d%s", path, rand.Uint32(), partEnd)
	// The lock tells others that the writer of this part lives.
	unlock, err := Lock(context.Background(), part+lockEnd)
	if err != nil {
		return cause(path, err)
	}
	defer unlock()
	if err := writePart(path, part, write); err != nil {
		_ = os.Remove(part) // the first error is the one to report
		return err
	}
	return nil
}

// writePart has write fill the new file part, and gives it the name path.
func writePart(path, part string, write func(w io.Writer) error) error {
	file, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return cause(path, err)
	}
	err = write(partWriter{file, path})
	if closed := file.Close(); err == nil && closed != nil {
		err = cause(path, closed)
	}
	if err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return cause(path, err)
	}
	return nil
}

// checkTarget fails if no file can be made under that name.
func checkTarget(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory; name the file to write in it", path)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file; choose another name", path)
	case err == nil:
		return nil
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
		return fmt.Errorf("there is no directory %s to write %s in; make it first", filepath.Dir(path), filepath.Base(path))
	}
	return nil
}

// removeStale removes the parts in a directory whose writers are dead: their
// locks are there, and free. What cannot be removed stays.
func removeStale(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), lockEnd)
		if !ok || !isPart(name) {
			continue
		}
		part := filepath.Join(dir, name)
		unlock, err := TryLock(part + lockEnd)
		if err != nil {
			continue
		}
		_ = os.Remove(part)
		unlock()
	}
}

// isPart reports whether name is one that [Replace] gives to a part.
func isPart(name string) bool {
	name, ok := strings.CutSuffix(name, partEnd)
	dot := strings.LastIndexByte(name, '.')
	return ok && dot > 0 && dot < len(name)-1 && strings.Trim(name[dot+1:], "0123456789") == ""
}

// partWriter writes to a part; its errors name the file that is to be.
type partWriter struct {
	file *os.File
	path string
}

func (w partWriter) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	if err != nil {
		err = cause(w.path, err)
	}
	return n, err
}

// cause returns what the system says about writing a file.
func cause(path string, err error) error {
	return fmt.Errorf("%s cannot be written: %w", path, Reason(err))
}
