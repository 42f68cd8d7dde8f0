package gguf

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"qgo/quant"
	"qgo/testdata"
)

// sample is a file with every type of value and several tensors.
func sample() Header {
	return Header{
		Meta: []KV{
			{Key: "general.architecture", Value: "qwen2"},
			{Key: "u8", Value: uint8(200)}, {Key: "i8", Value: int8(-100)},
			{Key: "u16", Value: uint16(60000)}, {Key: "i16", Value: int16(-30000)},
			{Key: "u32", Value: uint32(1 << 31)}, {Key: "i32", Value: int32(math.MinInt32)},
			{Key: "u64", Value: uint64(1 << 63)}, {Key: "i64", Value: int64(math.MinInt64)},
			{Key: "f32", Value: float32(1.5)}, {Key: "f64", Value: math.Pi},
			{Key: "yes", Value: true}, {Key: "no", Value: false}, {Key: "empty", Value: ""},
			{Key: "general.alignment", Value: uint32(64)},
			{Key: "u8s", Value: []uint8{1, 2}}, {Key: "i8s", Value: []int8{-1}},
			{Key: "u16s", Value: []uint16{1, 2, 3}}, {Key: "i16s", Value: []int16{-3}},
			{Key: "u32s", Value: []uint32{7}}, {Key: "i32s", Value: []int32{-7, 8}},
			{Key: "u64s", Value: []uint64{9}}, {Key: "i64s", Value: []int64{}},
			{Key: "f32s", Value: []float32{0.5}}, {Key: "f64s", Value: []float64{0.25}},
			{Key: "bools", Value: []bool{true, false}},
			{Key: "strings", Value: []string{"a", "", "ĠĊ\xff"}},
			{Key: "nested", Value: []any{[]int32{1, 2}, []string{"x"}, []any{[]bool{true}}}},
		},
		Tensors: []Tensor{
			{Name: "f", Type: quant.F32, Dims: []int{3, 2}},
			{Name: "q", Type: quant.Q4_0, Dims: []int{64, 2, 1, 1}},
			{Name: "k", Type: quant.Q6_K, Dims: []int{256}},
		},
	}
}

