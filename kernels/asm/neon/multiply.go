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

// localScales is the size of 16 scales in local memory: SMMLA takes each twice.
func (k *kernel) localScales() int {
	if k.isa == smmla {
		return 2 * panels.PlaneBytes
	}
	return panels.PlaneBytes
}

// localScale is where an unpacked tile has scales n of row quad i; minima have
// numbers from 2 on. With SMMLA, half h has those of the first or the last two rows.
func (k *kernel) localScale(n, i, h int) int {
	if n >= 2 {
		n += k.Groups() - 2
	}
	return n*k.localScales() + i*k.localScales()/rowQuads + h*quadBytes
}

// localCode is where it has vector v of the codes of row quad i.
func (k *kernel) localCode(i, v int) int {
	n := k.Groups()
	if k.Minima {
		n *= 2
	}
	return n*k.localScales() + (i*panels.TileQuads+v)*quadBytes
}

// localBytes is the size of an unpacked tile.
func (k *kernel) localBytes() int { return k.localCode(rowQuads, 0) }

// prepare unpacks the codes and the scales of a tile to local memory.
func (k *kernel) prepare() {
	for i := range rowQuads {
		if k.isa == smmla {
			k.preparePairs(i)
		} else {
			for v := range panels.TileQuads {
				k.keep(k.signed(i, v), k.localCode(i, v))
			}
		}
		for n := range k.Groups() {
			k.keepScale(k.loadScale(i, n), n, i)
			if k.Minima {
				k.keepScale(k.loadMin(i, n), 2+n, i)
			}
		}
	}
	if len(k.kept) > 0 {
		panic("neon: something is not stored")
	}
}

// signed is unpack without an offset.
func (k *kernel) signed(i, v int) arm64.V {
	c := k.unpack(i, v)
	if k.shift() > 0 {
		k.I("sub %.16b, %.16b, %.16b", c, c, k.offset)
	}
	return c
}

// keepScale stores scales n of row quad i.
func (k *kernel) keepScale(s arm64.V, n, i int) {
	if k.isa == smmla {
		t := k.Vec()
		k.I("zip1 %.4s, %.4s, %.4s", t, s, s)
		k.I("zip2 %.4s, %.4s, %.4s", s, s, s)
		k.keep(t, k.localScale(n, i, 0))
		k.keep(s, k.localScale(n, i, 1))
	} else {
		k.keep(s, k.localScale(n, i, 0))
	}
}

// keep stores a register at an offset in the tile together with the one before it,
// and frees them: a store of two is half the work of two.
func (k *kernel) keep(v arm64.V, at int) {
	before, ok := k.kept[at-quadBytes]
	if !ok {
		k.kept[at] = v
		return
	}
	delete(k.kept, at-quadBytes)
	k.Store2(before, v, rTile, at-quadBytes)
	k.Free(before, v)
}

