package gguf

import (
	"fmt"
	"math"

	"qgo/gguf/show"
)

// Value is a Go type that [Get] returns metadata as. An int takes every
// integer that fits it, a float64 every number, []int and []float64 likewise;
// the other types only their own kind.
type Value interface {
	string | bool | int | float64 | []string | []int | []float64 | []int32 | []float32 | []bool
}

// Has reports whether there is a metadata entry of that key.
func (f *File) Has(key string) bool {
	_, ok := f.keys[key]
	return ok
}

// KeyErrorf returns a [FormatError] about a metadata entry, which need not
// exist.
func (f *File) KeyErrorf(key, format string, args ...any) error {
	var offset int64
	if i, ok := f.keys[key]; ok {
		offset = f.Meta[i].Offset
	}
	return f.Errorf(offset, "key %s: %s", show.Text(key), fmt.Sprintf(format, args...))
}

// Get returns a metadata value, or a [FormatError] if it is missing or not a
// T. Slices are shared: they must not be written to.
func Get[T Value](f *File, key string) (T, error) {
	var want T
	i, ok := f.keys[key]
	if !ok {
		return want, f.Errorf(0, "key %s is missing: expected %s; is this a language model?", show.Text(key), kind(want))
	}
	v := f.Meta[i].Value
	if got, ok := v.(T); ok {
		return got, nil
	}
	var converted any
	ok = false
	switch any(want).(type) {
	case int:
		converted, ok = toInt(v)
	case float64:
		converted, ok = toFloat(v)
	case []int:
		converted, ok = toSlice(v, toInt)
	case []float64:
		converted, ok = toSlice(v, toFloat)
	}
	if !ok {
		return want, f.KeyErrorf(key, "expected %s, found %s", kind(want), describe(v))
	}
	return converted.(T), nil
}

// GetUniform is [Get] for a number that a file may state once for each of n
// blocks: of a list of n equal numbers it returns the number. If they differ it
// fails, for no block may then be taken for another.
func GetUniform[T interface{ int | float64 }](f *File, key string, n int) (T, error) {
	i, ok := f.keys[key]
	if !ok || length(f.Meta[i].Value) < 0 {
		return Get[T](f, key)
	}
	var first any
	alike := forEach(f.Meta[i].Value, func(x any) bool {
		if first == nil {
			first = x
		}
		return x == first
	})
	switch got := length(f.Meta[i].Value); {
	case first == nil:
		return Get[T](f, key) // no numbers
	case !alike:
		return 0, f.KeyErrorf(key, "expected one number for all blocks, found different ones; qgo runs models whose blocks are alike")
	case got != n:
		return 0, f.KeyErrorf(key, "expected a number, or one for each of %d blocks, found %d", n, got)
	}
	one := &File{Name: f.Name, Meta: []KV{{Key: key, Value: first, Offset: f.Meta[i].Offset}}, keys: map[string]int{key: 0}}
	return Get[T](one, key)
}

func toInt(v any) (int, bool) {
	switch v := v.(type) {
	case uint8:
		return int(v), true
	case int8:
		return int(v), true
	case uint16:
		return int(v), true
	case int16:
		return int(v), true
	case uint32:
		return int(v), uint64(v) <= math.MaxInt
	case int32:
		return int(v), true
	case uint64:
		return int(v), v <= math.MaxInt
	case int64:
		return int(v), int64(int(v)) == v
	}
	return 0, false
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	case uint64:
		return float64(v), true
	}
	n, ok := toInt(v)
	return float64(n), ok
}

func toSlice[T any](v any, convert func(any) (T, bool)) (list []T, ok bool) {
	each := func(v any) bool {
		x, ok := convert(v)
		list = append(list, x)
		return ok
	}
	return list, forEach(v, each) && list != nil || length(v) == 0
}

// forEach calls f with the elements of a slice of numbers until it returns
// false, and reports whether v is such a slice and f accepted all.
func forEach(v any, f func(any) bool) bool {
	switch v := v.(type) {
	case []uint8:
		return all(v, f)
	case []int8:
		return all(v, f)
	case []uint16:
		return all(v, f)
	case []int16:
		return all(v, f)
	case []uint32:
		return all(v, f)
	case []int32:
		return all(v, f)
	case []uint64:
		return all(v, f)
	case []int64:
		return all(v, f)
	case []float32:
		return all(v, f)
	case []float64:
		return all(v, f)
	}
	return false
}

func all[T any](list []T, f func(any) bool) bool {
	for _, x := range list {
		if !f(x) {
			return false
		}
	}
	return true
}

// length is the number of elements of a value that is a slice, -1 otherwise.
func length(v any) int {
	switch v := v.(type) {
	case []string:
		return len(v)
	case []bool:
		return len(v)
	case []any:
		return len(v)
	}
	n := 0
	if !forEach(v, func(any) bool { n++; return true }) {
		return -1
	}
	return n
}

// describe says what a value is, briefly.
func describe(v any) string {
	if n := length(v); n >= 0 {
		return fmt.Sprintf("a list of %d elements", n)
	}
	if s, ok := v.(string); ok {
		return "the text " + show.Quoted(s)
	}
	return fmt.Sprintf("%v (%T)", v, v)
}

// kind names the type of a value in words.
func kind(want any) string {
	switch want.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int:
		return "a whole number"
	case float64:
		return "a number"
	case []string:
		return "a list of texts"
	case []int, []int32:
		return "a list of whole numbers"
	case []bool:
		return "a list of true and false"
	}
	return "a list of numbers"
}
