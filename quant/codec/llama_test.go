package codec_test

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/quant/codec"
	"qgo/testdata"
)

// TestQuantizeAgainstLlama quantises every matrix of two models to the type
// that llama-quantize gave it: the root mean square error against f16 must be
// at most 1.01 times that of llama.cpp's file.
func TestQuantizeAgainstLlama(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second per file")
	}
	for _, model := range []string{"godoc-tiny", "wide128"} {
		f16 := open(t, testdata.Path(t, model, model+"-f16.gguf"))
		files, err := filepath.Glob(strings.Replace(f16.Name, "f16", "*", 1))
		if err != nil || len(files) < 6 {
			t.Fatalf("%d files of %s (%v)", len(files), model, err)
		}
		for _, path := range files {
			t.Run(filepath.Base(path), func(t *testing.T) { compare(t, f16, open(t, path)) })
		}
	}
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

func compare(t *testing.T, f16, theirs *gguf.File) {
	worst, sum, matrices := 0.0, 0.0, 0
	for _, tensor := range theirs.Tensors {
		if !tensor.Type.Integer() {
			continue
		}
		original, ok := f16.Tensor(tensor.Name)
		if !ok {
			t.Fatalf("no %s in f16", tensor.Name)
		}
		matrices++
		n := tensor.Dims[0] * tensor.Dims[1]
		want, got := make([]float32, n), make([]float32, n)
		codec.Dequantize(original.Type, want, original.Data)
		codec.Dequantize(tensor.Type, got, tensor.Data)
		llama := rmse(got, want)
		blocks := make([]byte, len(tensor.Data))
		codec.Quantize(tensor.Type, blocks, want)
		codec.Dequantize(tensor.Type, got, blocks)
		ratio := rmse(got, want) / llama
		worst, sum = max(worst, ratio), sum+ratio
		if !(ratio <= 1.01) {
			t.Errorf("%s as %v: error %.4f times that of llama.cpp, want at most 1.01", tensor.Name, tensor.Type, ratio)
		}
	}
	t.Logf("%d matrices, at most %.4f times the error of llama.cpp, %.4f on average", matrices, worst, sum/float64(max(matrices, 1)))
}

func rmse(x, y []float32) float64 {
	var sum float64
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(x)))
}
