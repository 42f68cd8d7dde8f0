package main

import (
	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
)

// row multiplies a panel with one row of activations.
func (k *kernel) row() {
	k.G("MOVD %v, %v", rPanel, rPair)
	k.G("MOVD %v, %v", rRowX, rX)
	k.y = [][]arm64.V{k.Zeros(rowQuads)}
	k.tiles(func() { k.multiply(k.tile*panels.BlockBytes, rX) })
	k.storeResults()
}

// clear begins the results of several rows of activations.
func (k *kernel) clear() {
	zero := k.Vec()
	k.Zero(zero)
	k.rows(1, func() {
		for i := 0; i < rowQuads; i += 2 {
			k.Store2(zero, zero, rRowDst, quadBytes*i)
		}
	})
	k.Free(zero)
}

// rows repeats body for every row of activations, or every two of them: rRowX and
// rRowDst are those of the first.
func (k *kernel) rows(step int, body func()) {
	k.arg(panels.ArgRows, rRow)
	k.G("MOVD %v, %v", rX, rRowX)
	k.G("MOVD %v, %v", rDst, rRowDst)
	k.Repeat("row", rRow, step, func() {
		body()
		for range step {
			k.G("ADD %v, %v", rXStride, rRowX)
			k.G("ADD %v, %v", rDstStride, rRowDst)
		}
	})
}

// bunches multiplies a panel with many rows of activations, a bunch of tiles at a
// time.
func (k *kernel) bunches() {
	k.G("MOVD %v, %v", rPanel, rPair)
	k.arg(panels.ArgTiles, rBlock)
	again := k.NewLabel("bunch")
	k.Label(again)
	k.G("MOVD $%d, %v", bunch, rLeft)
	if k.Super {
		k.head()
		k.G("ADD $%d, %v", panels.HeadBytes, rPair)
	} else {
		k.G("CMP %v, %v", rLeft, rBlock)
		k.G("CSEL LT, %v, %v, %v", rBlock, rLeft, rLeft)
	}
	k.G("MOVD %v, %v", rLeft, rTiles)
	k.G("ADD $%d, %v, %v", bufTiles, rBuf, rTile)
	k.pairs(func() {
		k.prepare()
		k.G("ADD $%d, %v", k.localBytes(), rTile)
	})
	if k.isa == smull {
		k.rows(1, func() { k.bunch(func() { k.multiply(0, rTileX) }) })
	} else {
		k.rows(2, func() {
			k.G("ADD %v, %v, %v", rDstStride, rRowDst, rRowDst2)
			k.G("ADD %v, %v, %v", rXStride, rRowX, rTileX2)
			k.bunch(func() {
				if k.isa == smmla {
					k.multiplyPair()
				} else {
					k.multiply(0, rTileX, rTileX2)
				}
				k.G("ADD $%d, %v", panels.BlockBytes, rTileX2)
			})
		})
	}
	k.G("ADD %v<<6, %v", rTiles, rX) // blocks of 64 bytes
	k.G("SUBS %v, %v", rTiles, rBlock)
	k.G("BNE %s", again)
}

// bunch repeats body for the tiles in local memory.
func (k *kernel) bunch(body func()) {
	k.block(k.loadResults, func() {
		k.G("MOVD %v, %v", rRowX, rTileX)
		k.G("ADD $%d, %v, %v", bufTiles, rBuf, rTile)
		k.G("MOVD %v, %v", rTiles, rLeft)
		k.Repeat("tile", rLeft, 1, func() {
			body()
			k.G("ADD $%d, %v", panels.BlockBytes, rTileX)
			k.G("ADD $%d, %v", k.localBytes(), rTile)
		})
	})
	k.storeResults()
}

// block runs tiles, which add products to results, or to what becomes results at the end of
// a K-quant's block. load loads those; minima are added to them in each tile.
func (k *kernel) block(load, tiles func()) {
	if !k.subScaled() {
		load()
		tiles()
		return
	}
	if k.Minima {
		load()
	}
	k.blocks = make([][]arm64.V, k.rowsTogether())
	for r := range k.blocks {
		k.blocks[r] = k.Zeros(rowQuads)
	}
	tiles()
	if !k.Minima {
		load()
	}
	for i := range rowQuads {
		k.shared(func(r int) arm64.V { return k.Loaded(rBuf, k.headScale(i, r)) }, func(r int, d arm64.V) {
			k.I("fmla %.4s, %.4s, %.4s", k.y[r][i], k.blocks[r][i], d)
		})
	}
	k.FreeAll(k.blocks...)
}

// rowsTogether is the number of rows of activations that are multiplied together.
func (k *kernel) rowsTogether() int {
	if k.many && k.isa != smull {
		return 2
	}
	return 1
}

// resultsOf are the addresses of the results of up to two rows of activations.
var resultsOf = [2]arm64.R{rRowDst, rRowDst2}

// loadResults loads those of one row of activations or of two.
func (k *kernel) loadResults() {
	k.y = make([][]arm64.V, k.rowsTogether())
	for r := range k.y {
		for i := range rowQuads {
			k.y[r] = append(k.y[r], k.Loaded(resultsOf[r], quadBytes*i))
		}
	}
}

// storeResults stores and frees them.
func (k *kernel) storeResults() {
	for r, y := range k.y {
		for i := 0; i < rowQuads; i += 2 {
			k.Store2(y[i], y[i+1], resultsOf[r], quadBytes*i)
		}
		k.Free(y...)
	}
}

// tiles repeats body for every tile of a panel, whose activations are at rX.
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
		k.block(func() {}, func() { k.pairs(body) }) // results are in registers
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
	if !k.many {
		k.G("ADD $%d, %v", 2*panels.BlockBytes, rX)
	}
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
	minus := k.Loaded(rConst, constMinus)
	defer k.Free(minus)
	for part := range n {
		for i := 0; i < rowQuads; i += 2 {
			v, at := k.Vecs(2), 64*part+quadBytes*i
			for j, v := range v {
				k.G("FMOVD %d(%v), F%d", panels.HalfBytes*part+8*(i+j), rPair, v)
				k.I("fcvtl %.4s, %.4h", v, v)
			}
			if part == 0 && k.subScaled() {
				k.keepHead(i, v)
				continue
			}
			k.Store2(v[0], v[1], rBuf, bufHead+at)
			for _, v := range v {
				k.I("fmul %.4s, %.4s, %.4s", v, v, minus)
			}
			k.Store2(v[0], v[1], rBuf, bufMinus+at)
			k.Free(v...)
		}
	}
}

// headScale is where the head's scales of row quad i are that sums are multiplied with:
// SMMLA takes each twice, those of the last two rows of weights with h = 1.
func (k *kernel) headScale(i, h int) int {
	if k.isa == smmla {
		return bufHead + h*bufMinus + quadBytes*i
	}
	return bufHead + quadBytes*i
}

// keepHead stores those of row quads i and i+1, and frees them.
func (k *kernel) keepHead(i int, d []arm64.V) {
	if k.isa == smmla {
		twice := k.Vecs(2)
		for j, d := range d {
			k.I("zip2 %.4s, %.4s, %.4s", twice[j], d, d)
			k.I("zip1 %.4s, %.4s, %.4s", d, d, d)
		}
		k.Store2(twice[0], twice[1], rBuf, k.headScale(i, 1))
		k.Free(twice...)
	}
	k.Store2(d[0], d[1], rBuf, k.headScale(i, 0))
	k.Free(d...)
}
