// Package gguftest makes odd model files out of sound ones, for tests.
package gguftest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"qgo/gguf"
)

// An Edit changes the model that a file is written from. Its tensors come with
// their data, which must be replaced and not written to.
type Edit func(t testing.TB, h *gguf.Header)

// Parse returns f with changes.
func Parse(t testing.TB, f *gguf.File, edits ...Edit) *gguf.File {
	t.Helper()
	odd, err := gguf.Parse(f.Name, encode(t, f, edits))
	if err != nil {
		t.Fatal(err)
	}
	return odd
}

// Write writes f with changes to a file, and returns its path.
func Write(t testing.TB, f *gguf.File, edits ...Edit) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "odd.gguf")
	if err := os.WriteFile(path, encode(t, f, edits), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func encode(t testing.TB, f *gguf.File, edits []Edit) []byte {
	t.Helper()
	h := gguf.Header{Meta: slices.Clone(f.Meta), Tensors: slices.Clone(f.Tensors)}
	for _, edit := range edits {
		edit(t, &h)
	}
	var b bytes.Buffer
	w, err := gguf.NewWriter(&b, h)
	for i := range h.Tensors {
		if err == nil {
			err = w.WriteTensor(h.Tensors[i].Data)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Set gives a key a value.
func Set(key string, value any) Edit {
	return func(_ testing.TB, h *gguf.Header) {
		for i := range h.Meta {
			if h.Meta[i].Key == key {
				h.Meta[i].Value = value
				return
			}
		}
		h.Meta = append(h.Meta, gguf.KV{Key: key, Value: value})
	}
}

// Drop removes a key.
func Drop(key string) Edit {
	return func(_ testing.TB, h *gguf.Header) {
		h.Meta = slices.DeleteFunc(h.Meta, func(kv gguf.KV) bool { return kv.Key == key })
	}
}

// Add adds a tensor.
func Add(x gguf.Tensor) Edit {
	return func(_ testing.TB, h *gguf.Header) { h.Tensors = append(h.Tensors, x) }
}

// Tensor has change work on a copy of a tensor, data included.
func Tensor(name string, change func(x *gguf.Tensor)) Edit {
	return func(t testing.TB, h *gguf.Header) {
		t.Helper()
		i := slices.IndexFunc(h.Tensors, func(x gguf.Tensor) bool { return x.Name == name })
		if i < 0 {
			t.Fatalf("there is no tensor %s", name)
		}
		x := &h.Tensors[i]
		x.Dims, x.Data = slices.Clone(x.Dims), slices.Clone(x.Data)
		change(x)
	}
}
