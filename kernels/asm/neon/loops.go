package main

import "qgo/kernels/asm/panels"

// row multiplies a panel with one row of activations.
func (k *kernel) row() {
	k.G("MOVD %v, %v", rPanel, rPair)
	k.G("MOVD %v, %v", rRowX, rX)
	k.y = k.Zeros(rowQuads)
	k.tiles(func() { k.multiply(k.tile*panels.BlockBytes, rX) })
	for i, y := range k.y {
		k.Store(y, rRowDst, quadBytes*i)
	}
	k.Free(k.y...)
}

// clear begins the results of several rows of activations.
func (k *kernel) clear() {
	zero := k.Vec()
	k.Zero(zero)
	k.rows(func() {
		for i := range rowQuads {
			k.Store(zero, rRowDst, quadBytes*i)
		}
	})
	k.Free(zero)
}

// rows repeats body for every row of activations.
func (k *kernel) rows(body func()) {
	k.arg(panels.ArgRows, rRow)
	if k.tile == 0 {
		k.G("MOVD %v, %v", rX, rRowX)
	} else {
		k.G("ADD $%d, %v, %v", k.tile*panels.BlockBytes, rX, rRowX)
	}
	k.G("MOVD %v, %v", rDst, rRowDst)
	k.Repeat("row", rRow, 1, func() {
		body()
		k.G("ADD %v, %v", rXStride, rRowX)
		k.G("ADD %v, %v", rDstStride, rRowDst)
	})
}

// rowPairs repeats body for every two rows of activations, of which there are
// an even number.
func (k *kernel) rowPairs(body func()) {
	k.arg(panels.ArgRows, rRow)
	k.G("ADD $%d, %v, %v", k.tile*panels.BlockBytes, rX, rRowX)
	k.G("MOVD %v, %v", rDst, rRowDst)
	k.Repeat("pair", rRow, 2, func() {
		k.G("ADD %v, %v, %v", rXStride, rRowX, rRowX2)
		k.G("ADD %v, %v, %v", rDstStride, rRowDst, rRowDst2)
		body()
		k.G("ADD %v, %v, %v", rXStride, rRowX2, rRowX)
		k.G("ADD %v, %v, %v", rDstStride, rRowDst2, rRowDst)
	})
}

// tiles repeats body for every tile of a panel.
func (k *kernel) tiles(body func()) {
	if !k.Super {
		k.arg(panels.ArgTiles, rLeft)
		k.pairs(body)
		return
	}
	k.arg(panels.ArgTiles, rBlock)
	k.G("LSR $3, %v", rBlock)
	k.Repeat("block", rBlock, 1, func() {
		k.head()
		k.G("ADD $%d, %v", panels.HeadBytes, rPair)
		k.G("MOVD $%d, %v", panels.SuperTiles, rLeft)
		k.pairs(body)
	})
}

// pairs repeats body for the tiles that are left, two at a time. Those of a
// K-quant are even in number.
func (k *kernel) pairs(body func()) {
	pair, last := k.NewLabel("pair"), k.NewLabel("last")
	k.Label(pair)
	k.tile = 0
	body()
	if !k.Super {
		k.G("SUBS $1, %v", rLeft)
		k.G("BEQ %s", last)
	}
	k.tile = 1
	body()
	k.tile = 0
	k.G("ADD $%d, %v", k.PairBytes(), rPair)
	k.G("ADD $%d, %v", 2*panels.BlockBytes, rX)
	if k.Super {
		k.G("SUBS $2, %v", rLeft)
	} else {
		k.G("SUBS $1, %v", rLeft)
	}
	k.G("BNE %s", pair)
	if !k.Super {
		k.Label(last)
	}
}

// head converts the scales and the minima of a K-quant's block.
func (k *kernel) head() {
	n := 1
	if k.Minima {
		n = 2
	}
	for part := range n {
		for i := range rowQuads {
			v, at := k.Vec(), bufHead+64*part+quadBytes*i
			k.G("FMOVD %d(%v), F%d", panels.HalfBytes*part+8*i, rPair, v)
			k.I("fcvtl %.4s, %.4h", v, v)
			k.Store(v, rBuf, at)
			k.Free(v)
		}
	}
}
