// Package panels tells generators of kernels how weights are laid out: see
// qgo/kernels/panel.
package panels

import (
	"fmt"
	"math/bits"
	"strings"

	"qgo/quant"
)

// Sizes in bytes, and numbers of things.
const (
	PlaneBytes = 64
	TileQuads  = 8  // vectors of codes in a tile
	SuperTiles = 8  // tiles under a head of a K-quant
	HeadBytes  = 64 // of it
	HalfBytes  = 32 // 16 float16 numbers
	SubBytes   = 16 // 16 small scales
	BlockBytes = 64 // a tensor.Block
	OffD       = 32 // in it: scales,
	OffStart   = 40 // what sums of products begin with,
	OffSum     = 48 // scaled sums,
	OffBoth    = 56 // and those of both groups together

	WordsBytes   = 80 // a tensor.Words
	WordsOffD    = 64 // in it: scale,
	WordsOffBoth = 68 // scaled sum of both groups,
	WordsOffSum  = 72 // and sums

	MostWord      = 1<<15 - 1          // of floating-point weights as words: see generic.ExpandWords
	MostWords     = 1<<17 - 16         // and the sum of 32 of them
	WordTileBytes = 16*PlaneBytes + 64 // a tile of them with its scales

	MostStreams = 2 // of panel.Args
)

// chunkBytes are those of the activations that stay in the caches: see package panel.
const chunkBytes = 320 << 10

// CallRows is the number of rows of activations that most calls of a kernel take in
// prefill for a matrix of so many columns.
func CallRows(cols int) int {
	blocks := cols/32 | 1 // the distance of rows
	rows := max(16, chunkBytes/(blocks*BlockBytes))
	return 1 << min(6, bits.Len(uint(rows))-1)
}

// Fields of panel.Args by offset.
const (
	ArgPanel = 8 * iota
	ArgX
	ArgDst
	ArgXStride
	ArgDstStride
	ArgTiles
	ArgPanels
	ArgPanelBytes
	ArgRows
	ArgAhead
	ArgStreams
	ArgStreamBytes
	ArgStreamDst
	ArgBegun
)

// Fields of panel.TileArgs by offset.
const (
	TileArgX         = 0
	TileArgWeights   = 8 // two
	TileArgDst       = 24
	TileArgXStride   = 32
	TileArgDstStride = 40
	TileArgTiles     = 48
	TileArgRows      = 56
	TileArgAdd       = 64
	TileArgWhole     = 72 // a description of tiles is 64 bytes
	TileArgLast      = 136
)

// Format is a type of weights.
type Format struct{ *quant.Format }

// Integers and Floats return the types that there are kernels for.
func Integers() []Format { return formats(true) }

func Floats() []Format { return formats(false) }

func formats(integer bool) (all []Format) {
	for _, t := range quant.Types() {
		if t.HasKernels() && t.Integer() == integer {
			all = append(all, Format{t.Format()})
		}
	}
	return all
}

// Shift is the binary logarithm of what is subtracted from codes, 0 for nothing.
func (f Format) Shift() int { return max(bits.Len(uint(f.Offset))-1, 0) }

// Groups is the number of groups in the columns of a tile.
func (f Format) Groups() int { return 32 / f.Group }

// OffSums is where in a block the scaled sums are that minima are multiplied with, one
// for each group of weights.
func (f Format) OffSums() int {
	if f.Group == 32 {
		return OffBoth
	}
	return OffSum
}

// TileBytes is the size of a tile of codes.
func (f Format) TileBytes() int { return (f.Low + f.High) * PlaneBytes }

// ScaleBytes is the size of what scales a tile.
func (f Format) ScaleBytes() int {
	if f.Minima && !f.Super {
		return 2 * HalfBytes
	}
	return HalfBytes
}

// PairBytes is the size of two tiles and what scales them.
func (f Format) PairBytes() int { return 2 * (f.ScaleBytes() + f.TileBytes()) }

// Table returns the text of a Go variable: the table of the kernels for some
// formats, of which functions returns the names.
func Table(name, doc string, formats []Format, functions func(f Format) []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s %s.\nvar %[1]s = panel.Kernels{\n", name, doc)
	for _, f := range formats {
		fmt.Fprintf(&b, "\tquant.%s: {%s},\n", f.Name, strings.Join(functions(f), ", "))
	}
	return b.String() + "}\n"
}
