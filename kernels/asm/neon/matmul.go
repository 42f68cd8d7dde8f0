package main

import (
	"fmt"
	"strings"

	"qgo/kernels/asm/arm64"
)

// Fields of panel.Args by offset.
const (
	argPanel = 8 * iota
	argX
	argDst
	argXStride
	argDstStride
	argTiles
	argPanels
	argPanelBytes
	argRows
)

// How the kernels use general registers.
const (
	rArgs  = arm64.R(0)
	rPair  = arm64.R(1) // the two tiles
	rX     = arm64.R(2) // their activations
	rDst   = arm64.R(3)
	rLeft  = arm64.R(4) // tiles
	rTmp   = arm64.R(5)
	rPanel = arm64.R(6)
	rSize  = arm64.R(7) // of a panel
	rCount = arm64.R(8) // panels left
	rBlock = arm64.R(9) // blocks of a K-quant left
	rConst = arm64.R(10)
	rBuf   = arm64.R(11) // local memory

	rRow       = arm64.R(12) // rows left
	rRowX      = arm64.R(13)
	rRowDst    = arm64.R(14)
	rXStride   = arm64.R(15)
	rDstStride = arm64.R(19)
)

// Local memory.
const (
	bufHead   = 0      // a K-quant's 16 scales and 16 minima as float32
	bufScales = 2 * 64 // of the tile: 16 for each group, and as many minima
	bufCodes  = bufScales + 4*64
	bufBytes  = bufCodes + tileQuads*planeBytes
)

// magic is 1.5·2^23, as float32 and as the integer with the same bits: added to
// a small integer, it makes the bits of the float32 of magic plus that number.
// A Cortex-A57 converts in one of its two pipes, but subtracts in both.
const magic = 0x4b400000

// Read-only data.
const (
	constMagic = 0  // four of them
	constEven  = 16 // in lanes 0 and 2
	constTable = 32 // levels of IQ4_NL
)

// kernel is one function that is being generated.
type kernel struct {
	format
	*arm64.Asm
	dot  bool // with SDOT
	many bool // unpack to memory, for many rows of activations
	tile int  // of two: the one that is being computed

	magic, mask, flip, table arm64.V
	bits                     map[int]arm64.V // masks of high bits by position

	x      []arm64.V  // activations: each four of them as often as there are rows, or as they are
	block  arm64.V    // their scales, and negated sums of codes
	sums   arm64.V    // scaled sums
	start  [2]arm64.V // what is subtracted from sums of products
	planes [2]arm64.V // high bits, shifted and as they are
	half   [4]arm64.V // scales, then minima, of the groups as 16-bit integers
	y      []arm64.V
}

// matmul writes the functions for all formats and the table of them.
func matmul(dot bool, table, doc string) func(a *arm64.Asm) string {
	return func(a *arm64.Asm) string {
		suffix := ""
		if dot {
			suffix = "Dot"
		}
		consts(a)
		var decl strings.Builder
		fmt.Fprintf(&decl, "import (\n\t\"qgo/kernels/panel\"\n\t\"qgo/quant\"\n)\n\n// %s %s.\nvar %[1]s = panel.Kernels{\n", table, doc)
		for _, f := range formats {
			name := "mul" + f.name + suffix
			k := &kernel{format: f, Asm: a, dot: dot}
			k.generate(name+"x1", "multiplies "+f.name+" weights with a few rows of activations, one by one.")
			k = &kernel{format: f, Asm: a, dot: dot, many: true}
			k.generate(name, "multiplies "+f.name+" weights with several rows of activations.")
			fmt.Fprintf(&decl, "\tquant.%s: {%sx1, %[2]sx1, %[2]s, %[2]s, %[2]s},\n", f.name, name)
		}
		return decl.String() + "}\n\n"
	}
}

func consts(a *arm64.Asm) {
	data := words([]uint32{magic, magic, magic, magic, magic, 0, magic, 0})
	for _, v := range levels {
		data = append(data, byte(v))
	}
	a.Data("matmulConsts", data)
}

