package main

import (
	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
)

// Where in the two tiles the current one has its scales and codes.
func (k *kernel) scaleAt(offset int) int { return k.tile*k.ScaleBytes() + offset }
func (k *kernel) codeAt(offset int) int {
	return 2*k.ScaleBytes() + k.tile*k.TileBytes() + offset
}

// prepare unpacks the codes and the scales of a tile to local memory.
func (k *kernel) prepare() {
	for i := range rowQuads {
		if k.isa == smmla {
			k.preparePairs(i)
		} else {
			for v := range panels.TileQuads {
				c := k.unpack(i, v)
				k.storeCode(c, i, v)
			}
		}
		for n := range k.Groups() {
			s := k.loadScale(i, n)
			k.Store(s, rBuf, bufScales+n*64+i*quadBytes)
			k.Free(s)
			if k.Minima {
				m := k.loadMin(i, n)
				k.Store(m, rBuf, bufScales+(2+n)*64+i*quadBytes)
				k.Free(m)
			}
		}
	}
}

// storeCode keeps vector v of the codes of row quad i.
func (k *kernel) storeCode(c arm64.V, i, v int) {
	k.Store(c, rBuf, bufCodes+(i*panels.TileQuads+v)*quadBytes)
	k.Free(c)
}

// multiply multiplies the tile with a block of each row of activations, at bytes
// behind x. Codes and scales are loaded once for all of them.
func (k *kernel) multiply(at int, x ...arm64.R) {
	rows, sums := make([]*acts, len(x)), make([]arm64.V, len(x))
	for r := range rows {
		rows[r] = k.activations(x[r], at)
		sums[r] = rows[r].sums
	}
	for i := range rowQuads {
		if !k.many {
			k.prefetch(k.tile*rowQuads + i)
		}
		k.quad(i, func(g int) []arm64.V { return k.products(rows, i, g) }, sums)
	}
	for _, a := range rows {
		k.freeActivations(a)
	}
}

func (k *kernel) freeActivations(a *acts) {
	k.Free(a.x...)
	k.Free(a.block)
	if k.Minima {
		k.Free(a.sums)
	}
	if k.shift() > 0 {
		k.Free(a.start[:]...)
	}
}

// activations loads a block.
func (k *kernel) activations(x arm64.R, at int) *acts {
	codes := k.Vecs(2)
	for g, v := range codes {
		k.Load(v, x, at+16*g)
	}
	a := &acts{x: codes, start: [2]arm64.V{k.magic, k.magic}}
	if k.isa == smull {
		a.x = k.Vecs(panels.TileQuads)
		for v := range a.x {
			k.I("dup %.4s, %.s[%]", a.x[v], codes[v/4], v%4)
		}
		k.Free(codes...)
	}
	a.block = k.Loaded(x, at+panels.OffD)
	if k.shift() > 0 {
		// The codes have 1<<offset added: so many times the sum of
		// activations is too much.
		t := k.Vec()
		k.I("shl %.4s, %.4s, #%", t, a.block, k.shift())
		k.I("sub %.4s, %.4s, %.4s", t, k.magic, t)
		for g := range a.start {
			a.start[g] = k.Vec()
			k.I("dup %.4s, %.s[%]", a.start[g], t, 2+g)
		}
		k.Free(t)
	}
	a.sums = k.scaledSums(x, at)
	return a
}

// scaledSums loads what minima are multiplied with: two numbers, or their sum.
func (k *kernel) scaledSums(x arm64.R, at int) arm64.V {
	if !k.Minima {
		return -1
	}
	v := k.Vec()
	k.G("FMOVD %d(%v), F%d", at+panels.OffSum, x, v)
	if k.Group == 32 {
		k.I("faddp s%, %.2s", v, v)
	}
	return v
}

// prefetch asks for an eighth of the lines of two tiles that are some way ahead.
func (k *kernel) prefetch(part int) {
	const ahead = 1024
	lines := (k.PairBytes() + 63) / 64
	for l := lines * part / 8; l < lines*(part+1)/8; l++ {
		k.G("PRFM %d(%v), PLDL1KEEP", ahead+64*l, rPair)
	}
}

// quad computes rows 4i to 4i+3. products returns what a group's products with
// each row of activations are before the weights' scale; sums are the rows'
// scaled sums.
func (k *kernel) quad(i int, products func(g int) []arm64.V, sums []arm64.V) {
	var sum [2][]arm64.V
	for g := range sum {
		sum[g] = products(g)
		if k.Group == 16 {
			sum[g] = k.scaled(sum[g], i, g)
		}
	}
	for r, v := range sum[0] {
		k.I("fadd %.4s, %.4s, %.4s", v, v, sum[1][r])
		k.Free(sum[1][r])
	}
	if k.Group == 32 {
		sum[0] = k.scaled(sum[0], i, 0)
	}
	for r, dst := range []arm64.R{rRowDst, rRowDst2}[:len(sums)] {
		k.add(i, sum[0][r], dst, sums[r])
	}
}

// scaled returns products of group g with each row of activations times the
// weights' scales.
func (k *kernel) scaled(products []arm64.V, i, g int) []arm64.V {
	if k.isa == smmla {
		products = k.sort(products)
	}
	scale := k.scale(i, g)
	for _, v := range products {
		k.I("fmul %.4s, %.4s, %.4s", v, v, scale)
	}
	k.Free(scale)
	return products
}

// add adds products to the results of rows 4i to 4i+3, and what the minima add
// to them. It frees the products.
func (k *kernel) add(i int, products arm64.V, dst arm64.R, sums arm64.V) {
	y := k.result(i, dst)
	k.I("fadd %.4s, %.4s, %.4s", y, y, products)
	k.Free(products)
	if k.Minima {
		m := k.minimum(i, 0)
		k.I("fmul %.4s, %.4s, %.s[%]", m, m, sums, 0)
		if k.Group == 16 {
			m1 := k.minimum(i, 1)
			k.I("fmul %.4s, %.4s, %.s[%]", m1, m1, sums, 1)
			k.I("fadd %.4s, %.4s, %.4s", m, m, m1)
			k.Free(m1)
		}
		if k.Super {
			k.I("fsub %.4s, %.4s, %.4s", y, y, m)
		} else {
			k.I("fadd %.4s, %.4s, %.4s", y, y, m)
		}
		k.Free(m)
	}
	if k.many {
		k.Store(y, dst, quadBytes*i)
		k.Free(y)
	}
}

// result is the register of the results of four rows.
func (k *kernel) result(i int, dst arm64.R) arm64.V {
	if !k.many {
		return k.y[i]
	}
	return k.Loaded(dst, quadBytes*i)
}

// scale returns the scales of a group of four rows.
func (k *kernel) scale(i, g int) arm64.V {
	if k.many {
		return k.Loaded(rBuf, bufScales+g*64+i*quadBytes)
	}
	return k.loadScale(i, g)
}

func (k *kernel) minimum(i, g int) arm64.V {
	if k.many {
		return k.Loaded(rBuf, bufScales+(2+g)*64+i*quadBytes)
	}
	return k.loadMin(i, g)
}
