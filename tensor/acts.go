package tensor

import "unsafe"

// GroupLen is the number of activations that share a scale: that of the
// finest sub-blocks of the K-quants. Groups of 32, as llama.cpp has them,
// would save one operation in ten in prefill, and diverge from exact
// arithmetic by half as much again.
const GroupLen = 16

// BlockLen is the number of activations in a [Block]: that of the smallest
// blocks of quantised weights.
const BlockLen = 32

// Block is the 8-bit form of 32 activations, two groups of 16: value j is
// about D[j/16] * Q[j]. What kernels need beside the codes stands with them,
// so that a block is one cache line.
type Block struct {
	Q      [BlockLen]int8
	D      [2]float32 // scales
	NegSum [2]int32   // -ΣQ of each group, for codes of weights with an offset
	Sum    [2]float32 // D*ΣQ of each group, for weights with a minimum
	_      [2]float32
}

// Acts is a batch of N activation rows of Cols values in the two forms that
// matrix kernels read: as they are, and quantised to 8 bits.
type Acts struct {
	N, Cols int
	F       []float32 // [N][Cols]
	Q       []Block   // [N][Stride], of which Cols/32 are used
	Stride  int       // blocks from one row to the next
}

// BlockBytes is the size of a [Block].
const BlockBytes = int(unsafe.Sizeof(Block{}))

// stride is odd, so that the same block of many rows does not fall into the
// same set of a cache.
func stride(cols int) int { return cols/BlockLen | 1 }

// NewActs returns room for n rows of cols values. Rows whose length is no
// multiple of 32 have no quantised form.
func NewActs(n, cols int) *Acts {
	a := &Acts{N: n, Cols: cols, F: Make[float32](n * cols), Stride: stride(cols)}
	if cols%BlockLen == 0 {
		raw := Make[byte](n * a.Stride * BlockBytes)
		a.Q = unsafe.Slice((*Block)(unsafe.Pointer(unsafe.SliceData(raw))), n*a.Stride)
	}
	return a
}

// ActsBytes is the memory that NewActs(n, cols) takes.
func ActsBytes(n, cols int) int64 {
	bytes := int64(n) * int64(cols) * 4
	if cols%BlockLen == 0 {
		bytes += int64(n) * int64(stride(cols)) * int64(BlockBytes)
	}
	return bytes
}

// Row returns the values of row i as they are.
func (a *Acts) Row(i int) []float32 { return a.F[i*a.Cols : (i+1)*a.Cols] }

// QuantRow returns the quantised form of row i.
func (a *Acts) QuantRow(i int) []Block {
	i *= a.Stride
	return a.Q[i : i+a.Cols/BlockLen]
}
