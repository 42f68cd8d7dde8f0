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
		k.quad(i, func(g int) []arm64.V { return k.products(rows, i, g) }, func(op string, to, v arm64.V, r, g int) {
			k.I(op+" %.4s, %.4s, %.s[%]", to, v, rows[r].block, g)
		}, sums)
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
		k.I("sshr %.4s, %.4s, #%", t, a.block, 7-k.shift())
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

// scaledSums loads what minima are multiplied with, a number for each group of
// weights.
func (k *kernel) scaledSums(x arm64.R, at int) arm64.V {
	if !k.Minima {
		return -1
	}
	from := panels.OffSum
	if k.Group == 32 {
		from = panels.OffBoth
	}
	v := k.Vec()
	k.G("FMOVD %d(%v), F%d", at+from, x, v)
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

// quad computes rows 4i to 4i+3. products returns dot products of group g with each
// row of activations r; times multiplies v of them with the scale of the
// activations, or adds them times that; sums are the rows' scaled sums.
func (k *kernel) quad(i int, products func(g int) []arm64.V, times func(op string, to, v arm64.V, r, g int), sums []arm64.V) {
	scaled := make([][]arm64.V, k.Groups())
	for g := range 2 {
		sum := products(g)
		if g < len(scaled) {
			for r, v := range sum {
				times("fmul", v, v, r, g)
			}
			scaled[g] = sum
			continue
		}
		for r, v := range sum {
			times("fmla", scaled[0][r], v, r, g)
			k.Free(v)
		}
	}
	if k.isa == smmla {
		for g, v := range scaled {
			scaled[g] = k.sort(v)
		}
	}
	y := make([]arm64.V, len(sums))
	for r := range sums {
		y[r] = k.result(i, r)
	}
	for g, products := range scaled {
		scale := k.scale(i, g)
		for r, v := range products {
			k.I("fmla %.4s, %.4s, %.4s", y[r], v, scale)
			k.Free(v)
		}
		k.Free(scale)
	}
	if k.Minima {
		op := "fmla"
		if k.Super {
			op = "fmls"
		}
		for g := range k.Groups() {
			m := k.minimum(i, g)
			for r, sum := range sums {
				k.I(op+" %.4s, %.4s, %.s[%]", y[r], m, sum, g)
			}
			k.Free(m)
		}
	}
	if k.many {
		for r, v := range y {
			k.Store(v, resultsOf[r], quadBytes*i)
			k.Free(v)
		}
	}
}

// resultsOf are the addresses of the results of up to two rows of activations.
var resultsOf = [2]arm64.R{rRowDst, rRowDst2}

// result is the register of the results of four rows.
func (k *kernel) result(i, row int) arm64.V {
	if !k.many {
		return k.y[i]
	}
	return k.Loaded(resultsOf[row], quadBytes*i)
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
