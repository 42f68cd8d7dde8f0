package main

import (
	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
)

// plane loads the part for four rows of a plane of codes.
func (k *kernel) plane(p, i int) arm64.V {
	return k.Loaded(rPair, k.codeAt(p*panels.PlaneBytes+i*quadBytes))
}

// unpack returns vector v of the codes of row quad i. The vectors of a row
// quad are asked for in order.
func (k *kernel) unpack(i, v int) arm64.V {
	var c arm64.V
	switch k.Low {
	case 8:
		c = k.plane(v, i)
	case 4:
		c = k.plane(v%4, i)
		if v >= 4 && k.High > 0 {
			return k.shiftToHigh(c, i, v)
		}
		if v < 4 {
			k.I("and %.16b, %.16b, %.16b", c, c, k.mask)
		} else {
			k.I("ushr %.16b, %.16b, #%", c, c, 4)
		}
	case 2:
		c = k.plane(v/4, i)
		if shift := v % 4 * 2; shift > 0 {
			k.I("ushr %.16b, %.16b, #%", c, c, shift)
		}
		if v%4 < 3 {
			k.I("and %.16b, %.16b, %.16b", c, c, k.mask)
		}
	}
	if k.Levels != nil {
		k.I("tbl %.16b, {%.16b}, %.16b", c, k.table, c)
	}
	if k.High > 0 {
		k.addHigh(c, i, v)
	}
	return c
}

// highBits returns the high bits of vector v of row quad i, and where they are:
// in the upper halves of bytes, to which those of vectors with low numbers are
// moved together.
func (k *kernel) highBits(i, v int) (t arm64.V, at int) {
	period := panels.TileQuads / k.High // vectors in a plane
	at = v % period * k.High            // the bits in the plane
	if at == 0 {
		p := k.plane(k.Low+v/period, i)
		s := k.Vec()
		k.I("shl %.16b, %.16b, #%", s, p, 4)
		k.planes = [2]arm64.V{s, p}
	}
	bits, last := k.planes[at/4], at+k.High == 8
	at = at%4 + 4
	t = k.Vec()
	k.I("and %.16b, %.16b, %.16b", t, bits, k.bits[at])
	if last {
		k.Free(k.planes[:]...)
	}
	return t, at
}

// addHigh puts the high bits of vector v into c.
func (k *kernel) addHigh(c arm64.V, i, v int) {
	t, at := k.highBits(i, v)
	if at == k.Low {
		k.I("orr %.16b, %.16b, %.16b", c, c, t)
	} else {
		k.I("usra %.16b, %.16b, #%", c, t, at-k.Low)
	}
	k.Free(t)
}

// shiftToHigh returns the upper halves of bytes c with the high bits of vector
// v.
func (k *kernel) shiftToHigh(c arm64.V, i, v int) arm64.V {
	t, at := k.highBits(i, v)
	if at == k.Low {
		k.I("usra %.16b, %.16b, #%", t, c, 4)
		k.Free(c)
		return t
	}
	k.I("ushr %.16b, %.16b, #%", c, c, 4)
	k.I("usra %.16b, %.16b, #%", c, t, at-k.Low)
	k.Free(t)
	return c
}

// code returns vector v of the codes of row quad i.
func (k *kernel) code(i, v int) arm64.V {
	if k.many {
		return k.Loaded(rTile, k.localCode(i, v))
	}
	return k.unpack(i, v)
}

// products returns the dot products of rows 4i to 4i+3, with the columns of sum g.
func (k *kernel) products(rows []*acts, i, g int) []arm64.V {
	sums := k.dotProducts(rows, i, g)
	for r, v := range sums {
		k.I("fsub %.4s, %.4s, %.4s", v, v, rows[r].start[g])
	}
	return sums
}

