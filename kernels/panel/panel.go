// Package panel lays matrices out for vector instructions: in panels of 16
// rows, so that a lane is a row and no sum across lanes is ever needed.
//
// A panel of floating-point weights holds, column after column, the values of
// the 16 rows. A panel of integer weights (see [codec.Codes]) is made of tiles
// of 32 columns. They come in pairs: first what scales the two tiles, then
// their codes; a last tile without a partner leaves the second scales empty. A
// tile is scaled by 16 float16 numbers and, in some formats, 16 minima. In a
// K-quant it is scaled by small integers, 16 for each group (and room for as many
// where a tile is one group without minima), and each 8 tiles
// are headed by a line of 64 bytes with 16 float16 scales and, in some formats,
// 16 minima.
//
// All this is in the order in which a kernel reads it, since the prefetchers of
// CPUs follow one stream: with all scales in front of all codes, reading from
// memory was only 40 to 60 % as fast on a Zen 4.
//
// Vector instructions multiply four bytes of a lane at a time, so the codes of
// four columns of a row, a quad, are neighbours, and a quad of each of the 16
// rows makes 64 bytes: a vector. A tile has eight such vectors of codes. They
// are stored in planes of 64 bytes: eight planes for codes of 8 bits; four for
// 4 bits, where plane p has vector p in the low and vector p+4 in the high
// halves of its bytes; two for 2 bits, where plane p has vectors 4p to 4p+3.
// Codes of 3, 5 and 6 bits have planes for the low 2 or 4 bits, and after them
// one plane of single bits, where bit v belongs to vector v, or two for 2
// bits. The codes of Q8_0 are stored with 128 added, but on arm64 as they are,
// and IQ4_NL's as in the file.
package panel

import (
	"fmt"

	"qgo/quant"
	"qgo/tensor"
)

// Layout is how panels are laid out, and what multiplies them. [Kernels] has
// the one that this package describes; a tier may bring another.
type Layout interface {
	// Fits reports whether there are kernels for weights of type t in rows of
	// cols of them.
	Fits(t quant.Type, cols int) bool
	// Bytes is the size of a matrix.
	Bytes(t quant.Type, rows, cols int) int
	// NewPacker returns a packer for matrices of up to cols columns, and
	// PackerBytes is the memory that it takes.
	NewPacker(cols int) Packer
	PackerBytes(cols int) int
	// NewMultiplier returns a worker's own multiplier for up to rows rows of
	// activations at a time, and MultiplierBytes is the memory that it takes.
	NewMultiplier(rows int) Multiplier
	MultiplierBytes(rows int) int
}

// Packer lays out matrices.
type Packer interface {
	// Pack writes panels [lo, hi) of w to m.
	Pack(m *Matrix, w tensor.Tensor, lo, hi int)
}

// Multiplier multiplies matrices with activations.
type Multiplier interface {
	// MatMul computes rows [r0, r1) of W·x for every row x of the batch:
	//
	//	dst[i*stride+r-r0] = Σ_j W[r][j] * x[i][j]
	//
	// r0 is a multiple of Rows, and so is r1 unless it is the last row.
	MatMul(dst []float32, stride int, m *Matrix, r0, r1 int, x *tensor.Acts)
}

// Rows is the number of rows of a panel.
const Rows = 16

// ExpandedPanels is the number of panels that are multiplied together with many rows of
// activations: see Expanded.
const ExpandedPanels = 2

// tileCols is the number of columns of a tile.
const tileCols = 32

const planeBytes = 64

// Matrix is a matrix in panels. The last panel is filled up with zeros.
type Matrix struct {
	Type       quant.Type
	Rows, Cols int
	Data       []byte
}

// layout is the panels of an integer type.
type layout quant.Format

func layoutOf(t quant.Type) *layout { return (*layout)(t.Format()) }

// tileBytes is the size of a tile of codes.
func (l *layout) tileBytes() int { return (l.Low + l.High) * Rows * tileCols / 8 }

// scaleBytes is the size of what scales a tile: with 16 rows two bytes each, of
// a float16 number or two small ones, or twice that.
func (l *layout) scaleBytes() int {
	if l.Minima && !l.Super {
		return 4 * Rows
	}
	return 2 * Rows
}

// pairBytes is the size of two tiles and what scales them.
func (l *layout) pairBytes() int { return 2 * (l.scaleBytes() + l.tileBytes()) }

// headBytes is the size of the head of superTiles tiles of a K-quant.
const headBytes, superTiles = 64, 8

// tile returns where in a panel's bytes the scales and the codes of a tile are.
func (l *layout) tile(i int) (scales, codes int) {
	pair := i / 2 * l.pairBytes()
	if l.Super {
		pair += (i/superTiles + 1) * headBytes
	}
	return pair + i%2*l.scaleBytes(), pair + 2*l.scaleBytes() + i%2*l.tileBytes()
}

// panelBytes is the size of a panel of a matrix of type t.
func panelBytes(t quant.Type, cols int) int {
	if !t.Integer() {
		n := t.RowBytes(cols) * Rows
		return (n + planeBytes - 1) / planeBytes * planeBytes
	}
	l := layoutOf(t)
	_, codes := l.tile(cols/tileCols - 1)
	return codes + l.tileBytes()
}

// New returns the matrix of w's type and size on the memory data, which a
// packer of the layout fills.
func New(l Layout, w tensor.Tensor, data []byte) (*Matrix, error) {
	if n := l.Bytes(w.Type, w.Rows, w.Cols); !l.Fits(w.Type, w.Cols) || len(data) != n {
		return nil, fmt.Errorf("panel: %d bytes for %d x %d weights of %v, which need %d", len(data), w.Rows, w.Cols, w.Type, n)
	}
	return &Matrix{Type: w.Type, Rows: w.Rows, Cols: w.Cols, Data: data}, nil
}

// Panels is the number of panels.
func (m *Matrix) Panels() int { return (m.Rows + Rows - 1) / Rows }
