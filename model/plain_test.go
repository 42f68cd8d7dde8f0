package model

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"

	"qgo/gguf"
	"qgo/gguf/gguftest"
	"qgo/quant"
	"qgo/testdata"
)

// TestTypesWithoutKernels runs a model with a matrix of each type that only
// plain Go multiplies, beside others in panels: the logits are near those of
// exact arithmetic.
func TestTypesWithoutKernels(t *testing.T) {
	const matrix = "blk.3.ffn_gate.weight" // 256 x 704
	tokens := []int32{9, 8, 7, 300}
	for _, typ := range quant.Types() {
		if typ.HasKernels() {
			continue
		}
		t.Run(typ.String(), func(t *testing.T) {
			blocks := testdata.Read(t, "blocks", strings.ToLower(typ.String())+".bin")
			blocks = blocks[len(blocks)/2:] // the first ones are extreme
			f := func() *gguf.File {
				return odd(t, gguftest.Tensor(matrix, func(x *gguf.Tensor) {
					n := typ.RowBytes(x.Elements())
					x.Type, x.Data = typ, bytes.Repeat(blocks, n/len(blocks)+1)[:n]
				}))
			}
			limit := 0.03
			run := func(o Options) []float32 {
				m, err := Load(context.Background(), f(), o)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				if m.tier.Group == 32 {
					limit = 0.045 // half as much again
				}
				return append([]float32(nil), logits(t, m, tokens, WantAll)...)
			}
			got, want := run(Options{}), run(Options{Exact: true})
			var diff, size float64
			for i, v := range want {
				diff += math.Pow(float64(got[i])-float64(v), 2)
				size += math.Pow(float64(v), 2)
			}
			if e := math.Sqrt(diff / size); !(e < limit) {
				t.Errorf("the logits differ by %.4f of their size, want less than %g", e, limit)
			}
		})
	}
}
