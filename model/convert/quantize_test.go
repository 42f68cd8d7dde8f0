package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/model/synth"
	"qgo/quant"
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
			quant.Dequantize(from.Type, x, from.Data)
			quant.Quantize(got.Type, want, x)
			if got.Name != from.Name || !bytes.Equal(got.Data, want) {
				t.Errorf("%s: %s has other bytes than quant.Quantize makes", mix.Name, got.Name)
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
		{open(t, damaged), file, "weight 7 of row 0 is NaN"},
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

func TestNotFinite(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		if i := notFinite([]float32{1, -math.MaxFloat32, bad, 0}); i != 2 {
			t.Errorf("%v was found at %d, want 2", bad, i)
		}
	}
	if i := notFinite([]float32{1, 0, -5}); i != -1 {
		t.Errorf("found %d among finite numbers", i)
	}
}
