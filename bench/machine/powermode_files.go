package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"qgo/gguf/show"
	"qgo/model/files"
)

// fileKnob is a setting in files of sysfs, one for each CPU or package.
type fileKnob struct {
	c      *PowerControl
	name   string
	files  func() []string // those of CPUs that are on now
	values string          // in words
	lack   string
	form   func(value string) (string, error)
	text   func(file, value string) string      // that is written to the file
	took   func(file, value, found string) bool // what is read after that
}

func (k *fileKnob) word() string                       { return k.name }
func (k *fileKnob) offer() (values, lack string)       { return k.values, k.lack }
func (k *fileKnob) parse(value string) (string, error) { return k.form(value) }

func (k *fileKnob) blocked() string {
	for _, file := range k.files() {
		f, err := k.c.open(file, os.O_WRONLY, 0)
		if err != nil {
			return notWritable(file, err)
		}
		if err := f.Close(); err != nil {
			return notWritable(file, err)
		}
	}
	return ""
}

// notWritable says why a file cannot be written.
func notWritable(file string, err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "needs root"
	case errors.Is(err, syscall.EROFS):
		return filepath.Dir(file) + " is read-only here, as in a container"
	}
	return fmt.Sprintf("%s cannot be written: %v", file, files.Reason(err))
}

func (k *fileKnob) set(ctx context.Context, value string, undone func(undo)) error {
	before, all := map[string]string{}, k.files()
	for _, file := range all {
		before[file] = readText(file)
		if before[file] == "" {
			return fmt.Errorf("%s cannot be read, and so not be restored", file)
		}
	}
	undone(func() (string, error) { return k.restore(all, before) })
	for _, file := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := k.c.write(file, k.text(file, value)); err != nil {
			return err
		}
		if found := readText(file); !k.took(file, value, found) {
			return fmt.Errorf("%s did not take: %s was written to %s, which is %s", k.name, show.Quoted(k.text(file, value)), file, show.Quoted(found))
		}
	}
	return nil
}

// restore writes what files held before.
func (k *fileKnob) restore(all []string, before map[string]string) (byHand string, err error) {
	var first error                 // the others have the same reason
	failed := map[string][]string{} // files by what they held
	for _, file := range slices.Backward(all) {
		err := k.c.write(file, before[file])
		if found := readText(file); err == nil && found != before[file] {
			err = fmt.Errorf("%s stays %s", file, show.Quoted(found))
		}
		if err != nil {
			first = cmp.Or(first, err)
			failed[before[file]] = append(failed[before[file]], file)
		}
	}
	var commands []string
	for _, text := range slices.Sorted(maps.Keys(failed)) {
		slices.Reverse(failed[text])
		commands = append(commands, fmt.Sprintf("echo %s | sudo tee %s", show.Text(text), strings.Join(failed[text], " ")))
	}
	return strings.Join(commands, "; "), first
}

// write writes a file of sysfs.
func (c *PowerControl) write(file, text string) error {
	f, err := c.open(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		_, err = f.WriteString(text + "\n")
		err = errors.Join(err, f.Close())
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: %s", file, notWritable(file, err))
	}
	return fmt.Errorf("%s did not take %s: %w", file, show.Quoted(text), files.Reason(err))
}

// readText reads a small file; what cannot be read is empty.
func readText(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// glob lists the files of a pattern below the root.
func (c *PowerControl) glob(pattern string) []string {
	all, err := filepath.Glob(filepath.Join(c.root, pattern))
	if err != nil {
		return nil
	}
	return all
}
