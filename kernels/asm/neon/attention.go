package main

import (
	"fmt"
	"math"

	"qgo/kernels/asm/arm64"
	"qgo/kernels/generic"
)

// The kernels of attention: scores, softmax and the weighted sum of values,
// with the operations of generic.Attend in the same order, but for products
// that are not rounded before they are added. Both products take several
// queries at a time, whose sums stay in registers, so that each vector of keys
// or values is loaded and converted once for all of them.

const (
	scoreStride = 4 * generic.AttnChunk // bytes from one query's scores to the next's
	queries     = 4                     // at a time: four registers for the sums of each
	q8Len       = 32                    // values of a Q8_0 block
	q8Bytes     = 34                    // its size
)

// kvFormat is a type of keys and values.
type kvFormat struct {
	name  string
	bytes int // per value, scales left out
}

var kvFormats = []kvFormat{{"F32", 4}, {"F16", 2}, {"Q8", 1}}

func attention(a *arm64.Asm) string {
	g := vec{a}
	for _, f := range kvFormats {
		g.scores(f)
		g.values(f)
	}
	g.softmax()
	window := make([]uint32, 32)
	for i := range 16 {
		window[i] = math.MaxUint32
	}
	a.Data("window", words(window))
	return ""
}

// load16 loads 16 values as float32; those of Q8 still lack their scale.
func (g vec) load16(f kvFormat, base arm64.R, disp int) []arm64.V {
	v := g.Vecs(4)
	switch f.name {
	case "F32":
		for i := range v {
			g.Load(v[i], base, disp+16*i)
		}
	case "F16":
		for i := range 2 {
			g.Load(v[2*i+1], base, disp+16*i)
			g.I("fcvtl %.4s, %.4h", v[2*i], v[2*i+1])
			g.I("fcvtl2 %.4s, %.8h", v[2*i+1], v[2*i+1])
		}
	case "Q8":
		g.Load(v[3], base, disp)
		g.I("sshll %.8h, %.8b, #0", v[1], v[3])
		g.I("sshll2 %.8h, %.16b, #0", v[3], v[3])
		for i := range 2 {
			g.I("sshll %.4s, %.4h, #0", v[2*i], v[2*i+1])
			g.I("sshll2 %.4s, %.8h, #0", v[2*i+1], v[2*i+1])
		}
		for i := range v {
			g.I("scvtf %.4s, %.4s", v[i], v[i])
		}
	}
	return v
}

// mulAdd adds vals times element e of factor to sums, rounding once.
func (g vec) mulAdd(sums, vals []arm64.V, factor arm64.V, e int) {
	for i := range sums {
		g.I("fmla %.4s, %.4s, %.s[%]", sums[i], vals[i], factor, e)
	}
}

// dispatch jumps to the code for n queries, which emit writes for each number.
func (g vec) dispatch(n arm64.R, emit func(n int)) {
	for i := 1; i < queries; i++ {
		g.G("CMP $%d, %v", i, n)
		g.G("BEQ queries%d", i)
	}
	for i := queries; i > 0; i-- {
		g.Label(fmt.Sprintf("queries%d", i))
		emit(i)
		g.G("RET")
	}
}

// zeros returns four cleared registers for each of n queries.
func (g vec) zeros(n int) [][]arm64.V {
	sums := make([][]arm64.V, n)
	for i := range sums {
		sums[i] = g.Zeros(4)
	}
	return sums
}

func (g vec) scores(f kvFormat) {
	g.Func("scores"+f.name, 0, "(s, q *float32, n int, k *byte, d, blocks int)", fmt.Sprintf(
		"scores%s writes the scalar products of n queries q of d values, 1 to %d, with the keys of some blocks to s, whose rows are 256 values apart.", f.name, queries))
	g.params(r0, "s", "q", "n", "k", "d", "blocks")
	g.dispatch(r2, func(n int) {
		g.Repeat("block", r5, 1, func() {
			values, group := g.NewLabel("values"), g.NewLabel("group")
			sums := g.zeros(n)
			at := []arm64.R{r6, r7, r8, r9}[:n] // each query's next values
			g.G("MOVD %v, %v", r1, at[0])
			for i := 1; i < n; i++ {
				g.G("ADD %v<<2, %v, %v", r4, at[i-1], at[i])
			}
			const left, count = arm64.R(10), arm64.R(11)
			g.G("MOVD %v, %v", r4, left)
			var scale []arm64.V
			if f.name == "Q8" {
				g.Label(group)
				scale = g.Vecs(4)
				for i, v := range scale {
					g.G("FMOVD %d(%v), F%d", 8*i, r3, v)
					g.I("fcvtl %.4s, %.4h", v, v)
				}
				g.G("ADD $32, %v", r3)
				g.G("MOVD $%d, %v", q8Len, count)
			}
			g.Label(values)
			q := g.Vecs(n)
			for i := range q {
				g.G("VLD1.P 16(%v), [V%d.S4]", at[i], q[i])
			}
			for e := range 4 {
				keys := g.load16(f, r3, 16*f.bytes*e)
				for i := range scale {
					g.I("fmul %.4s, %.4s, %.4s", keys[i], keys[i], scale[i])
				}
				for i := range sums {
					g.mulAdd(sums[i], keys, q[i], e)
				}
				g.Free(keys...)
			}
			g.Free(q...)
			g.G("ADD $%d, %v", 64*f.bytes, r3)
			if f.name == "Q8" {
				g.G("SUBS $4, %v", count)
				g.G("BNE %s", values)
				g.G("SUBS $%d, %v", q8Len, left)
				g.G("BNE %s", group)
				g.Free(scale...)
			} else {
				g.G("SUBS $4, %v", left)
				g.G("BNE %s", values)
			}
			for i := range sums {
				for r, v := range sums[i] {
					g.Store(v, r0, i*scoreStride+16*r)
				}
				g.Free(sums[i]...)
			}
			g.G("ADD $64, %v", r0)
		})
	})
}

