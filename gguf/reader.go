package gguf

import (
	"encoding/binary"
	"math"

	"qgo/gguf/show"
)

// ValueType is the type of a metadata value in the file.
type ValueType uint32

// The types of values.
const (
	Uint8 ValueType = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

// valueSizes are the sizes of values in bytes; 0 if they vary.
var valueSizes = [...]int{
	Uint8: 1, Int8: 1, Uint16: 2, Int16: 2, Uint32: 4, Int32: 4, Float32: 4, Bool: 1,
	String: 0, Array: 0, Uint64: 8, Int64: 8, Float64: 8,
}

// reader walks through a file's bytes and keeps the first error. After an
// error every read returns zero.
type reader struct {
	f     *File
	data  []byte
	pos   int
	order binary.ByteOrder
	err   error
}

func (r *reader) failAt(pos int, format string, args ...any) {
	if r.err == nil {
		r.err = r.f.Errorf(int64(pos), format, args...)
	}
}

// take returns the next n bytes.
func (r *reader) take(n int, what string) []byte {
	if r.err != nil {
		return nil
	}
	if left := len(r.data) - r.pos; n > left {
		r.failAt(r.pos, "expected %s in %d bytes, but the file ends after %d; is it complete?", what, n, left)
		return nil
	}
	r.pos += n
	return r.data[r.pos-n : r.pos]
}

func (r *reader) u32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

func (r *reader) u64(what string) uint64 {
	if b := r.take(8, what); b != nil {
		return r.order.Uint64(b)
	}
	return 0
}

// count reads a number of things that take at least size bytes each. It
// fails when the rest of the file cannot hold them, before anybody allocates
// room for them.
func (r *reader) count(what string, size int) int {
	n := r.u64(what)
	if left := len(r.data) - r.pos; r.err == nil && n > uint64(left/size) {
		r.failAt(r.pos-8, "%s is %d, but the %d bytes that follow hold at most %d; is the file complete?", what, n, left, left/size)
		return 0
	}
	return int(n)
}

func (r *reader) string(what string) string {
	n := r.count("the length of "+what, 1)
	return string(r.take(n, what))
}

// metadata reads n entries.
func (r *reader) metadata(n int) {
	f := r.f
	f.keys = make(map[string]int) // it grows with what is there, not with what the header says
	for range n {
		at := r.pos
		key := r.string("a key")
		if r.err == nil && (key == "" || len(key) > maxKeyLen) {
			r.failAt(at, "expected a key of 1 to %d bytes, found %d", maxKeyLen, len(key))
		}
		shown := show.Text(key)
		typ := ValueType(r.u32("the type of " + shown))
		if r.err != nil {
			return
		}
		if _, ok := f.keys[key]; ok {
			r.failAt(at, "key %s occurs twice", shown)
			return
		}
		value := r.value(typ, shown)
		if r.err != nil {
			return
		}
		f.keys[key] = len(f.Meta)
		f.Meta = append(f.Meta, KV{Key: key, Value: value, Offset: int64(at)})
		if key == alignmentKey {
			a, ok := value.(uint32)
			if !ok || a == 0 || a&(a-1) != 0 || a > 1<<30 {
				r.failAt(at, "key %s: expected a power of two as uint32, found %s", shown, describe(value))
				return
			}
			f.Alignment = int(a)
		}
	}
}

// value reads a value of type t; key is its key as shown in messages.
func (r *reader) value(t ValueType, key string) any {
	switch t {
	case String:
		return r.string("the value of " + key)
	case Array:
		return r.array(key, 0)
	}
	if int(t) >= len(valueSizes) {
		r.failAt(r.pos-4, "key %s: its value's type is number %d, expected 0 to %d", key, uint32(t), len(valueSizes)-1)
		return nil
	}
	at := r.pos
	b := r.take(valueSizes[t], "the value of "+key)
	if b == nil {
		return nil
	}
	switch t {
	case Uint8:
		return b[0]
	case Int8:
		return int8(b[0])
	case Uint16:
		return r.order.Uint16(b)
	case Int16:
		return int16(r.order.Uint16(b))
	case Uint32:
		return r.order.Uint32(b)
	case Int32:
		return int32(r.order.Uint32(b))
	case Uint64:
		return r.order.Uint64(b)
	case Int64:
		return int64(r.order.Uint64(b))
	case Float32:
		return math.Float32frombits(r.order.Uint32(b))
	case Float64:
		return math.Float64frombits(r.order.Uint64(b))
	}
	r.checkBools(at, b, key)
	return b[0] != 0
}

func (r *reader) checkBools(at int, b []byte, key string) {
	for i, v := range b {
		if v > 1 {
			r.failAt(at+i, "key %s: expected a bool, 0 or 1, found %d", key, v)
			return
		}
	}
}

// array reads an array's type, length and elements.
func (r *reader) array(key string, depth int) any {
	t := ValueType(r.u32("the element type of " + key))
	if r.err != nil {
		return nil
	}
	if int(t) >= len(valueSizes) {
		r.failAt(r.pos-4, "key %s: its element type is number %d, expected 0 to %d", key, uint32(t), len(valueSizes)-1)
		return nil
	}
	size := valueSizes[t]
	switch t {
	case String:
		size = 8
	case Array:
		size = 12
		if depth++; depth > maxNesting {
			r.failAt(r.pos-4, "key %s: arrays are nested more than %d deep", key, maxNesting)
			return nil
		}
	}
	n := r.count("the length of array "+key, size)
	if r.err != nil {
		return nil
	}
	switch t {
	case String:
		return r.strings(key, n)
	case Array:
		list := make([]any, 0, n)
		for range n {
			list = append(list, r.array(key, depth))
			if r.err != nil {
				return nil
			}
		}
		return list
	}
	at := r.pos
	b := r.take(n*size, "the elements of "+key)
	if r.err != nil {
		return nil
	}
	switch t {
	case Uint8:
		return append(make([]uint8, 0, n), b...)
	case Int8:
		return elements(n, size, b, func(b []byte) int8 { return int8(b[0]) })
	case Uint16:
		return elements(n, size, b, r.order.Uint16)
	case Int16:
		return elements(n, size, b, func(b []byte) int16 { return int16(r.order.Uint16(b)) })
	case Uint32:
		return elements(n, size, b, r.order.Uint32)
	case Int32:
		return elements(n, size, b, func(b []byte) int32 { return int32(r.order.Uint32(b)) })
	case Uint64:
		return elements(n, size, b, r.order.Uint64)
	case Int64:
		return elements(n, size, b, func(b []byte) int64 { return int64(r.order.Uint64(b)) })
	case Float32:
		return elements(n, size, b, func(b []byte) float32 { return math.Float32frombits(r.order.Uint32(b)) })
	case Float64:
		return elements(n, size, b, func(b []byte) float64 { return math.Float64frombits(r.order.Uint64(b)) })
	}
	r.checkBools(at, b, key)
	return elements(n, size, b, func(b []byte) bool { return b[0] != 0 })
}

func elements[T any](n, size int, b []byte, decode func([]byte) T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = decode(b[i*size:])
	}
	return list
}

// strings reads n strings. They share one copy of their bytes: a vocabulary
// would be 150 000 allocations otherwise.
func (r *reader) strings(key string, n int) []string {
	start := r.pos
	length, what := "the length of a string in "+key, "a string in "+key
	for range n {
		r.take(r.count(length, 1), what)
		if r.err != nil {
			return nil
		}
	}
	text := string(r.data[start:r.pos])
	list := make([]string, n)
	pos := 0
	for i := range list {
		size := int(r.order.Uint64(r.data[start+pos:]))
		list[i] = text[pos+8 : pos+8+size]
		pos += 8 + size
	}
	return list
}
