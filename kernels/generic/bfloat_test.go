package generic

import (
	"testing"

	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// TestOrderOfSums multiplies numbers whose sum shows in which order it was made:
// 2^24 and 1 make 2^24, and only 1 and 1 before that make a difference.
func TestOrderOfSums(t *testing.T) {
	const cols, large = 64, 1 << 24
	ones := make([]float32, 2*cols)
	for i := range ones {
		ones[i] = 1
	}
	w := tensor.Tensor{Type: quant.F16, Rows: 2, Cols: cols, Data: make([]byte, 2*quant.F16.RowBytes(cols))}
	codec.Quantize(w.Type, w.Data, ones)
	for _, c := range []struct {
		name         string
		values       map[int]float32 // of activations by column
		pairs, tiles float32
	}{
		{"the odd column's product is added first", map[int]float32{0: 1, 1: large, 2: 1}, large, large + 2},
		{"even and odd ones of 32 columns are summed apart", map[int]float32{0: 1, 1: 1, 2: large}, large + 2, large},
		{"32 columns are added to those before", map[int]float32{0: large, 32: 1, 33: 1}, large, large + 2},
	} {
		x := tensor.NewActs(1, cols)
		for column, v := range c.values {
			x.Row(0)[column] = v
		}
		Bfloat(x.Row(0), x.QuantRow(0))
		x.Many = true
		var s Scratch
		got := make([]float32, 2)
		if MatMulPairs(got, 2, w, 0, 2, x, &s); got[0] != c.pairs || got[1] != c.pairs {
			t.Errorf("%s: pairs make %v, want %v", c.name, got, c.pairs)
		}
		if MatMulTiles(got, 2, w, 0, 2, x, &s); got[0] != c.tiles || got[1] != c.tiles {
			t.Errorf("%s: tiles make %v, want %v", c.name, got, c.tiles)
		}
	}
}