// multiply multiplies the tile with a block of each row of activations, at bytes
// behind x. Codes and scales are loaded once for all of them.
func (k *kernel) multiply(at int, x ...arm64.R) {
	rows := make([]*acts, len(x))
	for r := range rows {
		rows[r] = k.activations(x[r], at)
	}
	for i := range rowQuads {
		if !k.many {
			k.prefetch(k.tile*rowQuads + i)
		}
		k.quad(i, func(g int) []arm64.V { return k.products(rows, i, g) }, func(op string, to, v arm64.V, r, g int) {
			k.I(op+" %.4s, %.4s, %.s[%]", to, v, rows[r].block, g)
		}, func(op string, to, m arm64.V, r, g int) {
			k.I(op+" %.4s, %.4s, %.s[%]", to, m, rows[r].sums, g)
		})
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
	if k.begins() {
		k.Free(a.start...)
	}
}

// activations loads a block.
func (k *kernel) activations(x arm64.R, at int) *acts {
	codes := k.Vecs(2)
	for g, v := range codes {
		k.Load(v, x, at+16*g)
	}
	a := &acts{x: codes, start: []arm64.V{k.magic, k.magic}}
	if k.isa == smull {
		a.x = k.Vecs(panels.TileQuads)
		for v := range a.x {
			k.I("dup %.4s, %.s[%]", a.x[v], codes[v/4], v%4)
		}
		k.Free(codes...)
	}
	a.block = k.Loaded(x, at+panels.OffD)
	if k.begins() {
		// The codes have 1<<offset added: so many times the sum of
		// activations is too much.
		t := k.Vec()
		k.I("sshr %.4s, %.4s, #%", t, a.block, 7-k.shift())
		a.start = a.start[:k.sums()]
		if len(a.start) == 1 { // that of both halves, to the last number
			k.I("addp %.4s, %.4s, %.4s", t, t, t)
		}
		k.I("sub %.4s, %.4s, %.4s", t, k.magic, t)
		for g := range a.start {
			a.start[g] = k.Vec()
			k.I("dup %.4s, %.s[%]", a.start[g], t, 4-len(a.start)+g)
		}
		k.Free(t)
	}
	if k.Minima {
		a.sums = k.scaledSums(x, at)
	}
	return a
}

// scaledSums loads what minima are multiplied with, a number for each group of
// weights.
func (k *kernel) scaledSums(x arm64.R, at int) arm64.V {
	v := k.Vec()
	k.G("FMOVD %d(%v), F%d", at+k.OffSums(), x, v)
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

// timesFunc multiplies v with a number of each row of activations r and group g, or
// adds it times that.
type timesFunc func(op string, to, v arm64.V, r, g int)

// quad computes rows 4i to 4i+3. products returns dot products of group g with each
// row of activations; the numbers are scales of activations and scaled sums.
func (k *kernel) quad(i int, products func(g int) []arm64.V, scale, sum timesFunc) {
	if k.subScaled() {
		k.subScales(i, products, scale)
	} else {
		k.scaled(i, products, scale)
	}
	if k.Minima {
		op := "fmla"
		if k.Super {
			op = "fmls"
		}
		for g := range k.Groups() {
			k.scales(i, 2+g, func(r int, m arm64.V) { sum(op, k.y[r][i], m, r, g) })
		}
	}
}

// scaled adds scaled dot products to results.
func (k *kernel) scaled(i int, products func(g int) []arm64.V, scale timesFunc) {
	scaled := make([][]arm64.V, k.Groups())
	for g := range k.sums() {
		sums := products(g)
		if g < len(scaled) {
			for r, v := range sums {
				scale("fmul", v, v, r, g)
			}
			scaled[g] = sums
			continue
		}
		for r, v := range sums {
			scale("fmla", scaled[0][r], v, r, g)
			k.Free(v)
		}
	}
	for g, products := range scaled {
		k.scales(i, g, func(r int, s arm64.V) {
			k.I("fmla %.4s, %.4s, %.4s", k.y[r][i], products[r], s)
			k.Free(products[r])
		})
	}
}

// subScales adds those of both halves of a tile, times small integers and the scale of
// activations, to the block. As float32, too, what is done with small integers is exact: see
// generic.
func (k *kernel) subScales(i int, products func(g int) []arm64.V, scale timesFunc) {
	first := products(0)
	k.scales(i, 0, func(r int, s arm64.V) { k.I("fmul %.4s, %.4s, %.4s", first[r], first[r], s) })
	last := products(1)
	k.scales(i, 1, func(r int, s arm64.V) {
		k.I("fmla %.4s, %.4s, %.4s", first[r], last[r], s)
		k.Free(last[r])
	})
	for r, v := range first {
		scale("fmla", k.blocks[r][i], v, r, 0)
		k.Free(v)
	}
}

// scales runs body for the results of each row of activations with scales n of four
// rows of weights.
func (k *kernel) scales(i, n int, body func(r int, s arm64.V)) {
	k.shared(func(r int) arm64.V {
		switch {
		case k.many:
			return k.Loaded(rTile, k.localScale(n, i, r))
		case n >= 2:
			return k.loadMin(i, n-2)
		default:
			return k.loadScale(i, n)
		}
	}, body)
}

// shared runs body for the results of each row of activations with what load returns: with
// SMMLA for each, with other instructions once for all.
func (k *kernel) shared(load func(r int) arm64.V, body func(r int, s arm64.V)) {
	var s arm64.V
	for r := range k.rowsTogether() {
		if k.isa == smmla || r == 0 {
			s = load(r)
		}
		body(r, s)
		if k.isa == smmla || r == k.rowsTogether()-1 {
			k.Free(s)
		}
	}
}
