// Package attntest makes tiles of attention for tests.
package attntest

import (
	"math/rand/v2"

	"qgo/kernels/generic"
	"qgo/quant"
	"qgo/quant/codec"
)

// Sizes are the standard deviations of the numbers of a tile.
type Sizes struct{ Queries, Keys, Values float64 }

// Tile returns a tile of n queries of d values on rows positions, and its keys as numbers. Where a block of
// keys goes on behind them it has NaNs, and the results have anything. Nothing begins at a
// cache line. What each query sees is left to the caller.
func Tile(rng *rand.Rand, typ quant.Type, d, n, rows int, size Sizes) (*generic.AttnTile, []float32) {
	rowBytes := typ.RowBytes(d)
	blocks := (rows + generic.KeyBlock - 1) / generic.KeyBlock
	t := &generic.AttnTile{
		KV: typ, HeadDim: d, Q: numbers(rng, n*d, size.Queries),
		K: make([]byte, blocks*generic.KeyBlock*rowBytes), V: make([]byte, rows*rowBytes+1)[1:],
	}
	for i := range t.K {
		t.K[i] = 0xff
	}
	codec.Quantize(typ, t.V, numbers(rng, rows*d, size.Values))
	key, keys := make([]byte, rowBytes), make([]float32, rows*d)
	for i := range rows {
		codec.Quantize(typ, key, numbers(rng, d, size.Keys))
		codec.Dequantize(typ, keys[i*d:(i+1)*d], key)
		generic.PutKey(typ, t.K, i, key)
	}
	return t, keys
}

// Results returns the results of t by attend: Acc, Max and Sum. What stands there before is
// anything.
func Results(rng *rand.Rand, t *generic.AttnTile, attend func(*generic.AttnTile)) []float32 {
	n := len(t.Visible)
	all := numbers(rng, n*t.HeadDim+2*n, 1)
	rest := all[n*t.HeadDim:]
	tile := *t
	tile.Acc, tile.Max, tile.Sum = all[:n*t.HeadDim], rest[:n], rest[n:]
	attend(&tile)
	return all
}

// numbers returns n random numbers.
func numbers(rng *rand.Rand, n int, size float64) []float32 {
	x := make([]float32, n+1)[1:]
	for i := range x {
		x[i] = float32(size * rng.NormFloat64())
	}
	return x
}