func (g vec) values(f kvFormat) {
	g.Func("values"+f.name, 0, "(acc, p *float32, n int, v *byte, d, rows int)", fmt.Sprintf(
		"values%s writes to acc, n rows of d values, the sum of rows v, each times its weight p[query*256+row]. n is 1 to %d, rows at least 1.", f.name, queries))
	g.params(r0, "acc", "p", "n", "v", "d", "rows")
	const bytes, stride = arm64.R(6), arm64.R(7) // of a row of values, of a query's output
	g.G("LSL $2, %v, %v", r4, stride)
	switch f.name {
	case "F32":
		g.G("LSL $2, %v, %v", r4, bytes)
	case "F16":
		g.G("LSL $1, %v, %v", r4, bytes)
	case "Q8": // two more for each 32
		g.G("ADD %v>>4, %v, %v", r4, r4, bytes)
	}
	g.dispatch(r2, func(n int) {
		skips := []int{0}
		if f.name == "Q8" {
			skips = []int{2, 18}
		}
		g.Repeat("part", r4, 16*len(skips), func() {
			for _, skip := range skips {
				to := r0
				for i, sums := range g.sumValues(f, n, skip, bytes) {
					if i > 0 {
						g.G("ADD %v, %v, %v", stride, to, r8)
						to = r8
					}
					for r, v := range sums {
						g.Store(v, to, 16*r)
					}
					g.Free(sums...)
				}
				g.G("ADD $64, %v", r0)
			}
			if f.name == "Q8" {
				g.G("ADD $%d, %v", q8Bytes, r3)
			} else {
				g.G("ADD $%d, %v", 16*f.bytes, r3)
			}
		})
	})
}

// sumValues computes 16 values of the output of n queries, from the bytes that
// are skip behind r3.
func (g vec) sumValues(f kvFormat, n, skip int, bytes arm64.R) [][]arm64.V {
	const at, weight, left = arm64.R(10), arm64.R(11), arm64.R(12)
	sums := g.zeros(n)
	g.G("MOVD %v, %v", r3, at)
	g.G("MOVD %v, %v", r1, weight)
	g.G("MOVD %v, %v", r5, left)
	row := func(p []arm64.V, e int) {
		vals := g.load16(f, at, skip)
		if f.name == "Q8" {
			scale := g.Vec()
			g.G("VLD1R (%v), [V%d.H8]", at, scale)
			g.I("fcvtl %.4s, %.4h", scale, scale)
			for _, v := range vals {
				g.I("fmul %.4s, %.4s, %.4s", v, v, scale)
			}
			g.Free(scale)
		}
		for i := range sums {
			g.mulAdd(sums[i], vals, p[i], e)
		}
		g.Free(vals...)
		g.G("ADD %v, %v", bytes, at)
	}
	four, one, done := g.NewLabel("four"), g.NewLabel("one"), g.NewLabel("done")
	g.G("SUBS $4, %v", left)
	g.G("BLT %s", one)
	g.Label(four)
	p := g.Vecs(n)
	for i := range p {
		g.Load(p[i], weight, i*scoreStride)
	}
	for e := range 4 {
		row(p, e)
	}
	g.G("ADD $16, %v", weight)
	g.G("SUBS $4, %v", left)
	g.G("BGE %s", four)
	g.Label(one)
	g.G("ADDS $4, %v", left)
	g.G("BEQ %s", done)
	g.Repeat("single", left, 1, func() {
		for i := range p {
			g.G("FMOVS %d(%v), F%d", i*scoreStride, weight, p[i])
		}
		row(p, 0)
		g.G("ADD $4, %v", weight)
	})
	g.Label(done)
	g.Free(p...)
	return sums
}
