package main

// format is a layout of integer weights in panels: see package panel.
type format struct {
	name      string
	low, high int  // bits of a code in the first and in the second planes
	offset    uint // binary logarithm of what is subtracted from codes; 0 for nothing
	group     int  // columns of a group
	minima    bool
	super     bool // K-quant
	levels    bool // codes are looked up

	bits int // of a floating-point number; what is above is for integers
}

var formats = []format{
	{name: "Q4_0", low: 4, offset: 3, group: 32},
	{name: "Q4_1", low: 4, group: 32, minima: true},
	{name: "Q5_0", low: 4, high: 1, offset: 4, group: 32},
	{name: "Q5_1", low: 4, high: 1, group: 32, minima: true},
	{name: "Q8_0", low: 8, offset: 7, group: 32},
	{name: "Q2_K", low: 2, group: 16, minima: true, super: true},
	{name: "Q3_K", low: 2, high: 1, offset: 2, group: 16, super: true},
	{name: "Q4_K", low: 4, group: 32, minima: true, super: true},
	{name: "Q5_K", low: 4, high: 1, group: 32, minima: true, super: true},
	{name: "Q6_K", low: 4, high: 2, offset: 5, group: 16, super: true},
	{name: "IQ4_NL", low: 4, offset: 7, group: 32, levels: true},
}

const (
	planeBytes = 64
	tileQuads  = 8  // vectors of codes in a tile
	superTiles = 8  // tiles under a head of a K-quant
	headBytes  = 64 // of it
	halfBytes  = 32 // 16 float16 numbers
	subBytes   = 16 // 16 small scales
	blockBytes = 64 // a tensor.Block
	offD       = 32 // in it: scales,
	offNegSum  = 40 // negated sums of codes,
	offSum     = 48 // scaled sums
)

func (f *format) tileBytes() int { return (f.low + f.high) * 64 }

// scaleBytes is the size of what scales a tile.
func (f *format) scaleBytes() int {
	if f.minima && !f.super {
		return 2 * halfBytes
	}
	return halfBytes
}

// levels are the values of IQ4_NL's codes (kvalues_iq4nl in ggml). Kernels for
// unsigned codes add 1<<offset to them, which is 128.
var levels = [16]int{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