func (k *kernel) generate(name, doc string) {
	frame := 0
	switch {
	case k.many:
		frame = bufBytes + 64
	case k.super:
		frame = bufScales + 64
	}
	k.Func(name, frame, "(a *panel.Args)", name+" "+doc)
	k.G("MOVD a+0(FP), %v", rArgs)
	k.G("MOVD $matmulConsts<>(SB), %v", rConst)
	if frame > 0 {
		// From a cache line's begin.
		k.G("MOVD $buf-%d(SP), %v", frame, rBuf)
		k.G("ADD $63, %v", rBuf)
		k.G("AND $~63, %v", rBuf)
	}
	k.constants()
	k.arg(argPanel, rPanel)
	k.arg(argDst, rDst)
	k.arg(argPanels, rCount)
	k.arg(argPanelBytes, rSize)
	k.arg(argXStride, rXStride)
	k.arg(argDstStride, rDstStride)
	panel := k.NewLabel("panel")
	k.Label(panel)
	if k.many {
		k.G("MOVD %v, %v", rPanel, rPair)
		k.arg(argX, rX)
		k.clear()
		k.tiles(func() {
			k.prepare()
			k.rows(func() { k.multiply(rRowX, 0) })
		})
	} else {
		k.arg(argX, rX)
		k.rows(k.row)
	}
	k.G("ADD $%d, %v", planeBytes, rDst)
	k.G("ADD %v, %v", rSize, rPanel)
	k.G("SUBS $1, %v", rCount)
	k.G("BNE %s", panel)
	k.G("RET")
	k.Free(k.magic)
	for _, v := range []arm64.V{k.mask, k.flip, k.table} {
		if v >= 0 {
			k.Free(v)
		}
	}
	for _, v := range k.bits {
		k.Free(v)
	}
}

func (k *kernel) arg(offset int, to arm64.R) { k.G("MOVD %d(%v), %v", offset, rArgs, to) }

// constants loads what stays in registers.
func (k *kernel) constants() {
	bytes4 := func(b uint32) arm64.V {
		v := k.Vec()
		k.Splat(v, b*0x01010101, rTmp)
		return v
	}
	k.magic = k.Vec()
	k.Load(k.magic, rConst, constMagic)
	k.mask, k.flip, k.table = -1, -1, -1
	switch k.low {
	case 4, 2:
		k.mask = bytes4(1<<k.low - 1)
	case 8:
		k.flip = bytes4(0x80)
	}
	k.bits = map[int]arm64.V{}
	for at := 4; k.high > 0 && at < 8; at += k.high {
		k.bits[at] = bytes4((1<<k.high - 1) << at)
	}
	if k.levels {
		k.table = k.Vec()
		k.Load(k.table, rConst, constTable)
	}
}

// row multiplies a panel with one row of activations.
func (k *kernel) row() {
	k.G("MOVD %v, %v", rPanel, rPair)
	k.G("MOVD %v, %v", rRowX, rX)
	k.y = k.Vecs(rowQuads)
	for _, y := range k.y {
		k.Zero(y)
	}
	k.tiles(func() { k.multiply(rX, k.tile*blockBytes) })
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
	k.arg(argRows, rRow)
	if k.tile == 0 {
		k.G("MOVD %v, %v", rX, rRowX)
	} else {
		k.G("ADD $%d, %v, %v", k.tile*blockBytes, rX, rRowX)
	}
	k.G("MOVD %v, %v", rDst, rRowDst)
	row := k.NewLabel("row")
	k.Label(row)
	body()
	k.G("ADD %v, %v", rXStride, rRowX)
	k.G("ADD %v, %v", rDstStride, rRowDst)
	k.G("SUBS $1, %v", rRow)
	k.G("BNE %s", row)
}

// tiles repeats body for every tile of a panel.
func (k *kernel) tiles(body func()) {
	if !k.super {
		k.arg(argTiles, rLeft)
		k.pairs(body)
		return
	}
	k.arg(argTiles, rBlock)
	k.G("LSR $3, %v", rBlock)
	block := k.NewLabel("block")
	k.Label(block)
	k.head()
	k.G("ADD $%d, %v", headBytes, rPair)
	k.G("MOVD $%d, %v", superTiles, rLeft)
	k.pairs(body)
	k.G("SUBS $1, %v", rBlock)
	k.G("BNE %s", block)
}

// pairs repeats body for the tiles that are left, two at a time. Those of a
// K-quant are even in number.
func (k *kernel) pairs(body func()) {
	pair, last := k.NewLabel("pair"), k.NewLabel("last")
	k.Label(pair)
	k.tile = 0
	body()
	if !k.super {
		k.G("SUBS $1, %v", rLeft)
		k.G("BEQ %s", last)
	}
	k.tile = 1
	body()
	k.tile = 0
	k.G("ADD $%d, %v", k.pairBytes(), rPair)
	k.G("ADD $%d, %v", 2*blockBytes, rX)
	if k.super {
		k.G("SUBS $2, %v", rLeft)
	} else {
		k.G("SUBS $1, %v", rLeft)
	}
	k.G("BNE %s", pair)
	if !k.super {
		k.Label(last)
	}
}

// head converts the scales and the minima of a K-quant's block.
func (k *kernel) head() {
	n := 1
	if k.minima {
		n = 2
	}
	for part := range n {
		for i := range rowQuads {
			v, at := k.Vec(), bufHead+64*part+quadBytes*i
			k.G("FMOVD %d(%v), F%d", halfBytes*part+8*i, rPair, v)
			k.I("fcvtl %.4s, %.4h", v, v)
			k.Store(v, rBuf, at)
			k.Free(v)
		}
	}
}

