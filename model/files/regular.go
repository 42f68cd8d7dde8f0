package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Regular fails if there is something at path that is no ordinary file of its
// own: a symbolic link, a pipe, a directory, or one more name of another file.
// To write to any of these would change, or wait for, something else.
func Regular(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return Explain(path, err)
	}
	return regular(path, info)
}

func regular(path string, info fs.FileInfo) error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular() && links(info) <= 1:
		return nil
	case mode.IsRegular():
		what = "is another name of some file (a hard link)"
	case mode.IsDir():
		what = "is a directory, not a file"
	case mode&fs.ModeSymlink != 0:
		what = "is a symbolic link, not a file"
	default:
		what = "is no ordinary file"
	}
	return &notRegularError{fmt.Sprintf("%s %s; move it away", path, what)}
}

type notRegularError struct{ text string }

func (e *notRegularError) Error() string { return e.text }

// Open opens a file for reading and writing, which is made if it is not there.
// What is no ordinary file is neither followed nor waited for: see [Regular].
func Open(path string) (*os.File, error) {
	if err := Regular(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|noFollow, 0o644)
	if err != nil {
		return nil, Explain(path, err)
	}
	info, err := file.Stat() // it may have been exchanged meanwhile
	if err == nil {
		err = regular(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Read returns the contents of a small file. It fails if it is no ordinary
// file, or larger than limit. Other names of it do no harm.
func Read(path string, limit int64) ([]byte, error) {
	file, err := OpenToRead(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, Explain(path, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, nil
}

// Explain returns an error of package os as one line that says what is wrong
// with path. The error stays in its chain.
func Explain(path string, err error) error {
	if err == nil {
		return nil
	}
	return &pathError{fmt.Sprintf("%s: %v", path, Reason(err)), err}
}

// Reason returns what the system says, without the call that failed and the
// name that it was made with.
func Reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		return e.Err
	}
	return err
}

type pathError struct {
	text string
	err  error
}

func (e *pathError) Error() string { return e.text }
func (e *pathError) Unwrap() error { return e.err }
