package main

import (
	"fmt"

	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
)

// The kernels for floating-point weights. Each column's 16 weights become four
// vectors of float32, which a fused multiply-add by element multiplies with the
// activation of that column; one load gives those of four columns. A row's sums are
// the same however many are multiplied with it.

// runCols is the number of columns whose products are summed before they are
// added to the result: short sums lose less to rounding.
const runCols = 256

// unroll is the number of columns that are multiplied at a time.
const unroll = 4

// floatKernel is a kernel for n rows of activations.
type floatKernel struct {
	panelKernel
	n    int
	x    []arm64.R   // the rows' next activations
	sums [][]arm64.V // [row][register]
}

// How these kernels use some of the registers.
const (
	rRun   = rTmp   // columns left of those that are summed together
	rAt    = rPair  // a panel's next weights
	rBegun = rBlock // whether there are results
)

func floats(a *arm64.Asm) string {
	return imports + panels.Table("FloatMul", "are the kernels for floating-point weights", panels.Floats(), func(f panels.Format) (names []string) {
		for n := 1; n <= 4; n *= 2 {
			k := &floatKernel{panelKernel: panelKernel{f, a}, n: n}
			names = append(names, k.generate())
		}
		return names
	})
}

// generate writes the function and returns its name.
func (k *floatKernel) generate() string {
	name := fmt.Sprintf("mul%sx%d", k.Name, k.n)
	k.Func(name, 0, "(a *panel.Args)", fmt.Sprintf("%s multiplies %s weights with %d rows of activations.", name, k.Name, k.n))
	k.G("MOVD %s, %v", k.Param("a"), rArgs)
	k.arg(panels.ArgPanel, rPanel)
	k.arg(panels.ArgDst, rDst)
	k.arg(panels.ArgPanels, rCount)
	k.arg(panels.ArgPanelBytes, rSize)
	k.arg(panels.ArgDstStride, rDstStride)
	k.arg(panels.ArgXStride, rXStride)
	k.x = []arm64.R{rRow, rRowX, rBuf, rConst}[:k.n]
	for range k.n {
		k.sums = append(k.sums, k.Vecs(rowQuads))
	}
	k.panels(func() {
		run := k.NewLabel("run")
		k.G("MOVD %v, %v", rPanel, rAt)
		k.arg(panels.ArgTiles, rLeft)
		k.arg(panels.ArgX, k.x[0])
		for i := 1; i < k.n; i++ {
			k.G("ADD %v, %v, %v", rXStride, k.x[i-1], k.x[i])
		}
		k.arg(panels.ArgBegun, rBegun)
		k.Label(run)
		k.run()
		k.results()
		k.G("CBNZ %v, %s", rLeft, run)
	})
	k.FreeAll(k.sums...)
	return name
}

// run sums the products of up to runCols columns.
func (k *floatKernel) run() {
	for _, row := range k.sums {
		for _, v := range row {
			k.Zero(v)
		}
	}
	columns, rest, column, sum := k.NewLabel("columns"), k.NewLabel("rest"), k.NewLabel("column"), k.NewLabel("sum")
	k.G("MOVD $%d, %v", runCols, rRun)
	k.G("CMP %v, %v", rRun, rLeft)
	k.G("CSEL LT, %v, %v, %v", rLeft, rRun, rRun)
	k.G("SUB %v, %v", rRun, rLeft)
	k.G("SUBS $%d, %v", unroll, rRun)
	k.G("BLT %s", rest)
	k.Label(columns)
	const ahead = 1024
	for l := range unroll * k.Bytes / 4 {
		k.G("PRFM %d(%v), PLDL1KEEP", ahead+64*l, rAt)
	}
	k.columns(unroll)
	k.G("SUBS $%d, %v", unroll, rRun)
	k.G("BGE %s", columns)
	k.Label(rest)
	k.G("ADDS $%d, %v", unroll, rRun)
	k.G("BEQ %s", sum)
	k.Label(column)
	k.columns(1)
	k.G("SUBS $1, %v", rRun)
	k.G("BNE %s", column)
	k.Label(sum)
}

// columns adds the products of n columns, and goes on by so many.
func (k *floatKernel) columns(n int) {
	x := k.Vecs(k.n)
	for i, v := range x {
		if n == unroll {
			k.G("VLD1.P 16(%v), [V%d.S4]", k.x[i], v)
		} else {
			k.G("FMOVS.P 4(%v), F%d", k.x[i], v)
		}
	}
	for c := range n {
		w := k.weights(c)
		for i, row := range k.sums {
			for r, v := range row {
				k.I("fmla %.4s, %.4s, %.s[%]", v, w[r], x[i], c)
			}
		}
		k.Free(w...)
	}
	k.Free(x...)
	k.G("ADD $%d, %v", n*16*k.Bytes, rAt)
}

// weights loads those of a column.
func (k *floatKernel) weights(c int) []arm64.V {
	v := k.Vecs(rowQuads)
	at := 16 * k.Bytes * c
	if k.Bytes == 4 {
		for r := range v {
			k.Load(v[r], rAt, at+16*r)
		}
		return v
	}
	widen, widen2 := "fcvtl %.4s, %.4h", "fcvtl2 %.4s, %.8h"
	if k.Name == "BF16" {
		widen, widen2 = "shll %.4s, %.4h, #16", "shll2 %.4s, %.8h, #16"
	}
	for h := range 2 {
		k.Load(v[2*h+1], rAt, at+16*h)
		k.I(widen, v[2*h], v[2*h+1])
		k.I(widen2, v[2*h+1], v[2*h+1])
	}
	return v
}

// results stores the sums or, after the first run, adds them to
// what is there.
func (k *floatKernel) results() {
	store := k.NewLabel("store")
	each := func(do func(v arm64.V, offset int)) {
		k.G("MOVD %v, %v", rDst, rRowDst)
		for i, row := range k.sums {
			for r, v := range row {
				do(v, quadBytes*r)
			}
			if i+1 < k.n {
				k.G("ADD %v, %v", rDstStride, rRowDst)
			}
		}
	}
	k.G("CBZ %v, %s", rBegun, store)
	each(func(v arm64.V, offset int) {
		t := k.Loaded(rRowDst, offset)
		k.I("fadd %.4s, %.4s, %.4s", v, v, t)
		k.Free(t)
	})
	k.Label(store)
	each(func(v arm64.V, offset int) { k.Store(v, rRowDst, offset) })
	k.G("MOVD $1, %v", rBegun)
}
