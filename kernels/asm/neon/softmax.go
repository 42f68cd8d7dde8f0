package main

import (
	"math"

	"qgo/kernels/asm/arm64"
)

func (g vec) softmax() {
	g.Func("softmax", 0, "(s *float32, n, m int, top, sum *float32)",
		"softmax replaces the first m of 256 scores of n queries, 1 at least, by exp(s - max), and writes each query's maximum and the sum of the results.")
	g.params(r0, "s", "n", "m", "top", "sum")
	lowest := g.constant(math.Inf(-1))
	e := g.newExp(false)
	g.Repeat("query", r1, 1, func() {
		tops := g.Vecs(4)
		for _, v := range tops {
			g.Move(v, lowest[0])
		}
		g.sixteens(func(i int, mask arm64.V) {
			v := g.Loaded(r5, 16*i)
			if mask >= 0 {
				g.I("bif %.16b, %.16b, %.16b", v, lowest[0], mask)
			}
			g.takeGreater(tops[i], v)
			g.Free(v)
		})
		for i := range 2 {
			g.takeGreater(tops[i], tops[i+2])
		}
		g.takeGreater(tops[0], tops[1])
		for _, bytes := range []int{8, 4} {
			g.I("ext %.16b, %.16b, %.16b, #%", tops[1], tops[0], tops[0], bytes)
			g.takeGreater(tops[0], tops[1])
		}
		g.G("FMOVS F%d, (%v)", tops[0], r3)
		g.I("dup %.4s, %.s[%]", tops[0], tops[0], 0)
		best := tops[0]
		g.Free(tops[1:]...)
		sums := g.Zeros(4)
		w := width{g.Asm, 1, false}
		g.sixteens(func(i int, mask arm64.V) {
			v := g.Vecs(1)
			g.Load(v[0], r5, 16*i)
			g.I("fsub %.4s, %.4s, %.4s", v[0], v[0], best)
			e.exp(w, v)
			if mask >= 0 {
				g.I("and %.16b, %.16b, %.16b", v[0], v[0], mask)
			}
			g.Store(v[0], r5, 16*i)
			g.I("fadd %.4s, %.4s, %.4s", sums[i], sums[i], v[0])
			g.Free(v...)
		})
		for n := 2; n > 0; n /= 2 {
			for i := range n {
				g.I("fadd %.4s, %.4s, %.4s", sums[i], sums[i], sums[i+n])
			}
		}
		g.I("ext %.16b, %.16b, %.16b, #%", sums[1], sums[0], sums[0], 8)
		g.I("fadd %.4s, %.4s, %.4s", sums[0], sums[0], sums[1])
		g.I("faddp s%, %.2s", sums[0], sums[0])
		g.G("FMOVS F%d, (%v)", sums[0], r4)
		g.Free(sums...)
		g.Free(best)
		g.G("ADD $%d, %v", scoreStride, r0)
		g.G("ADD $4, %v", r3)
		g.G("ADD $4, %v", r4)
	})
	g.Free(lowest...)
	e.free()
	g.G("RET")
}

// takeGreater replaces the lanes of top that are less than v's: a NaN in v is
// left out, and of two zeros the first stays.
func (g vec) takeGreater(top, v arm64.V) {
	mask := g.Vec()
	g.I("fcmgt %.4s, %.4s, %.4s", mask, v, top)
	g.I("bit %.16b, %.16b, %.16b", top, v, mask)
	g.Free(mask)
}

// sixteens repeats body for each register of the r2 values at r0, which it is
// to find at r5: four registers at a time, at last with masks of the lanes
// that belong to them. The memory of the others may be read and written.
func (g vec) sixteens(body func(i int, mask arm64.V)) {
	loop, rest, done := g.NewLabel("loop"), g.NewLabel("rest"), g.NewLabel("done")
	g.G("MOVD %v, %v", r0, r5)
	g.G("SUBS $16, %v, %v", r2, r6)
	g.G("BLT %s", rest)
	g.Label(loop)
	for i := range 4 {
		body(i, -1)
	}
	g.G("ADD $64, %v", r5)
	g.G("SUBS $16, %v", r6)
	g.G("BGE %s", loop)
	g.Label(rest)
	g.G("ADDS $16, %v", r6)
	g.G("BEQ %s", done)
	// A window on 16 times -1, then 0.
	g.G("MOVD $window<>+64(SB), %v", r7)
	g.G("SUB %v<<2, %v", r6, r7)
	for i := range 4 {
		mask := g.Loaded(r7, 16*i)
		body(i, mask)
		g.Free(mask)
	}
	g.Label(done)
}
