package files

import (
	"errors"
	"os"
)

// OpenToRead opens a file for reading. What is no ordinary file is neither
// followed nor waited for. Other names of it do no harm.
func OpenToRead(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, Explain(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, regular(path, info)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return nil, Explain(path, err)
	}
	info, err = file.Stat() // it may have been exchanged meanwhile
	if err == nil && !info.Mode().IsRegular() {
		err = regular(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