// encode writes a file; the data of tensor i are bytes from i on.
func encode(t testing.TB, h Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range h.Tensors {
		if err := w.WriteTensor(data(h, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if size, err := h.Size(); err != nil || size != int64(b.Len()) {
		t.Fatalf("Size is %d, %v; %d bytes were written", size, err, b.Len())
	}
	return b.Bytes()
}

func data(h Header, i int) []byte {
	b := make([]byte, h.dataSize(i))
	for j := range b {
		b[j] = byte(i + j)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, big := range []bool{false, true} {
		h := sample()
		h.BigEndian = big
		b := encode(t, h)
		f, err := Parse("x", b)
		if err != nil {
			t.Fatal(err)
		}
		if f.BigEndian != big || f.Version != 3 || f.Alignment != 64 || f.Size() != int64(len(b)) {
			t.Errorf("read as version %d, big-endian %v, alignment %d, %d bytes", f.Version, f.BigEndian, f.Alignment, f.Size())
		}
		for i, kv := range h.Meta {
			if got := f.Meta[i]; got.Key != kv.Key || !reflect.DeepEqual(got.Value, kv.Value) {
				t.Errorf("entry %d is %s = %#v, want %s = %#v", i, got.Key, got.Value, kv.Key, kv.Value)
			}
		}
		for i, want := range h.Tensors {
			got, ok := f.Tensor(want.Name)
			if !ok || got.Type != want.Type || !reflect.DeepEqual(got.Dims, want.Dims) {
				t.Fatalf("tensor %s is %+v", want.Name, got)
			}
			if !bytes.Equal(got.Data, data(h, i)) {
				t.Errorf("tensor %s, big-endian %v: other data came back", want.Name, big)
			}
			if got.Offset%64 != 0 {
				t.Errorf("tensor %s lies at %d, which is no multiple of the alignment", got.Name, got.Offset)
			}
		}
		// Version 2 has the same layout.
		at := 4
		if big {
			at = 7
		}
		b[at] = 2
		if f, err := Parse("x", b); err != nil || f.Version != 2 {
			t.Errorf("version 2: %v", err)
		}
	}
}

func TestGet(t *testing.T) {
	f, err := Parse("x", encode(t, sample()))
	if err != nil {
		t.Fatal(err)
	}
	check(t, f, "u8", 200)
	check(t, f, "i8", -100)
	check(t, f, "i64", math.MinInt64)
	check(t, f, "f32", 1.5)
	check(t, f, "u16", 60000.0)
	check(t, f, "yes", true)
	check(t, f, "general.architecture", "qwen2")
	check(t, f, "i32s", []int{-7, 8})
	check(t, f, "i64s", []int(nil))
	check(t, f, "f32s", []float64{0.5})
	check(t, f, "bools", []bool{true, false})
	for key, get := range map[string]func() error{
		"u64":     func() error { _, err := Get[int](f, "u64"); return err },
		"f64":     func() error { _, err := Get[int](f, "f64"); return err },
		"empty":   func() error { _, err := Get[float64](f, "empty"); return err },
		"strings": func() error { _, err := Get[[]int](f, "strings"); return err },
		"missing": func() error { _, err := Get[string](f, "missing"); return err },
	} {
		var fe *FormatError
		if err := get(); !errors.As(err, &fe) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: error %v, want a FormatError that names the key", key, err)
		}
	}
}

func check[T Value](t *testing.T, f *File, key string, want T) {
	t.Helper()
	if got, err := Get[T](f, key); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %v, %v; want %v", key, got, err, want)
	}
}

// TestTruncated cuts a file at every byte.
func TestTruncated(t *testing.T) {
	b := encode(t, sample())
	for n := range b {
		_, err := Parse("cut", b[:n])
		var fe *FormatError
		if !errors.As(err, &fe) || fe.File != "cut" || fe.Offset > int64(len(b)) {
			t.Fatalf("%d bytes of %d: error %v", n, len(b), err)
		}
	}
}

func TestWriterErrors(t *testing.T) {
	for want, h := range map[string]Header{
		"used twice":   {Meta: []KV{{Key: "a", Value: "x"}, {Key: "a", Value: "y"}}},
		"empty":        {Meta: []KV{{Value: "x"}}},
		"type":         {Meta: []KV{{Key: "a", Value: 1}}},
		"holds string": {Meta: []KV{{Key: "a", Value: []any{"x"}}}},
		"power of two": {Meta: []KV{{Key: alignmentKey, Value: uint32(3)}}},
		"whole blocks": {Tensors: []Tensor{{Name: "a", Type: quant.Q4_0, Dims: []int{33}}}},
		"shape":        {Tensors: []Tensor{{Name: "a", Type: quant.F32, Dims: []int{4, 0}}}},
		"tensor name":  {Tensors: []Tensor{{Name: strings.Repeat("a", 65), Type: quant.F32, Dims: []int{4}}}},
	} {
		if _, err := NewWriter(&bytes.Buffer{}, h); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	h := Header{Tensors: []Tensor{{Name: "a", Type: quant.F32, Dims: []int{4}}}}
	w, err := NewWriter(&bytes.Buffer{}, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTensor(make([]byte, 15)); err == nil {
		t.Error("15 bytes for 16 were taken")
	}
	if err := w.Close(); err == nil {
		t.Error("a file without its tensor was closed without an error")
	}
}

// TestWritePart writes a tensor in two parts.
func TestWritePart(t *testing.T) {
	h := Header{Tensors: []Tensor{{Name: "a", Type: quant.Q8_0, Dims: []int{32, 2}}, {Name: "b", Type: quant.F32, Dims: []int{1}}}}
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []int{33, 34 * 3} {
		if err := w.WritePart(make([]byte, bad)); err == nil {
			t.Errorf("%d bytes were taken", bad)
		}
	}
	a, one := bytes.Repeat([]byte{7}, 68), []byte{1, 2, 3, 4}
	for _, part := range [][]byte{a[:34], a[34:], one} {
		if err := w.WritePart(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WritePart(one); err == nil {
		t.Error("a third tensor was taken")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Parse("x", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Tensors[0].Data, a) || !bytes.Equal(f.Tensors[1].Data, one) {
		t.Error("other data came back")
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.gguf")
	h := sample()
	if err := os.WriteFile(path, encode(t, h), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if k, _ := f.Tensor("k"); !bytes.Equal(k.Data, data(h, 2)) {
		t.Error("other data came back")
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none"), empty} {
		if _, err := Open(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: error %v, want one that names it", bad, err)
		}
	}
}

// TestShrunk cuts a file short while it is mapped.
func TestShrunk(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows does not let a mapped file be cut")
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	h := Header{Tensors: []Tensor{{Name: "a", Type: quant.F32, Dims: []int{1 << 16}}}}
	if err := os.WriteFile(path, encode(t, h), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	sum := byte(0)
	err = Guard(path, func() error {
		for _, b := range f.Tensors[0].Data {
			sum += b
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names the file", err)
	}
}

// TestVocabulary opens a file with the 151 936 tokens of Qwen2.5.
func TestVocabulary(t *testing.T) {
	path := testdata.Path(t, "tokenizer", "qwen2.5-vocab.gguf")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tokens, err := Get[[]string](f, "tokenizer.ggml.tokens")
	if err != nil || len(tokens) != 151936 || tokens[0] != "!" {
		t.Errorf("%d tokens, %v", len(tokens), err)
	}
	allocs := testing.AllocsPerRun(1, func() {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	})
	if allocs > 500 {
		t.Errorf("%v allocations: the tokens must share theirs", allocs)
	}
}

func BenchmarkOpenVocabulary(b *testing.B) {
	path := testdata.Path(b, "tokenizer", "qwen2.5-vocab.gguf")
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// TestGetUniform reads numbers that a file states once or for each block.
func TestGetUniform(t *testing.T) {
	f, err := Parse("x", encode(t, Header{Meta: []KV{
		{Key: "one", Value: uint32(2)}, {Key: "alike", Value: []uint32{2, 2, 2}}, {Key: "floats", Value: []float32{0.5, 0.5, 0.5}},
		{Key: "differ", Value: []int32{2, 2, 4}}, {Key: "short", Value: []uint8{2, 2}}, {Key: "none", Value: []int32{}}, {Key: "text", Value: []string{"2"}},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"one", "alike"} {
		if n, err := GetUniform[int](f, key, 3); n != 2 || err != nil {
			t.Errorf("%s: %d, %v; want 2", key, n, err)
		}
	}
	if x, err := GetUniform[float64](f, "floats", 3); x != 0.5 || err != nil {
		t.Errorf("floats: %v, %v; want 0.5", x, err)
	}
	for key, want := range map[string]string{
		"differ": "key differ: expected one number for all blocks, found different ones",
		"short":  "key short: expected a number, or one for each of 3 blocks, found 2",
		"none":   "key none: expected a whole number, found a list of 0 elements",
		"text":   "key text: expected a whole number, found a list of 1 elements",
	} {
		if n, err := GetUniform[int](f, key, 3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d, %v; want an error with %q", key, n, err, want)
		}
	}
}