// dotProducts returns them as integers with magic added. Without SDOT, there is
// one row of activations.
func (k *kernel) dotProducts(rows []*acts, i, g int) []arm64.V {
	switch {
	case k.isa == sdot:
		sums := make([]arm64.V, len(rows))
		for r := range sums {
			sums[r] = k.Loaded(rConst, constMagic)
		}
		n := panels.TileQuads / k.sums()
		for j := n * g; j < n*(g+1); j++ {
			c := k.code(i, j)
			for r, v := range sums {
				k.I("sdot %.4s, %.16b, %.4b[%]", v, c, rows[r].x[j/4], j%4)
			}
			k.Free(c)
		}
		return sums
	case k.CodeBits() <= 5 || k.many && k.CodeBits() == 6:
		a, b := k.mulAdd(rows[0].x, i, 4*g, 4)
		// Two times four products of 31 and 127 fit in 16 bits, and of
		// -32 and 127.
		k.I("addp %.8h, %.8h, %.8h", a, a, b)
		k.Free(b)
		r := k.Loaded(rConst, constMagic)
		k.I("sadalp %.4s, %.8h", r, a)
		k.Free(a)
		return []arm64.V{r}
	}
	// Four products of 63 and 127 fit in 16 bits, or two of 128 and 127.
	n := 4
	if k.CodeBits() == 8 {
		n = 2
	}
	r := k.Vecs(2)
	for h := range r {
		k.Load(r[h], rConst, constEven)
	}
	for j := 0; j < 4; j += n {
		a, b := k.mulAdd(rows[0].x, i, 4*g+j, n)
		k.I("sadalp %.4s, %.8h", r[0], a)
		k.I("sadalp %.4s, %.8h", r[1], b)
		k.Free(a, b)
	}
	k.I("addp %.4s, %.4s, %.4s", r[0], r[0], r[1])
	k.Free(r[1])
	return r[:1]
}

// mulAdd returns the sums of products of n vectors from v on with activations x,
// four for each of the first two rows and of the last two.
func (k *kernel) mulAdd(x []arm64.V, i, v, n int) (a, b arm64.V) {
	a, b = k.Vec(), k.Vec()
	for j := range n {
		c, x := k.code(i, v+j), x[v+j]
		op := "smlal"
		if j == 0 {
			op = "smull"
		}
		k.I(op+" %.8h, %.8b, %.8b", a, c, x)
		k.I(op+"2 %.8h, %.16b, %.16b", b, c, x)
		k.Free(c)
	}
	return a, b
}

// loadScale returns the scales of group n of rows 4i to 4i+3 from the panel.
func (k *kernel) loadScale(i, n int) arm64.V {
	if !k.Super {
		return k.float16(k.scaleAt(8 * i))
	}
	return k.small(n, i, 0, n)
}

// loadMin does so for the minima.
func (k *kernel) loadMin(i, n int) arm64.V {
	if !k.Super {
		return k.float16(k.scaleAt(panels.HalfBytes + 8*i))
	}
	at := n // where the small integers are, if they share bytes with the scales
	if k.Group == 32 {
		at = 1
	}
	return k.small(at, i, 64, 2+n)
}

func (k *kernel) float16(at int) arm64.V {
	v := k.Vec()
	k.G("FMOVD %d(%v), F%d", at, rPair, v)
	k.I("fcvtl %.4s, %.4h", v, v)
	return v
}

// small converts small integers, of which each row has one at number at behind
// the tile's begin, and multiplies them with what heads the block, head bytes
// behind its begin in local memory. Eight of them are widened together, and are
// kept under the number slot.
//
// With magic added they are multiplied already, and magic times the head is taken
// away. That leaves the product as it is, since a float16 number times magic is
// exact, unless the head is infinite: what is infinite then is no number here. Sub-scales
// are not multiplied, and magic is what is taken away.
func (k *kernel) small(at, i, head, slot int) arm64.V {
	if i%2 == 0 {
		h := k.Vec()
		k.G("FMOVD %d(%v), F%d", k.scaleAt(at*panels.SubBytes+4*i), rPair, h)
		shared := k.Minima && k.Group == 16 // a byte has a scale and a minimum
		switch {
		case shared && slot < 2:
			k.lowNibble(h)
		case shared:
			k.I("ushr %.16b, %.16b, #%", h, h, 4)
		}
		if k.Minima {
			k.I("ushll %.8h, %.8b, #0", h, h)
		} else {
			k.I("sshll %.8h, %.8b, #0", h, h)
		}
		k.half[slot] = h
	}
	h, t := k.half[slot], k.Vec()
	if i%2 == 0 {
		k.I("saddw %.4s, %.4s, %.4h", t, k.magic, h)
	} else {
		k.I("saddw2 %.4s, %.4s, %.8h", t, k.magic, h)
		k.Free(h)
	}
	if slot < 2 && k.subScaled() {
		k.I("fsub %.4s, %.4s, %.4s", t, t, k.magic)
		return t
	}
	v, scale := k.Loaded(rBuf, bufMinus+head+i*quadBytes), k.Loaded(rBuf, bufHead+head+i*quadBytes)
	k.I("fmla %.4s, %.4s, %.4s", v, t, scale)
	k.Free(t, scale)
	return v
}

// lowNibble keeps the low halves of bytes, for which Q2_K has no mask.
func (k *kernel) lowNibble(v arm64.V) {
	k.I("shl %.16b, %.16b, #%", v, v, 4)
	k.I("ushr %.16b, %.16b, #%", v, v, 4)
}
