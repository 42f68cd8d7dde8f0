package gguf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
)

// Open maps a file and parses it. Where mapping is not possible the file is
// read into memory. Close it after use. Of a model that is split into several
// files, it takes the first and opens all.
//
// The file must not be changed while it is open: tensors are read from it
// when they are needed. Reading data that a shorter file no longer has is a
// fault that kills the process, unless it happens within [Guard].
func Open(path string) (*File, error) {
	f, err := openOne(path)
	if err != nil {
		return nil, err
	}
	if err := f.join(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openOne opens one file, which may be a part of a model.
func openOne(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cause(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, cause(path, err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: is a directory, expected a GGUF file", path)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file, expected a GGUF file", path)
	}
	size := info.Size()
	if int64(int(size)) != size {
		return nil, fmt.Errorf("%s: %d bytes are more than this machine can address", path, size)
	}
	data, unmap, err := mapFile(file, int(size))
	mapped := err == nil
	if errors.Is(err, errNoRoom) {
		return nil, fmt.Errorf("%s: there is no room for its %d bytes in the program's address space: raise the limit (ulimit -v)", path, size)
	}
	if !mapped {
		if data, err = io.ReadAll(io.NewSectionReader(file, 0, size)); err != nil {
			return nil, cause(path, err)
		}
		unmap = func() error { return nil }
	}
	var f *File
	err = Guard(path, func() (err error) {
		f, err = Parse(path, data)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	f.unmap = unmap
	if mapped {
		f.mapping = data
	}
	return f, nil
}

// cause is what the system says about a file, without the call that failed.
func cause(path string, err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// Guard runs f, which reads a mapped file, and turns the fault that a file
// cut short meanwhile causes into an error. It works for the goroutine that
// calls it only.
func Guard(name string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch v := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a fault: see debug.SetPanicOnFault
			err = fmt.Errorf("%s: could not be read (the file was cut short, or the disk failed)", name)
		default:
			panic(v)
		}
	}()
	return f()
}
