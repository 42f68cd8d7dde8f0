package main

import (
	"slices"

	"qgo/kernels/asm/arm64"
	"qgo/kernels/asm/panels"
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

	// Kernels for many rows.
	rRowDst2 = arm64.R(20) // of a pair of rows, the second
	rTileX   = arm64.R(21) // activations of the tile that is multiplied
	rTileX2  = arm64.R(22)
	rTile    = arm64.R(23) // it, in local memory
	rTiles   = arm64.R(24) // tiles there
)

// Local memory.
const (
	bufHead  = 0      // a K-quant's 16 scales and 16 minima as float32,
	bufMinus = 2 * 64 // and each times -magic, where small integers are multiplied with it
	bufTiles = 4 * 64 // unpacked tiles
)

// bunch is the number of tiles that are unpacked together: those under a head of a
// K-quant. What stays in registers for a bunch is loaded and stored as rarely, and
// a bunch and its activations fit in a first-level cache.
const bunch = panels.SuperTiles

// magic is 1.5·2^23, as float32 and as the integer with the same bits: added to
// a small integer, it makes the bits of the float32 of magic plus that number.
// A Cortex-A57 converts in one of its two pipes, but subtracts in both.
const magic = 0x4b400000

// Read-only data.
const (
	constMagic = 0  // four of them
	constEven  = 16 // in lanes 0 and 2
	constMinus = 32 // -magic, four times
	constTable = 48 // levels, 16 for each table of them
)

const (
	quadBytes = 16 // of a plane: those of four rows
	rowQuads  = 4  // in a panel
)

// isa is what multiplies codes.
type isa int

const (
	smull isa = iota // products of bytes, in every CPU
	sdot             // sums of four products
	smmla            // products of matrices of two rows and eight columns; one row takes sdot
)

// suffix of the functions' names.
func (i isa) suffix() string { return [...]string{"", "Dot", "I8mm"}[i] }

// panelKernel is what the functions for all types of weights have in common.
type panelKernel struct {
	panels.Format
	*arm64.Asm
}

// arg loads a field of panel.Args.
func (k panelKernel) arg(offset int, to arm64.R) { k.G("MOVD %d(%v), %v", offset, rArgs, to) }

// panels repeats body for every panel.
func (k panelKernel) panels(body func()) {
	k.Repeat("panel", rCount, 1, func() {
		body()
		k.G("ADD $%d, %v", panels.PlaneBytes, rDst)
		k.G("ADD %v, %v", rSize, rPanel)
	})
	k.G("RET")
}

// kernel is one function that is being generated.
type kernel struct {
	panelKernel
	isa
	many bool // unpack to memory, for many rows of activations
	tile int  // of two: the one that is being computed

	magic, mask, table arm64.V
	offset             arm64.V         // what codes have added, in kernels for many rows
	bits               map[int]arm64.V // masks of high bits by position

	planes [2]arm64.V      // high bits, shifted and as they are
	half   [4]arm64.V      // scales, then minima, of the groups as 16-bit integers
	kept   map[int]arm64.V // what waits to be stored in the unpacked tile, by offset
	y      [][]arm64.V     // results of each row of activations; with smmla see file pairs.go
	blocks [][]arm64.V     // what belongs to them of a K-quant's block, without its scale
}

// acts is a row's block of activations.
type acts struct {
	x     []arm64.V // codes: each four of them as often as there are rows, or as they are
	block arm64.V   // their scales, and negated sums of codes
	sums  arm64.V   // scaled sums
	start []arm64.V // what is subtracted from sums of products
}

// matmul writes the functions for all formats and the table of them.
func matmul(i isa, table, doc string) func(a *arm64.Asm) string {
	return func(a *arm64.Asm) string {
		consts(a)
		return imports + panels.Table(table, doc, panels.Integers(), func(f panels.Format) []string {
			name, one := "mul"+f.Name+i.suffix(), "mul"+f.Name+min(i, sdot).suffix()+"x1"
			if i != smmla {
				k := &kernel{panelKernel: panelKernel{f, a}, isa: i}
				k.generate(one, "multiplies "+f.Name+" weights with a few rows of activations, one by one.")
			}
			k := &kernel{panelKernel: panelKernel{f, a}, isa: i, many: true, kept: map[int]arm64.V{}}
			k.generate(name, "multiplies "+f.Name+" weights with several rows of activations.")
			return []string{one, one, name, name, name, name, name}
		})
	}
}

