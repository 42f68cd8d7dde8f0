// Package gguf reads and writes GGUF files, the format in which language
// models are published for inference: typed metadata, a directory of tensors
// and their data (specification: docs/gguf.md in the ggml repository).
//
// [Open] maps a file into memory, checks everything it states before using
// it, and leaves the tensors' data where it is. Versions 2 and 3 are read, in
// either byte order.
package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"qgo/gguf/show"
	"qgo/quant"
)

// Limits of the format.
const (
	magic            = "GGUF"
	minVersion       = 2
	maxVersion       = 3
	defaultAlignment = 32
	maxKeyLen        = 1<<16 - 1
	maxNameLen       = 64
	maxDims          = 4
	maxNesting       = 8 // of arrays; no file needs more than 2
	alignmentKey     = "general.alignment"
)

// A KV is one metadata entry. Value is one of uint8, int8, uint16, int16,
// uint32, int32, uint64, int64, float32, float64, bool and string, a slice of
// one of these, or a []any of slices for an array of arrays.
type KV struct {
	Key    string
	Value  any
	Offset int64 // of the entry in the file
}

// Tensor is an entry of the tensor directory and its data.
type Tensor struct {
	Name   string
	Type   quant.Type
	Dims   []int  // Dims[0] is the length of a row
	Offset int64  // of the data in the file, or the part of a split one
	Data   []byte // read-only; little-endian whatever the file is
}

// Elements is the number of weights.
func (t *Tensor) Elements() int {
	n := 1
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// Rows is the number of rows of Dims[0] weights.
func (t *Tensor) Rows() int { return t.Elements() / t.Dims[0] }

// File is a parsed file.
type File struct {
	Name      string // for messages: the path
	Version   int
	BigEndian bool
	Alignment int
	Meta      []KV
	Tensors   []Tensor

	size    int64
	outline bool
	keys    map[string]int
	tensors map[string]int
	unmap   func() error
	mapping []byte  // the file, if it is mapped
	parts   []*File // the others of a split file
}

// Size is the file's length in bytes, that of all parts if it is split.
func (f *File) Size() int64 { return f.size }

// Tensor returns the tensor of that name.
func (f *File) Tensor(name string) (*Tensor, bool) {
	i, ok := f.tensors[name]
	if !ok {
		return nil, false
	}
	return &f.Tensors[i], true
}

// Close releases the mapping. Tensor data must not be used afterwards;
// metadata stays.
func (f *File) Close() error {
	if f.unmap == nil {
		return nil
	}
	for i := range f.Tensors {
		f.Tensors[i].Data = nil
	}
	unmap := f.unmap
	f.unmap = nil
	return errors.Join(unmap(), f.closeParts())
}

// Release tells the system that a tensor's data will hardly be read again. If
// it is, it comes from the file once more.
func (f *File) Release(data []byte) {
	for _, p := range f.parts {
		p.Release(data)
	}
	if len(data) == 0 || len(f.mapping) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	base := uintptr(unsafe.Pointer(unsafe.SliceData(f.mapping)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(data))) - base
	lo, hi := (at+page-1)/page*page, (at+uintptr(len(data)))/page*page
	if at < uintptr(len(f.mapping)) && lo < hi { // a big-endian file's data lies elsewhere
		dropPages(f.mapping[lo:hi])
	}
}

// FormatError reports what is wrong with a file, and where.
type FormatError struct {
	File   string
	Offset int64 // in bytes, of the faulty field; 0 if it is no particular one
	Msg    string
}

func (e *FormatError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s: byte %d: %s", e.File, e.Offset, e.Msg)
}

// Errorf returns a [FormatError] about the field at offset.
func (f *File) Errorf(offset int64, format string, args ...any) error {
	return &FormatError{File: f.Name, Offset: offset, Msg: fmt.Sprintf(format, args...)}
}

// TensorErrorf returns a [FormatError] about byte at of a tensor's data. Of a
// split file it names the part with the tensor.
func (f *File) TensorErrorf(t *Tensor, at int64, format string, args ...any) error {
	for _, p := range f.parts {
		if _, ok := p.tensors[t.Name]; ok {
			return p.TensorErrorf(t, at, format, args...)
		}
	}
	return f.Errorf(t.Offset+at, "tensor %s%s", show.Text(t.Name), fmt.Sprintf(format, args...))
}

// Parse reads the file whose bytes are data, which it keeps. name is for
// messages.
func Parse(name string, data []byte) (*File, error) {
	f := &File{Name: name, size: int64(len(data)), Alignment: defaultAlignment}
	r := &reader{f: f, data: data, order: binary.LittleEndian}
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return nil, f.Errorf(0, "expected a GGUF file, which begins with %q, found %q", magic, data[:min(len(data), len(magic))])
	}
	r.pos = len(magic)
	version := r.u32("the version")
	if v := version; v != 0 && v&0xffff == 0 { // the bytes are the other way round
		f.BigEndian = true
		r.order = binary.BigEndian
		version = v>>24 | v>>8&0xff00
	}
	if r.err == nil && (version < minVersion || version > maxVersion) {
		return nil, f.Errorf(4, "expected version %d to %d, found %d; convert the file anew", minVersion, maxVersion, version)
	}
	f.Version = int(version)
	tensors := r.count("the number of tensors", 8+1+4+8+4+8)
	entries := r.count("the number of metadata entries", 8+1+4+1)
	r.metadata(entries)
	r.directory(tensors)
	if r.err == nil {
		r.layout()
	}
	if r.err != nil {
		return nil, r.err
	}
	return f, nil
}

