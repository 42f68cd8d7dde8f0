package gguf

import (
	"errors"
	"fmt"
	"strings"

	"qgo/gguf/show"
)

// SplitPrefix is what the keys begin with that say which part of a model a file
// is. A whole file has none of them.
const SplitPrefix = "split."

// Keys of files that llama-gguf-split wrote: number of the part from 0 on,
// number of parts, and number of tensors in all of them. Other metadata stands
// in the first part only.
const (
	splitNo      = SplitPrefix + "no"
	splitCount   = SplitPrefix + "count"
	splitTensors = SplitPrefix + "tensors.count"
	maxParts     = 99999 // names have room for five digits
)

// part returns the number of this part and of all parts; a file that is not
// split has 1.
func (f *File) part() (no, count int, err error) {
	if !f.Has(splitCount) {
		return 0, 1, nil
	}
	if count, err = Get[int](f, splitCount); err != nil || count == 1 {
		return 0, 1, err
	}
	if no, err = Get[int](f, splitNo); err != nil {
		return 0, 0, err
	}
	if count < 1 || count > maxParts {
		return 0, 0, f.KeyErrorf(splitCount, "%d parts: expected 1 to %d", count, maxParts)
	}
	if no < 0 || no >= count {
		return 0, 0, f.KeyErrorf(splitNo, "part %d of %d: expected 0 to %d", no, count, count-1)
	}
	return no, count, nil
}

// join opens the other parts of a split file, of which f is the first, and
// adds their tensors to f's.
func (f *File) join() error {
	no, count, err := f.part()
	if err != nil || count == 1 {
		return err
	}
	name := func(no int) string { return fmt.Sprintf("-%05d-of-%05d.gguf", no+1, count) }
	stem, ok := strings.CutSuffix(f.Name, name(no))
	switch {
	case !ok:
		return f.KeyErrorf(splitNo, "part %d of %d of a split model: expected a file name that ends in %s, so that the other parts are found", no+1, count, name(no))
	case no > 0:
		return f.KeyErrorf(splitNo, "part %d of %d of a split model: open the first, %s", no+1, count, stem+name(0))
	}
	for no := 1; no < count; no++ {
		p, err := openOne(stem + name(no))
		if err != nil {
			return fmt.Errorf("part %d of %d of %s: %w", no+1, count, f.Name, err)
		}
		f.parts = append(f.parts, p)
		if n, of, err := p.part(); err != nil {
			return err
		} else if n != no || of != count {
			return p.KeyErrorf(splitNo, "part %d of %d: expected part %d of %d of %s", n+1, of, no+1, count, f.Name)
		}
		for _, t := range p.Tensors {
			if _, twice := f.tensors[t.Name]; twice {
				return p.Errorf(t.Offset, "tensor %s is in another part too", show.Text(t.Name))
			}
			f.tensors[t.Name] = len(f.Tensors)
			f.Tensors = append(f.Tensors, t)
		}
		f.size += p.size
	}
	if n, err := Get[int](f, splitTensors); err != nil {
		return err
	} else if n != len(f.Tensors) {
		return f.KeyErrorf(splitTensors, "expected %d tensors, found %d in %d parts", n, len(f.Tensors), count)
	}
	return nil
}

// Paths returns the names of the files that f was opened from: more than one if
// the model is split.
func (f *File) Paths() []string {
	paths := []string{f.Name}
	for _, p := range f.parts {
		paths = append(paths, p.Name)
	}
	return paths
}

// closeParts closes the other parts of a split file.
func (f *File) closeParts() error {
	var errs []error
	for _, p := range f.parts {
		errs = append(errs, p.Close())
	}
	f.parts = nil
	return errors.Join(errs...)
}
