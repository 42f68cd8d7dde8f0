// Package paneltest makes matrices for tests of what multiplies panels.
package paneltest

import (
	"math/rand/v2"

	"qgo/kernels/panel"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// Weights returns a matrix of random bytes: all codes and sub-scales come up.
// Scales are what scale returns.
func Weights(rng *rand.Rand, t quant.Type, rows, cols int, scale func() float32) tensor.Tensor {
	w := tensor.Tensor{Type: t, Rows: rows, Cols: cols, Data: make([]byte, rows*t.RowBytes(cols))}
	for i := range w.Data {
		w.Data[i] = byte(rng.Uint32())
	}
	for i := 0; i < len(w.Data); i += t.BlockBytes() {
		codec.SetScales(t, w.Data[i:i+t.BlockBytes()], scale)
	}
	return w
}

// Pack returns a matrix in panels.
func Pack(l panel.Layout, w tensor.Tensor) *panel.Matrix {
	m, err := panel.New(l, w, tensor.Make[byte](l.Bytes(w.Type, w.Rows, w.Cols)))
	if err != nil {
		panic(err)
	}
	l.NewPacker(w.Cols).Pack(m, w, 0, m.Panels())
	return m
}
