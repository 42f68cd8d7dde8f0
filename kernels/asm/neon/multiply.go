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

// multiply multiplies the tile with a block of activations.
func (k *kernel) multiply(x arm64.R, at int) {
	k.activations(x, at)
	for i := range rowQuads {
		if !k.many {
			k.prefetch(k.tile*rowQuads + i)
		}
		k.quad(i)
	}
	k.freeActivations()
}

func (k *kernel) freeActivations() {
	k.Free(k.x...)
	k.Free(k.block)
	if k.Minima {
		k.Free(k.sums)
	}
	if k.shift() > 0 {
		k.Free(k.start[:]...)
	}
}

// activations loads a block.
func (k *kernel) activations(x arm64.R, at int) {
	codes := k.Vecs(2)
	for g, v := range codes {
		k.Load(v, x, at+16*g)
	}
	k.x = codes
	if k.isa == smull {
		k.x = k.Vecs(panels.TileQuads)
		for v := range k.x {
			k.I("dup %.4s, %.s[%]", k.x[v], codes[v/4], v%4)
		}
		k.Free(codes...)
	}
	k.block = k.Loaded(x, at+panels.OffD)
	k.start = [2]arm64.V{k.magic, k.magic}
	if k.shift() > 0 {
		// The codes have 1<<offset added: so many times the sum of
		// activations is too much.
		t := k.Vec()
		k.I("shl %.4s, %.4s, #%", t, k.block, k.shift())
		k.I("sub %.4s, %.4s, %.4s", t, k.magic, t)
		for g := range k.start {
			k.start[g] = k.Vec()
			k.I("dup %.4s, %.s[%]", k.start[g], t, 2+g)
		}
		k.Free(t)
	}
	k.sums = k.scaledSums(x, at)
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

// quad computes rows 4i to 4i+3.
func (k *kernel) quad(i int) {
	var sum [2]arm64.V
	for g := range sum {
		r := k.products(i, g)
		k.I("fsub %.4s, %.4s, %.4s", r, r, k.start[g])
		k.I("fmul %.4s, %.4s, %.s[%]", r, r, k.block, g)
		if k.Group == 16 {
			k.scaled(r, k.scale(i, g))
		}
		sum[g] = r
	}
	k.I("fadd %.4s, %.4s, %.4s", sum[0], sum[0], sum[1])
	k.Free(sum[1])
	if k.Group == 32 {
		k.scaled(sum[0], k.scale(i, 0))
	}
	k.add(i, sum[0], rRowDst, k.sums)
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

func (k *kernel) scaled(v, scale arm64.V) {
	k.I("fmul %.4s, %.4s, %.4s", v, v, scale)
	k.Free(scale)
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