// Where in the two tiles the current one has its scales and codes.
func (k *kernel) scaleAt(offset int) int { return k.tile*k.scaleBytes() + offset }
func (k *kernel) codeAt(offset int) int {
	return 2*k.scaleBytes() + k.tile*k.tileBytes() + offset
}

// prepare unpacks the codes and the scales of a tile to local memory.
func (k *kernel) prepare() {
	for i := range rowQuads {
		for v := range tileQuads {
			c := k.unpack(i, v)
			k.Store(c, rBuf, bufCodes+(i*tileQuads+v)*quadBytes)
			k.Free(c)
		}
		for n := range k.groups() {
			s := k.loadScale(i, n)
			k.Store(s, rBuf, bufScales+n*64+i*quadBytes)
			k.Free(s)
			if k.minima {
				m := k.loadMin(i, n)
				k.Store(m, rBuf, bufScales+(2+n)*64+i*quadBytes)
				k.Free(m)
			}
		}
	}
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
	k.Free(k.x...)
	k.Free(k.block)
	if k.minima {
		k.Free(k.sums)
	}
	if k.offset > 0 {
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
	if !k.dot {
		k.x = k.Vecs(tileQuads)
		for v := range k.x {
			k.I("dup %.4s, %.s[%]", k.x[v], codes[v/4], v%4)
		}
		k.Free(codes...)
	}
	k.block = k.Vec()
	k.Load(k.block, x, at+offD)
	k.start = [2]arm64.V{k.magic, k.magic}
	if k.offset > 0 {
		// The codes have 1<<offset added: so many times the sum of
		// activations is too much.
		t := k.Vec()
		k.I("shl %.4s, %.4s, #%", t, k.block, k.offset)
		k.I("sub %.4s, %.4s, %.4s", t, k.magic, t)
		for g := range k.start {
			k.start[g] = k.Vec()
			k.I("dup %.4s, %.s[%]", k.start[g], t, 2+g)
		}
		k.Free(t)
	}
	if k.minima {
		k.sums = k.Vec()
		k.G("FMOVD %d(%v), F%d", at+offSum, x, k.sums)
		if k.group == 32 {
			k.I("faddp s%, %.2s", k.sums, k.sums)
		}
	}
}

// prefetch asks for an eighth of the lines of two tiles that are some way ahead.
func (k *kernel) prefetch(part int) {
	const ahead = 1024
	lines := (k.pairBytes() + 63) / 64
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
		if k.group == 16 {
			k.scaled(r, k.scale(i, g))
		}
		sum[g] = r
	}
	k.I("fadd %.4s, %.4s, %.4s", sum[0], sum[0], sum[1])
	k.Free(sum[1])
	if k.group == 32 {
		k.scaled(sum[0], k.scale(i, 0))
	}
	y := k.result(i)
	k.I("fadd %.4s, %.4s, %.4s", y, y, sum[0])
	k.Free(sum[0])
	if k.minima {
		m := k.minimum(i, 0)
		k.I("fmul %.4s, %.4s, %.s[%]", m, m, k.sums, 0)
		if k.group == 16 {
			m1 := k.minimum(i, 1)
			k.I("fmul %.4s, %.4s, %.s[%]", m1, m1, k.sums, 1)
			k.I("fadd %.4s, %.4s, %.4s", m, m, m1)
			k.Free(m1)
		}
		if k.super {
			k.I("fsub %.4s, %.4s, %.4s", y, y, m)
		} else {
			k.I("fadd %.4s, %.4s, %.4s", y, y, m)
		}
		k.Free(m)
	}
	if k.many {
		k.Store(y, rRowDst, quadBytes*i)
		k.Free(y)
	}
}

func (k *kernel) scaled(v, scale arm64.V) {
	k.I("fmul %.4s, %.4s, %.4s", v, v, scale)
	k.Free(scale)
}

// result is the register of the results of four rows.
func (k *kernel) result(i int) arm64.V {
	if !k.many {
		return k.y[i]
	}
	y := k.Vec()
	k.Load(y, rRowDst, quadBytes*i)
	return y
}

// scale returns the scales of a group of four rows.
func (k *kernel) scale(i, g int) arm64.V {
	if k.many {
		return k.local(bufScales + g*64 + i*quadBytes)
	}
	return k.loadScale(i, g)
}

func (k *kernel) minimum(i, g int) arm64.V {
	if k.many {
		return k.local(bufScales + (2+g)*64 + i*quadBytes)
	}
	return k.loadMin(i, g)
}

func (k *kernel) local(offset int) arm64.V {
	v := k.Vec()
	k.Load(v, rBuf, offset)
	return v
}
