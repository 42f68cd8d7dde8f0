package main

import (
	"qgo/kernels/asm/arm64"

	"qgo/kernels/asm/panels"
)

// What multiplies two rows of activations at a time, for which codes and scales
// are loaded once.

// multiplyTwo multiplies the tile with two blocks of activations, with SDOT.
func (k *kernel) multiplyTwo() {
	var rows [2]acts
	for r, x := range []arm64.R{rRowX, rRowX2} {
		k.activations(x, 0)
		rows[r] = k.acts
	}
	for i := range rowQuads {
		k.quadTwo(&rows, i)
	}
	for _, k.acts = range rows {
		k.freeActivations()
	}
}

// quadTwo computes rows 4i to 4i+3 for both blocks.
func (k *kernel) quadTwo(rows *[2]acts, i int) {
	var sum [2][2]arm64.V
	for g := range sum {
		for r := range rows {
			sum[g][r] = k.Loaded(rConst, constMagic)
		}
		for j := range 4 {
			c := k.code(i, 4*g+j)
			for r, v := range sum[g] {
				k.I("sdot %.4s, %.16b, %.4b[%]", v, c, rows[r].x[g], j)
			}
			k.Free(c)
		}
		for r, v := range sum[g] {
			k.I("fsub %.4s, %.4s, %.4s", v, v, rows[r].start[g])
			k.I("fmul %.4s, %.4s, %.s[%]", v, v, rows[r].block, g)
		}
		if k.Group == 16 {
			k.scaledPair(sum[g], k.scale(i, g))
		}
	}
	k.addGroups(&sum)
	if k.Group == 32 {
		k.scaledPair(sum[0], k.scale(i, 0))
	}
	k.add(i, sum[0][0], rRowDst, rows[0].sums)
	k.add(i, sum[0][1], rRowDst2, rows[1].sums)
}

// addGroups adds the second group's results to the first one's.
func (k *kernel) addGroups(sum *[2][2]arm64.V) {
	for r, v := range sum[0] {
		k.I("fadd %.4s, %.4s, %.4s", v, v, sum[1][r])
		k.Free(sum[1][r])
	}
}

// With SMMLA, a register has eight columns of two rows, and the products of two
// of them are those of two rows of weights and two of activations, in the order
// 00, 01, 10, 11. They are scaled like that and then sorted by rows of
// activations.

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
	sums  [2]arm64.V // of a row: see scaledSums
}

// multiplyPair multiplies the tile with two blocks of activations.
func (k *kernel) multiplyPair() {
	p := k.loadPair()
	for i := range rowQuads {
		k.quadPair(p, i)
	}
	k.Free(p.x...)
	k.Free(p.scale[:]...)
	if k.shift() > 0 {
		k.Free(p.start[:]...)
	}
	if k.Minima {
		k.Free(p.sums[:]...)
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
	scales, negSums := k.Vec(), k.Vec()
	k.I("zip1 %.4s, %.4s, %.4s", scales, a, b)
	k.I("zip2 %.4s, %.4s, %.4s", negSums, a, b)
	k.Free(a, b)
	p.scale = k.twice(scales)
	if k.shift() > 0 {
		k.I("shl %.4s, %.4s, #%", negSums, negSums, k.shift())
		k.I("sub %.4s, %.4s, %.4s", negSums, k.magic, negSums)
		p.start = k.twice(negSums)
	} else {
		k.Free(negSums)
	}
	for r, x := range rows {
		p.sums[r] = k.scaledSums(x, 0)
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

// quadPair computes rows 4i to 4i+3 for both blocks.
func (k *kernel) quadPair(p *pair, i int) {
	var sum [2][2]arm64.V
	for g := range sum {
		sum[g] = k.pairProducts(p, i, g)
		for _, r := range sum[g] {
			k.I("fsub %.4s, %.4s, %.4s", r, r, p.start[g])
			k.I("fmul %.4s, %.4s, %.4s", r, r, p.scale[g])
		}
		if k.Group == 16 {
			sum[g] = k.sort(sum[g])
			k.scaledPair(sum[g], k.scale(i, g))
		}
	}
	k.addGroups(&sum)
	if k.Group == 32 {
		sum[0] = k.sort(sum[0])
		k.scaledPair(sum[0], k.scale(i, 0))
	}
	for r, dst := range []arm64.R{rRowDst, rRowDst2} {
		k.add(i, sum[0][r], dst, p.sums[r])
	}
}

// pairProducts returns the products of group g: of rows 4i and 4i+1, and of the
// next two.
func (k *kernel) pairProducts(p *pair, i, g int) [2]arm64.V {
	r := [2]arm64.V{k.Vec(), k.Vec()}
	for h := range r {
		k.Load(r[h], rConst, constMagic)
		for j := range 2 {
			c := k.code(i, 4*g+2*j+h)
			k.I("smmla %.4s, %.16b, %.16b", r[h], c, p.x[2*g+j])
			k.Free(c)
		}
	}
	return r
}

// sort returns the results of each row of activations. It frees v.
func (k *kernel) sort(v [2]arm64.V) [2]arm64.V {
	t := k.Vec()
	k.I("uzp1 %.4s, %.4s, %.4s", t, v[0], v[1])
	k.I("uzp2 %.4s, %.4s, %.4s", v[1], v[0], v[1])
	k.Free(v[0])
	return [2]arm64.V{t, v[1]}
}

func (k *kernel) scaledPair(v [2]arm64.V, scale arm64.V) {
	k.I("fmul %.4s, %.4s, %.4s", v[0], v[0], scale)
	k.scaled(v[1], scale)
}
