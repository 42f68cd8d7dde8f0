package main

import (
	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
)

// SMMLA multiplies two rows of activations at a time. A register has eight
// columns of two rows, and the products of two of them are those of two rows of
// weights and two of activations, in the order 00, 01, 10, 11. They are scaled and
// added up like that, and sorted at the end of a panel. Until then k.y[0][i], which is
// stored where the results of the first row of activations belong, has those of the
// first two rows of row quad i, and k.y[1][i] those of the others.

// preparePairs unpacks the codes of row quad i: eight columns of its first two
// rows, the same of the others, then the next columns.
func (k *kernel) preparePairs(i int) {
	for v := 0; v < panels.TileQuads; v += 2 {
		a := k.signed(i, v)
		b := k.signed(i, v+1)
		t := k.Vec()
		k.I("zip1 %.4s, %.4s, %.4s", t, a, b)
		k.I("zip2 %.4s, %.4s, %.4s", b, a, b)
		k.Free(a)
		k.keep(t, k.localCode(i, v))
		k.keep(b, k.localCode(i, v+1))
	}
}

// pair is two blocks of activations. Numbers of a group are those of the first row,
// the second, and again.
type pair struct {
	x     []arm64.V // eight columns of both
	scale arm64.V
	sums  []arm64.V // of each group of weights: see scaledSums
}

// multiplyPair multiplies the tile with two blocks of activations.
func (k *kernel) multiplyPair() {
	p := k.loadPair(rTileX, rTileX2)
	for i := range rowQuads {
		k.quad(i, func(g int) []arm64.V { return k.pairProducts(p, i, g) }, func(op string, to, v arm64.V, _, _ int) {
			k.I(op+" %.4s, %.4s, %.4s", to, v, p.scale)
		}, func(op string, to, m arm64.V, _, g int) {
			k.I(op+" %.4s, %.4s, %.4s", to, m, p.sums[g])
		})
	}
	k.FreeAll(p.x, p.sums)
	k.Free(p.scale)
}

func (k *kernel) loadPair(first, second arm64.R) *pair {
	p := &pair{}
	for h := range 2 {
		a, b := k.Loaded(first, 16*h), k.Loaded(second, 16*h)
		t := k.Vec()
		k.I("zip1 %.2d, %.2d, %.2d", t, a, b)
		k.I("zip2 %.2d, %.2d, %.2d", b, a, b)
		k.Free(a)
		p.x = append(p.x, t, b)
	}
	both := func(a, b arm64.V) arm64.V {
		k.I("zip1 %.4s, %.4s, %.4s", a, a, b)
		k.Free(b)
		return a
	}
	p.scale = both(k.Loaded(first, panels.OffD), k.Loaded(second, panels.OffD)) // which each block has twice
	if k.Minima {
		p.sums = k.twice(both(k.scaledSums(first, 0), k.scaledSums(second, 0)))
	}
	return p
}

// twice returns each half of v twice, or v where weights are in groups of 32: it has the
// same numbers twice then. It frees v.
func (k *kernel) twice(v arm64.V) []arm64.V {
	if k.Group == 32 {
		return []arm64.V{v}
	}
	t := k.Vec()
	k.I("zip1 %.2d, %.2d, %.2d", t, v, v)
	k.I("zip2 %.2d, %.2d, %.2d", v, v, v)
	return []arm64.V{t, v}
}

// pairProducts returns the dot products of rows 4i and 4i+1, and of the next two, with
// the columns of sum g.
func (k *kernel) pairProducts(p *pair, i, g int) []arm64.V {
	products, n := k.Vecs(2), panels.TileQuads/2/k.sums()
	for h, r := range products {
		k.Load(r, rConst, constMagic)
		for j := n * g; j < n*(g+1); j++ {
			c := k.code(i, 2*j+h)
			k.I("smmla %.4s, %.16b, %.16b", r, c, p.x[j])
			k.Free(c)
		}
	}
	for _, r := range products {
		k.I("fsub %.4s, %.4s, %.4s", r, r, k.magic)
	}
	return products
}

// sort puts results in the order of rows.
func (k *kernel) sort() {
	k.rows(2, func() {
		k.G("ADD %v, %v, %v", rDstStride, rRowDst, rRowDst2)
		k.loadResults()
		for i, a := range k.y[0] {
			b, t := k.y[1][i], k.Vec()
			k.I("uzp1 %.4s, %.4s, %.4s", t, a, b)
			k.I("uzp2 %.4s, %.4s, %.4s", b, a, b)
			k.Free(a)
			k.y[0][i] = t
		}
		k.storeResults()
	})
}
