package panel_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/kernels/panel/paneltest"
	"qgo/kernels/tier"
	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// TestExtremes multiplies the largest codes, which intermediate sums must have
// room for, with the largest activations, and codes and activations of one sign
// and of alternating ones; scales include the largest, the smallest and those
// that are no numbers, and sub-scales of 16 weights the largest of both signs.
func TestExtremes(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	codes := map[string]func(i int) byte{
		"zeros":        func(int) byte { return 0 },
		"ones":         func(int) byte { return 0xff },
		"sign bits":    func(int) byte { return 0x80 },
		"all but sign": func(int) byte { return 0x7f },
		"alternating":  func(i int) byte { return byte(-(i & 1)) },
	}
	acts := map[string]func(i int) int8{
		"127":         func(int) int8 { return 127 },
		"-127":        func(int) int8 { return -127 },
		"alternating": func(i int) int8 { return int8(127 - 254*(i&1)) },
		"pairs":       func(i int) int8 { return int8(127 - 254*(i>>1&1)) },
	}
	scales := map[string]func() float32{
		"one":     func() float32 { return 1 },
		"largest": func() float32 { return 65504 },
		"strange": func() float32 {
			return []float32{65504, -65504, 0x1p-24, 0, float32(math.Copysign(0, -1)),
				float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}[rng.IntN(8)]
		},
	}
	const rows = 33
	each(t, func(t *testing.T, l panel.Layout, plain *tier.Tier) {
		for _, typ := range quant.Types() {
			if !l.Fits(typ, 256) || !typ.Integer() {
				continue
			}
			cols := 3 * max(32, typ.BlockLen())
			for _, c := range slices.Sorted(maps.Keys(codes)) { // in one order, in which random ones are the same every time
				for _, sub := range slices.Sorted(maps.Keys(codes)) {
					code, subScale := codes[c], codes[sub]
					if _, has := subScales[typ]; !has && sub != c {
						continue
					}
					for _, s := range slices.Sorted(maps.Keys(scales)) {
						scale := scales[s]
						w := weights(rng, typ, rows, cols)
						setBlocks(w, code, subScale, scale)
						m := paneltest.Pack(l, w)
						for a, act := range acts {
							for _, n := range []int{1, 5, 16} {
								what := fmt.Sprintf("%v: codes %s, sub-scales %s, scales %s, activations %s", typ, c, sub, s, a)
								for _, x := range filled(rng, plain, n, cols, act) {
									compare(t, what, l, plain, w, m, x)
								}
							}
						}
					}
				}
			}
		}
	})
}

// subScales is where in blocks those of 16 weights are.
var subScales = map[quant.Type][2]int{quant.Q2_K: {0, 16}, quant.Q3_K: {96, 108}, quant.Q6_K: {192, 208}}

// setBlocks fills blocks with codes, sub-scales of 16 weights and scales.
func setBlocks(w tensor.Tensor, code, sub func(i int) byte, scale func() float32) {
	for i := range w.Data {
		w.Data[i] = code(i)
	}
	at := subScales[w.Type]
	for i := 0; i < len(w.Data); i += w.Type.BlockBytes() {
		block := w.Data[i : i+w.Type.BlockBytes()]
		for j := at[0]; j < at[1]; j++ {
			block[j] = sub(j)
		}
		codec.SetScales(w.Type, block, scale)
	}
}

// compare multiplies in panels and with plain Go.
func compare(t *testing.T, what string, l panel.Layout, plain *tier.Tier, w tensor.Tensor, m *panel.Matrix, x *tensor.Acts) {
	t.Helper()
	const guard = 42
	n, rows := x.N, w.Rows
	want, got := make([]float32, n*rows), make([]float32, n*rows+1)
	got[n*rows] = guard
	plain.MatMul(want, rows, w, 0, rows, x, &generic.Scratch{})
	l.NewMultiplier(x.N).MatMul(got, rows, m, 0, rows, x)
	for i, v := range want {
		// A NaN is one NaN or another: what the operands' order makes it. From
		// infinite scales of K-quants NEON may make a NaN of an infinity.
		none := (v != v || runtime.GOARCH == "arm64" && math.IsInf(float64(v), 0)) && got[i] != got[i]
		if math.Float32bits(v) != math.Float32bits(got[i]) && !none {
			t.Fatalf("%s: %d x %d, %d inputs (words: %t): result %d of input %d is %g, want %g", what, rows, w.Cols, n, x.W != nil, i%rows, i/rows, got[i], v)
		}
	}
	if got[n*rows] != guard {
		t.Fatalf("%s: %d x %d, %d inputs: wrote past the end", what, rows, w.Cols, n)
	}
}

// TestStack calls kernels with all amounts of stack left to the goroutine:
// those with large frames must make it grow.
func TestStack(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	each(t, func(t *testing.T, l panel.Layout, plain *tier.Tier) {
		for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0, quant.Q2_K} {
			w := weights(rng, typ, 16, typ.BlockLen())
			m := paneltest.Pack(l, w)
			for _, x := range filled(rng, plain, 16, w.Cols, func(int) int8 { return int8(rng.IntN(255) - 127) }) {
				compare(t, typ.String(), l, plain, w, m, x)
				want, got := make([]float32, x.N*w.Rows), make([]float32, x.N*w.Rows)
				mul := l.NewMultiplier(x.N)
				mul.MatMul(want, w.Rows, m, 0, w.Rows, x)
				for depth := range 128 {
					clear(got)
					done := make(chan bool)
					go func() {
						defer close(done)
						deeper(depth, func() { mul.MatMul(got, w.Rows, m, 0, w.Rows, x) })
					}()
					<-done
					if !slices.Equal(got, want) {
						t.Fatalf("%v, %d frames deep: results differ", typ, depth)
					}
				}
			}
		}
	})
}

// deeper calls f with depth more frames on the stack.
//
//go:noinline
func deeper(depth int, f func()) (sum byte) {
	var frame [48]byte
	if depth == 0 {
		f()
		return 0
	}
	frame[depth%len(frame)] = deeper(depth-1, f) + 1
	return frame[(depth+1)%len(frame)]
}
