package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/gguf/gguftest"
	"qgo/model/synth"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/testdata"
)

// spec is a small model whose width, like that of the 0.5B, is not a multiple
// of 256.
func spec(t *testing.T, mix string) synth.Spec {
	t.Helper()
	s, err := synth.ParseSpec("0.5b", mix)
	if err != nil {
		t.Fatal(err)
	}
	s.Width, s.FFN, s.Blocks, s.Vocab = 224, 512, 4, 1000
	return s
}

// source writes a small f16 model to a file.
func source(t *testing.T) *gguf.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f16.gguf")
	if err := synth.Write(t.Context(), path, spec(t, "f16"), nil); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

func open(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestQuantize compares files with what quant makes of the same weights, and
// their types with those of a model that was made in them.
func TestQuantize(t *testing.T) {
	in := source(t)
	for _, mix := range quant.Mixes() {
		path := filepath.Join(t.TempDir(), mix.Name)
		var done, total int64
		err := Quantize(context.Background(), in, path, mix, 3, func(d, n int64) { done, total = d, n })
		if err != nil {
			t.Fatal(err)
		}
		if done != total || total == 0 {
			t.Errorf("%s: progress ended at %d of %d", mix.Name, done, total)
		}
		out := open(t, path)
		if v, err := gguf.Get[int](out, "general.file_type"); err != nil || v != int(mix.FileType) {
			t.Errorf("%s: file type %d, %v; want %d", mix.Name, v, err, mix.FileType)
		}
		if len(out.Meta) != len(in.Meta) {
			t.Errorf("%s: %d metadata entries, want %d", mix.Name, len(out.Meta), len(in.Meta))
		}
		model, err := synth.Build(spec(t, mix.Name))
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range out.Tensors {
			from := in.Tensors[i]
			if want, ok := model.Tensor(got.Name); !ok || got.Type != want.Type {
				t.Errorf("%s: %s is %v, want %v", mix.Name, got.Name, got.Type, want.Type)
				continue
			}
			x, want := make([]float32, from.Elements()), make([]byte, len(got.Data))
			codec.Dequantize(from.Type, x, from.Data)
			codec.Quantize(got.Type, want, x)
			if got.Name != from.Name || !bytes.Equal(got.Data, want) {
				t.Errorf("%s: %s has other bytes than codec.Quantize makes", mix.Name, got.Name)
			}
		}
	}
}

func TestQuantizeErrors(t *testing.T) {
	in := source(t)
	mix, err := quant.ParseMix("q4_0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "out.gguf")
	link := filepath.Join(dir, "link.gguf")
	if err := os.Symlink(in.Name, link); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "nan.gguf")
	b, err := os.ReadFile(in.Name)
	if err != nil {
		t.Fatal(err)
	}
	last := in.Tensors[len(in.Tensors)-2] // a matrix
	binary.LittleEndian.PutUint16(b[last.Offset+2*7:], 0x7e00)
	if err := os.WriteFile(damaged, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   *gguf.File
		out  string
		want string
	}{
		{in, in.Name, "is the input"},
		{in, link, "is the input"},
		{in, dir, "directory"},
		{in, filepath.Join(dir, "none", "x"), "make it first"},
		{in, os.DevNull, "regular"},
		{open(t, testdata.Path(t, "wide128", "wide128-q4_0.gguf")), file, "already"},
		{open(t, damaged), file, "weight 7 of row 0 is no finite number"},
	} {
		err := Quantize(context.Background(), c.in, c.out, mix, 2, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("to %s: error %v, want one with %q", c.out, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = Quantize(ctx, in, file, mix, 2, func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "out*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestNotRepresentable spoils vectors and matrices: what cannot be written is
// refused by name, to every type.
func TestNotRepresentable(t *testing.T) {
	plain := source(t)
	const matrix, vector = "blk.2.ffn_up.weight", "blk.2.attn_norm.weight"
	set := func(name string, index int, v float32) gguftest.Edit {
		return gguftest.Tensor(name, func(x *gguf.Tensor) {
			size := x.Type.BlockBytes()
			codec.Quantize(x.Type, x.Data[index*size:], []float32{v})
		})
	}
	single := func(name string) gguftest.Edit { // as float32
		return gguftest.Tensor(name, func(x *gguf.Tensor) {
			w := make([]float32, x.Elements())
			codec.Dequantize(x.Type, w, x.Data)
			x.Type, x.Data = quant.F32, make([]byte, 4*len(w))
			codec.Quantize(quant.F32, x.Data, w)
		})
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	all := func(quant.Type) bool { return true }
	for name, c := range map[string]struct {
		want    string
		refused func(base quant.Type) bool
		edits   []gguftest.Edit
	}{
		"NaN in a matrix":      {matrix + ": weight 5 of row 3 is no finite number", all, []gguftest.Edit{set(matrix, 3*224+5, nan)}},
		"infinity in a matrix": {matrix + ": weight 5 of row 3 is no finite number", all, []gguftest.Edit{set(matrix, 3*224+5, inf)}},
		"NaN in a vector":      {vector + ": weight 3 of row 0 is no finite number", all, []gguftest.Edit{set(vector, 3, nan)}},
		"large": {matrix + ": row 3 has weights as large as 1e+06, too large for ", func(base quant.Type) bool {
			return base == quant.F16 || base == quant.Q4_0 || base == quant.Q4_1 // the others hold it
		}, []gguftest.Edit{single(matrix), set(matrix, 3*224+5, 1e6)}},
		"very large": {matrix + ": row 3 has weights as large as 1e+30, too large for ", func(base quant.Type) bool {
			return base != quant.F32 && base != quant.BF16
		}, []gguftest.Edit{single(matrix), set(matrix, 3*224+5, 1e30)}},
		"beyond bf16": {matrix + ": row 3 has weights as large as 3.4e+38, too large for ", func(base quant.Type) bool {
			return base != quant.F32
		}, []gguftest.Edit{single(matrix), set(matrix, 3*224+5, math.MaxFloat32)}},
	} {
		in := gguftest.Parse(t, plain, c.edits...)
		for _, mix := range quant.Mixes() {
			err := Quantize(context.Background(), in, filepath.Join(t.TempDir(), "out.gguf"), mix, 2, nil)
			if !c.refused(mix.Base) && err != nil {
				t.Errorf("%s to %s: %v", name, mix.Name, err)
			}
			if c.refused(mix.Base) && (err == nil || !strings.Contains(err.Error(), "tensor "+c.want)) {
				t.Errorf("%s to %s: error %v, want one with %q", name, mix.Name, err, c.want)
			}
		}
	}
}

// TestSplit makes a whole file of a model in parts.
func TestSplit(t *testing.T) {
	plain := source(t)
	dir, half := t.TempDir(), len(plain.Tensors)/2
	for no, tensors := range [][]gguf.Tensor{plain.Tensors[:half], plain.Tensors[half:]} {
		meta := []gguftest.Edit{gguftest.Set("split.no", uint16(no)), gguftest.Set("split.count", uint16(2)), gguftest.Set("split.tensors.count", int32(len(plain.Tensors)))}
		path := gguftest.Write(t, plain, append(meta, func(_ testing.TB, h *gguf.Header) { h.Tensors = tensors })...)
		if err := os.Rename(path, filepath.Join(dir, fmt.Sprintf("m-%05d-of-00002.gguf", no+1))); err != nil {
			t.Fatal(err)
		}
	}
	in := open(t, filepath.Join(dir, "m-00001-of-00002.gguf"))
	mix, err := quant.ParseMix("q8_0")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "whole.gguf")
	if err := Quantize(context.Background(), in, path, mix, 2, nil); err != nil {
		t.Fatal(err)
	}
	out := open(t, path)
	for _, kv := range out.Meta {
		if strings.HasPrefix(kv.Key, "split.") {
			t.Errorf("the whole file has the key %s", kv.Key)
		}
	}
	if len(out.Tensors) != len(plain.Tensors) || len(out.Paths()) != 1 || len(in.Paths()) != 2 {
		t.Errorf("%d tensors in %d files of %d, want %d in 1 of 2", len(out.Tensors), len(out.Paths()), len(in.Paths()), len(plain.Tensors))
	}
	second := in.Paths()[1]
	if err := Quantize(context.Background(), in, second, mix, 2, nil); err == nil || !strings.Contains(err.Error(), "is the input") {
		t.Errorf("to the second part: %v", err)
	}
}
