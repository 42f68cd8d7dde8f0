// Package tensor gives typed views over the bytes of a model file and the
// scratch buffers that kernels compute in.
package tensor

import (
	"fmt"
	"unsafe"

	"qgo/quant"
	"qgo/quant/codec"
)

// Tensor is a matrix of Rows rows of Cols weights each, row after row, in the
// block format Type. A vector is a matrix of one row. Data is usually a view
// of a mapped file and must not be written to.
type Tensor struct {
	Type       quant.Type
	Rows, Cols int
	Data       []byte
}

// New returns the view of data as rows x cols weights of type t, or an error
// when the sizes do not fit.
func New(t quant.Type, rows, cols int, data []byte) (Tensor, error) {
	switch {
	case !t.Valid():
		return Tensor{}, fmt.Errorf("tensor: unknown type %v", t)
	case rows <= 0 || cols <= 0 || cols%t.BlockLen() != 0:
		return Tensor{}, fmt.Errorf("tensor: no %v matrix has %d rows of %d weights (blocks of %d)", t, rows, cols, t.BlockLen())
	case len(data) != rows*t.RowBytes(cols):
		return Tensor{}, fmt.Errorf("tensor: %d x %d weights of %v take %d bytes, not %d", rows, cols, t, rows*t.RowBytes(cols), len(data))
	}
	return Tensor{Type: t, Rows: rows, Cols: cols, Data: data}, nil
}

// RowBytes is the size of one row in bytes.
func (t Tensor) RowBytes() int { return t.Type.RowBytes(t.Cols) }

// Row returns the bytes of row i.
func (t Tensor) Row(i int) []byte {
	n := t.RowBytes()
	return t.Data[i*n : (i+1)*n : (i+1)*n]
}

// Slice returns the matrix of rows [lo, hi).
func (t Tensor) Slice(lo, hi int) Tensor {
	n := t.RowBytes()
	return Tensor{Type: t.Type, Rows: hi - lo, Cols: t.Cols, Data: t.Data[lo*n : hi*n : hi*n]}
}

// Floats returns the weights as new float32 values.
func (t Tensor) Floats() []float32 {
	dst := make([]float32, t.Rows*t.Cols)
	codec.Dequantize(t.Type, dst, t.Data)
	return dst
}

// Alignment is the byte alignment of what [Make] returns: a cache line, which
// is also the widest vector register.
const Alignment = 64

// Number is an element type of a scratch buffer.
type Number interface {
	~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~float32 | ~float64
}

// Make returns n zeroed elements that start at a multiple of [Alignment]
// bytes and share their last cache line with nothing else.
func Make[T Number](n int) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	bytes := (n*size + Alignment - 1) &^ (Alignment - 1)
	raw := make([]byte, bytes+Alignment)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (Alignment - 1)
	return unsafe.Slice((*T)(unsafe.Pointer(&raw[skip])), bytes/size)[:n:n]
}
