// Package generic holds the plain-Go kernels: the reference that every
// assembler kernel is tested against, and what runs where there is none.
package generic

import (
	"unsafe"

	"qgo/quant/codec"
	"qgo/tensor"
)

// blockLen is the number of weights that are multiplied at a time, a whole
// number of groups of every format.
const blockLen = 32

// batchRows is the number of activation rows that are multiplied with a
// weight row each time it is unpacked.
const batchRows = 16

// Scratch is what a worker needs to multiply: the current weight row, taken
// apart, and packed activations. It grows to the longest row it meets.
type Scratch struct {
	codes  codec.Codes
	row    []float32
	packed []packedGroup // [batchRows][cols/32]

	// Keeps what workers write for each row apart from their neighbours'.
	_ [tensor.Alignment]byte
}

// ScratchBytes is the memory that a Scratch takes for rows of cols weights.
func ScratchBytes(cols int) int {
	const perGroup = int(unsafe.Sizeof(packedGroup{}))
	return cols*(4+1+1) + batchRows*cols/blockLen*perGroup
}

func (s *Scratch) grow(cols int) {
	if cap(s.row) < cols {
		s.row = tensor.Make[float32](cols)
		s.codes = *codec.NewCodes(cols)
		s.packed = make([]packedGroup, batchRows*cols/blockLen)
	}
}

// MatMul computes rows [r0, r1) of W·x for every row x of the batch:
//
//	dst[i*stride+r-r0] = Σ_j W[r][j] * x[i][j]
//
// Weights that are integer codes are multiplied with the quantised form of
// the activations, that of 16 bits if there is one, in integers within a group of
// weights, or with the form that is rounded to bfloat16; weights that are floating-point numbers with the
// activations as they are.
func MatMul(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	matMul(dst, stride, w, r0, r1, x, s, false)
}

// MatMul32 is [MatMul] with activations of [Quantize32] or [QuantizeWords].
func MatMul32(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	matMul(dst, stride, w, r0, r1, x, s, true)
}

// matMul multiplies with activations whose blocks are whole groups or two.
func matMul(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch, whole bool) {
	s.grow(w.Cols)
	if !w.Type.Integer() {
		MatMulExact(dst, stride, w, r0, r1, x, s)
		return
	}
	if x.Many {
		MatMulTiles(dst, stride, w, r0, r1, x, s)
		return
	}
	for first := 0; first < x.N && r0 < r1; first += batchRows {
		n := min(batchRows, x.N-first)
		s.codes.Unpack(w.Type, w.Row(r0)) // tells how wide the codes are
		groups, narrow := w.Cols/blockLen, narrow(&s.codes, x)
		for i := range n {
			pack(s.packed[i*groups:(i+1)*groups], x, first+i, &s.codes, whole, narrow)
		}
		for r := r0; r < r1; r++ {
			s.codes.Unpack(w.Type, w.Row(r))
			for i := range n {
				dst[(first+i)*stride+r-r0] = dot(&s.codes, s.packed[i*groups:(i+1)*groups], narrow)
			}
		}
	}
}

// MatMulExact is [MatMul] with every weight as a float32 and the activations
// as they are.
func MatMulExact(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	s.grow(w.Cols)
	row := s.row[:w.Cols]
	for r := r0; r < r1; r++ {
		codec.Dequantize(w.Type, row, w.Row(r))
		for i := range x.N {
			dst[i*stride+r-r0] = Dot(row, x.Row(i))
		}
	}
}

// Dot returns the scalar product of two vectors of one length, summed in 16
// interleaved parts, which are then added in halves. Eight parts at a time
// stay in registers.
func Dot(a, b []float32) float32 {
	n := len(a) / 16
	x, y := runs(a, n), runs(b, n)
	y = y[:len(x)] // tells the compiler
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	for i := range x {
		x, y := &x[i], &y[i]
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		s4 += x[4] * y[4]
		s5 += x[5] * y[5]
		s6 += x[6] * y[6]
		s7 += x[7] * y[7]
	}
	s := [16]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	s0, s1, s2, s3, s4, s5, s6, s7 = 0, 0, 0, 0, 0, 0, 0, 0
	for i := range x {
		x, y := &x[i], &y[i]
		s0 += x[8] * y[8]
		s1 += x[9] * y[9]
		s2 += x[10] * y[10]
		s3 += x[11] * y[11]
		s4 += x[12] * y[12]
		s5 += x[13] * y[13]
		s6 += x[14] * y[14]
		s7 += x[15] * y[15]
	}
	*(*[8]float32)(s[8:]) = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	for i := 16 * n; i < len(a); i++ {
		s[i-16*n] += a[i] * b[i]
	}
	for w := 8; w > 0; w /= 2 {
		for i := range s[:w] {
			s[i] += s[i+w]
		}
	}
	return s[0]
}

// runs returns the first n runs of 16 values.
func runs(x []float32, n int) [][16]float32 {
	return unsafe.Slice((*[16]float32)(unsafe.Pointer(unsafe.SliceData(x[:16*n]))), n)
}
