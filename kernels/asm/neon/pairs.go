package main

import (
	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
)

// SMMLA multiplies two rows of activations at a time. A register has eight
// columns of two rows, and the products of two of them are those of two rows of
// weights and two of activations, in the order 00, 01, 10, 11. They are scaled
// like that and then sorted by rows of activations.

// preparePairs unpacks the codes of row quad i: eight columns of its first two
// rows, the same of the others, then the next columns.
func (k *kernel) preparePairs(i int) {
	for v := 0; v < panels.TileQuads; v += 2 {
		a := k.unpack(i, v)
		b := k.unpack(i, v+1)
		t := k.Vec()
		k.I("zip1 %.4s, %.4s, %.4s", t, a, b)
		k.I("zip2 %.4s, %.4s, %.4s", b, a, b)
		k.Free(a)
		k.storeCode(t, i, v)
		k.storeCode(b, i, v+1)
	}
}

// pair is two blocks of activations.
type pair struct {
	x     []arm64.V  // eight columns of both
	scale [2]arm64.V // scales of a group: of the first row, the second, and again
	start [2]arm64.V // what is subtracted from sums of products
	sums  []arm64.V  // of each row: see scaledSums
}

// multiplyPair multiplies the tile with two blocks of activations.
func (k *kernel) multiplyPair() {
	p := k.loadPair()
	for i := range rowQuads {
		k.quad(i, func(g int) []arm64.V { return k.pairProducts(p, i, g) }, func(op string, to, v arm64.V, _, g int) {
			k.I(op+" %.4s, %.4s, %.4s", to, v, p.scale[g])
		}, p.sums)
	}
	k.Free(p.x...)
	k.Free(p.scale[:]...)
	if k.shift() > 0 {
		k.Free(p.start[:]...)
	}
	if k.Minima {
		k.Free(p.sums...)
	}
}

func (k *kernel) loadPair() *pair {
	rows := [2]arm64.R{rRowX, rRowX2}
	p := &pair{start: [2]arm64.V{k.magic, k.magic}}
	for h := range 2 {
		a, b := k.Loaded(rows[0], 16*h), k.Loaded(rows[1], 16*h)
		t := k.Vec()
		k.I("zip1 %.2d, %.2d, %.2d", t, a, b)
		k.I("zip2 %.2d, %.2d, %.2d", b, a, b)
		k.Free(a)
		p.x = append(p.x, t, b)
	}
	a, b := k.Loaded(rows[0], panels.OffD), k.Loaded(rows[1], panels.OffD)
	scales, starts := k.Vec(), k.Vec()
	k.I("zip1 %.4s, %.4s, %.4s", scales, a, b)
	k.I("zip2 %.4s, %.4s, %.4s", starts, a, b)
	k.Free(a, b)
	p.scale = k.twice(scales)
	if k.shift() > 0 {
		k.I("sshr %.4s, %.4s, #%", starts, starts, 7-k.shift())
		k.I("sub %.4s, %.4s, %.4s", starts, k.magic, starts)
		p.start = k.twice(starts)
	} else {
		k.Free(starts)
	}
	for _, x := range rows {
		p.sums = append(p.sums, k.scaledSums(x, 0))
	}
	return p
}

// twice returns each half of v twice. It frees v.
func (k *kernel) twice(v arm64.V) [2]arm64.V {
	t := k.Vec()
	k.I("zip1 %.2d, %.2d, %.2d", t, v, v)
	k.I("zip2 %.2d, %.2d, %.2d", v, v, v)
	return [2]arm64.V{t, v}
}

// pairProducts returns the dot products of group g: of rows 4i and 4i+1, and of the
// next two.
func (k *kernel) pairProducts(p *pair, i, g int) []arm64.V {
	products := k.Vecs(2)
	for h, r := range products {
		k.Load(r, rConst, constMagic)
		for j := range 2 {
			c := k.code(i, 4*g+2*j+h)
			k.I("smmla %.4s, %.16b, %.16b", r, c, p.x[2*g+j])
			k.Free(c)
		}
	}
	for _, r := range products {
		k.I("fsub %.4s, %.4s, %.4s", r, r, p.start[g])
	}
	return products
}

// sort returns the results of each row of activations. It frees v.
func (k *kernel) sort(v []arm64.V) []arm64.V {
	t := k.Vec()
	k.I("uzp1 %.4s, %.4s, %.4s", t, v[0], v[1])
	k.I("uzp2 %.4s, %.4s, %.4s", v[1], v[0], v[1])
	k.Free(v[0])
	return []arm64.V{t, v[1]}
}