// directory reads the tensors' names, shapes, types and offsets.
func (r *reader) directory(n int) {
	f := r.f
	f.tensors = make(map[string]int) // it grows with what is there, not with what the header says
	for i := range n {
		at := r.pos
		name := r.string("a tensor's name")
		shown := show.Text(name)
		dims := r.u32("a number of dimensions")
		switch {
		case r.err != nil:
			return
		case name == "" || len(name) > maxNameLen:
			r.failAt(at, "expected a tensor name of 1 to %d bytes, found %d", maxNameLen, len(name))
			return
		case dims < 1 || dims > maxDims:
			r.failAt(r.pos-4, "tensor %s: expected 1 to %d dimensions, found %d", shown, maxDims, dims)
			return
		}
		if first, ok := f.tensors[name]; ok {
			r.failAt(at, "tensors %d and %d are both named %s", first, i, shown)
			return
		}
		t := Tensor{Name: name, Dims: make([]int, dims)}
		size := uint64(1)
		for j := range t.Dims {
			d := r.u64("a dimension")
			if r.err == nil && (d == 0 || d > 1<<40 || size > 1<<50/d) {
				r.failAt(r.pos-8, "tensor %s: dimension %d of %d is not a possible size", shown, j, d)
			}
			if r.err != nil {
				return
			}
			size *= d
			t.Dims[j] = int(d)
		}
		t.Type = quant.Type(r.u32("a tensor's type"))
		offset := r.u64("a tensor's offset")
		switch {
		case r.err != nil:
			return
		case !t.Type.Valid():
			r.failAt(r.pos-12, "tensor %s: qgo does not read its type, %v; it reads %s", shown, t.Type, typeNames())
			return
		case t.Dims[0]%t.Type.BlockLen() != 0:
			r.failAt(r.pos-12, "tensor %s: rows of %d weights are not whole blocks of %d (%v)", shown, t.Dims[0], t.Type.BlockLen(), t.Type)
			return
		case offset > uint64(len(r.data)):
			r.failAt(r.pos-8, "tensor %s: its offset %d lies past the end of the file; is the file complete?", shown, offset)
			return
		}
		t.Offset = int64(offset)
		f.tensors[name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
}

// layout checks that the tensors lie within the file and apart, and gives
// them their data.
func (r *reader) layout() {
	f := r.f
	start := align(int64(r.pos), f.Alignment)
	byOffset := make([]int, len(f.Tensors))
	for i := range f.Tensors {
		byOffset[i] = i
	}
	slices.SortFunc(byOffset, func(a, b int) int { return int(f.Tensors[a].Offset - f.Tensors[b].Offset) })
	end, before := int64(0), ""
	for _, i := range byOffset {
		t := &f.Tensors[i]
		size := int64(t.Type.RowBytes(t.Elements()))
		switch at := start + t.Offset; {
		case t.Offset%int64(f.Alignment) != 0:
			r.failAt(int(at), "tensor %s: expected an offset that is a multiple of %d, found %d", show.Text(t.Name), f.Alignment, t.Offset)
			return
		case t.Offset < end:
			r.failAt(int(at), "tensor %s overlaps tensor %s", show.Text(t.Name), show.Text(before))
			return
		case at+size > f.size:
			r.failAt(int(at), "tensor %s needs %d bytes, but the file ends after %d; is the download complete?", show.Text(t.Name), size, max(f.size-at, 0))
			return
		}
		end, before = t.Offset+size, t.Name
		t.Offset += start
		t.Data = r.data[t.Offset : t.Offset+size : t.Offset+size]
		if f.BigEndian {
			t.Data = slices.Clone(t.Data)
			quant.ByteSwap(t.Type, t.Data)
		}
	}
}

// typeNames lists the types that are read.
func typeNames() string {
	var names []string
	for _, t := range quant.Types() {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

func align(n int64, to int) int64 { return (n + int64(to) - 1) &^ (int64(to) - 1) }
