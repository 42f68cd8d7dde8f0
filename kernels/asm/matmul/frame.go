package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"qgo/kernels/asm/panels"
)

// frame2 is what an AVX2 kernel keeps in the stack frame. It begins on a cache
// line.
type frame2 struct {
	base  reg.Register
	rows  int // of activations, or streams
	heads int // of a K-quant, as float32: [scale, minimum][stream][half]
	// scales and minima of a tile, or minima of a block: [group][half]
	scales, minima int
	offsets        int // of codes times sub-scales: [half]
	codes          int // of 8 bits, signed: [vector][half]
	words          int // codes as words: [vector][half]
	sums           int // of the first 16 columns, which those of the last are added to: [row][half]
	results        int // [row][half]
	blocks         int // what belongs to results, without the head's scales: [row][half]
}

// newFrame lays the frame out.
func (k *kernel) newFrame() *frame2 {
	f := &frame2{base: GP64()}
	size := 0
	part := func(vectors int) int {
		size += vectors * yBytes
		return size - vectors*yBytes
	}
	heads := 1
	if f.rows = k.n; k.n == 1 {
		k.row, k.firstRow = GP64(), f.base
		f.rows, heads = panels.MostStreams, panels.MostStreams
	}
	if !k.words && (k.whole() || k.Group == 32) {
		f.sums = part(2 * f.rows)
	}
	f.results = part(2 * f.rows)
	if k.subScaled() {
		f.blocks = part(2 * f.rows)
	}
	f.scales = part(2 * k.Groups())
	if k.Super {
		f.heads = part(2 * 2 * heads)
	}
	if k.Minima {
		f.minima = part(2 * k.minima())
	}
	if k.subScaled() && k.Shift() > 0 && !k.words {
		f.offsets = part(2)
	}
	switch {
	case k.n == 1:
	case k.words:
		f.words = part(2 * tileWords)
	case k.signed():
		f.codes = part(8)
	}
	const line = 64
	LEAQ(AllocLocal(size+line).Offset(line-1), f.base)
	ANDQ(I8(-line), f.base)
	return f
}

// minima is the number of minima of a row that the frame has.
func (k *kernel) minima() int {
	if k.subScaled() {
		return panels.SuperTiles * k.Groups()
	}
	return k.Groups()
}

func (f *frame2) at(offset int) Mem { return Mem{Base: f.base, Disp: offset} }

// word is vector i of the words of half a tile.
func (f *frame2) word(i, half int) Mem { return f.at(f.words + (2*i+half)*yBytes) }

// headAt is where a number of the current stream's head is in the frame: its scale or its
// minimum.
func (k *kernel) headAt(f *frame2, number, half int) Mem {
	if k.row == nil {
		return f.at(f.heads + (2*number+half)*yBytes)
	}
	return Mem{Base: k.row, Disp: f.heads + number*panels.MostStreams*rowBytes + half*yBytes}
}