// imports are those of a table of kernels.
const imports = "import (\n\t\"qgo/kernels/panel\"\n\t\"qgo/quant\"\n)\n\n"

// tables are the levels of all types, which may share them.
func tables() (all []*[16]int8) {
	for _, f := range panels.Integers() {
		if f.Levels != nil && !slices.Contains(all, f.Levels) {
			all = append(all, f.Levels)
		}
	}
	return all
}

// shift is [panels.Format.Shift] of codes as they are unpacked: those of 8 bits
// are signed.
func (k *kernel) shift() int {
	if k.CodeBits() == 8 {
		return 0
	}
	return k.Shift()
}

// sums is the number of sums of products of a tile's columns: without SDOT two,
// because activations are in groups of 16 then, and for weights in groups of 16.
func (k *kernel) sums() int {
	if k.isa == smull {
		return 2
	}
	return k.Groups()
}

// subScaled reports whether the dot products of both halves of a tile are added times the
// small integers of a K-quant, and the tiles of a block before its scale multiplies their
// sum: activations have one scale for both halves.
func (k *kernel) subScaled() bool { return k.isa != smull && k.Group == 16 }

// begins reports whether codes are multiplied with an offset added, so that sums of
// products begin with numbers of their own. For many rows it pays to subtract it
// from codes.
func (k *kernel) begins() bool { return k.shift() > 0 && !k.many }

func consts(a *arm64.Asm) {
	const minus = 1<<31 | magic
	data := words([]uint32{magic, magic, magic, magic, magic, 0, magic, 0, minus, minus, minus, minus})
	for _, levels := range tables() {
		for _, v := range levels {
			data = append(data, byte(v))
		}
	}
	a.Data("matmulConsts", data)
}

func (k *kernel) generate(name, doc string) {
	frame := 0
	switch {
	case k.many:
		frame = bufTiles + bunch*k.localBytes() + 64
	case k.Super:
		frame = bufTiles + 64
	}
	k.Func(name, frame, "(a *panel.Args)", name+" "+doc)
	k.G("MOVD %s, %v", k.Param("a"), rArgs)
	k.G("MOVD $matmulConsts<>(SB), %v", rConst)
	if frame > 0 {
		// From a cache line's begin.
		k.G("MOVD $buf-%d(SP), %v", frame, rBuf)
		k.G("ADD $63, %v", rBuf)
		k.G("AND $~63, %v", rBuf)
	}
	k.constants()
	k.arg(panels.ArgPanel, rPanel)
	k.arg(panels.ArgDst, rDst)
	k.arg(panels.ArgPanels, rCount)
	k.arg(panels.ArgPanelBytes, rSize)
	k.arg(panels.ArgXStride, rXStride)
	k.arg(panels.ArgDstStride, rDstStride)
	k.panels(func() {
		k.arg(panels.ArgX, rX)
		if k.many {
			k.clear()
			k.bunches()
			if k.isa == smmla {
				k.sort()
			}
		} else {
			k.rows(1, k.row)
		}
	})
	k.Free(k.magic)
	for _, v := range []arm64.V{k.mask, k.table, k.offset} {
		if v >= 0 {
			k.Free(v)
		}
	}
	for _, v := range k.bits {
		k.Free(v)
	}
}

// constants loads what stays in registers.
func (k *kernel) constants() {
	bytes4 := func(b uint32) arm64.V {
		v := k.Vec()
		k.Splat(v, b*0x01010101, rTmp)
		return v
	}
	k.magic = k.Loaded(rConst, constMagic)
	k.mask, k.table, k.offset = -1, -1, -1
	if k.Low < 8 {
		k.mask = bytes4(1<<k.Low - 1)
	}
	k.bits = map[int]arm64.V{}
	for at := 4; k.High > 0 && at < 8; at += k.High {
		k.bits[at] = bytes4((1<<k.High - 1) << at)
	}
	if k.Levels != nil {
		k.table = k.Loaded(rConst, constTable+16*slices.Index(tables(), k.Levels))
	}
	if k.many && k.shift() > 0 {
		k.offset = bytes4(1 << k.shift())
	}
}
