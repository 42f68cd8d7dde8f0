package panel

import (
	"unsafe"

	"qgo/quant"
)

// Args are the arguments of a kernel: it multiplies Panels panels with its
// number of activation rows.
type Args struct {
	Panel      *byte          // the first one
	X          unsafe.Pointer // first activation row: of tensor.Block or tensor.Words, or float32 for floating-point weights
	Dst        *float32       // 16 results for each activation row and panel
	XStride    int            // bytes from one activation row to the next
	DstStride  int            // bytes from the results of one activation row to those of the next
	Tiles      int            // tiles of a panel, or columns of a floating-point one
	Panels     int
	PanelBytes int
	Rows       int // of activations: for functions that serve several numbers of them
	Ahead      int // bytes from the weights that are multiplied to those that are asked for

	// Kernels that have streams, those of [Streamed], multiply Panels panels of each of Streams
	// streams, 1 to as many as they are made for: they begin StreamBytes apart, and their results StreamDst
	// bytes apart.
	Streams, StreamBytes, StreamDst int

	Begun int // 1 if products of floating-point weights are added to what stands in Dst, else 0
}

// MostStreams is the largest number of streams of integer weights.
const MostStreams = 2

// Streamed are kernels of which some read several streams by turns: those of AVX2 for integer
// weights and one row of activations, a tile of each, and those of floating-point weights for one and
// two, a few columns of each.
type Streamed struct {
	Kernels
	// Streams and FloatStreams are the numbers of streams of integer and of floating-point weights; 0 is 1.
	Streams, FloatStreams int
	Words                 Kernels // of integer weights, for activations in 16 bits
}

// NewMultiplier returns what a worker needs to multiply any number of rows.
func (k *Streamed) NewMultiplier(int) Multiplier {
	m := k.multiplier()
	return &m
}

func (k *Streamed) multiplier() multiplier {
	return multiplier{kernels: &k.Kernels, words: &k.Words, streams: k.Streams, floatStreams: k.FloatStreams}
}

// Kernels holds for each type the kernels for 1, 2, 4 and so on up to 64 activation
// rows, as far as there are any.
type Kernels [quant.Count][]func(*Args)

// Fits reports whether a matrix can be laid out: rows of integer weights must
// consist of whole tiles, as they do in all known models.
func (k *Kernels) Fits(t quant.Type, cols int) bool {
	return len(k[t]) > 0 && (!t.Integer() || cols%tileCols == 0)
}

// Bytes is the size of a matrix.
func (k *Kernels) Bytes(t quant.Type, rows, cols int) int {
	return (rows + Rows - 1) / Rows * panelBytes(t, cols)
}

// Join returns the kernels of both.
func Join(a, b *Kernels) *Kernels {
	k := *a
	for t, f := range b {
		if f != nil {
			k[t] = f
		}
	}
	return &k
}
