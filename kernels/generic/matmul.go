// Package generic holds the plain-Go kernels: the reference that every
// assembler kernel is tested against, and what runs where there is none.
package generic

import (
	"qgo/quant"
	"qgo/tensor"
)

// Scratch is what a worker needs to multiply: the current weight row, taken
// apart. It grows to the longest row it meets.
type Scratch struct {
	codes *quant.Codes
	row   []float32
}

func (s *Scratch) grow(cols int) {
	if cap(s.row) < cols {
		s.row = tensor.Make[float32](cols)
		s.codes = quant.NewCodes(cols)
	}
}

// MatMul computes rows [r0, r1) of W·x for every row x of the batch:
//
//	dst[i*stride+r] = Σ_j W[r][j] * x[i][j]
//
// Weights that are integer codes are multiplied with the quantised form of
// the activations, in integers within a group of weights; weights that are
// floating-point numbers with the activations as they are.
func MatMul(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *Scratch) {
	s.grow(w.Cols)
	if !w.Type.Integer() {
		MatMulExact(dst, stride, w, r0, r1, x, s)
		return
	}
	for r := r0; r < r1; r++ {
		s.codes.Unpack(w.Type, w.Row(r))
		for i := range x.N {
			q, d, sums := x.QuantRow(i)
			if s.codes.Group == 32 {
				dst[i*stride+r] = dot32(s.codes, q, d, sums)
			} else {
				dst[i*stride+r] = dot16(s.codes, q, d, sums)
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
		quant.Dequantize(w.Type, row, w.Row(r))
		for i := range x.N {
			dst[i*stride+r] = Dot(row, x.Row(i))
		}
	}
}

// dot32 multiplies one weight row whose groups have 32 codes with one
// quantised activation row.
func dot32(w *quant.Codes, q []int8, d []float32, sums []int16) float32 {
	var y float32
	for g := range d {
		isum := dotInt8((*[32]int8)(w.Q[g*32:]), (*[32]int8)(q[g*32:]))
		v := w.Scale[g] * float32(isum)
		if w.HasMin {
			v += w.Min[g] * float32(int32(sums[2*g])+int32(sums[2*g+1]))
		}
		y += d[g] * v
	}
	return y
}

// dot16 is dot32 for groups of 16 codes.
func dot16(w *quant.Codes, q []int8, d []float32, sums []int16) float32 {
	var y float32
	for g := range d {
		wq, xq := (*[32]int8)(w.Q[g*32:]), (*[32]int8)(q[g*32:])
		v := w.Scale[2*g]*float32(dotInt8x16((*[16]int8)(wq[:16]), (*[16]int8)(xq[:16]))) +
			w.Scale[2*g+1]*float32(dotInt8x16((*[16]int8)(wq[16:]), (*[16]int8)(xq[16:])))
		if w.HasMin {
			v += w.Min[2*g]*float32(sums[2*g]) + w.Min[2*g+1]*float32(sums[2*g+1])
		}
		y += d[g] * v
	}
	return y
}

func dotInt8(a, b *[32]int8) int32 {
	return dotInt8x16((*[16]int8)(a[:16]), (*[16]int8)(b[:16])) + dotInt8x16((*[16]int8)(a[16:]), (*[16]int8)(b[16:]))
}

func dotInt8x16(a, b *[16]int8) int32 {
	s0 := int32(a[0])*int32(b[0]) + int32(a[1])*int32(b[1]) + int32(a[2])*int32(b[2]) + int32(a[3])*int32(b[3])
	s1 := int32(a[4])*int32(b[4]) + int32(a[5])*int32(b[5]) + int32(a[6])*int32(b[6]) + int32(a[7])*int32(b[7])
	s2 := int32(a[8])*int32(b[8]) + int32(a[9])*int32(b[9]) + int32(a[10])*int32(b[10]) + int32(a[11])*int32(b[11])
	s3 := int32(a[12])*int32(b[12]) + int32(a[13])*int32(b[13]) + int32(a[14])*int32(b[14]) + int32(a[15])*int32(b[15])
	return (s0 + s1) + (s2 + s3)
}

// Dot returns the scalar product of two vectors of one length, summed in 8
// interleaved parts.
func Dot(a, b []float32) float32 {
	var s [8]float32
	n := len(a) &^ 7
	for i := 0; i < n; i += 8 {
		x, y := (*[8]float32)(a[i:]), (*[8]float32)(b[i:])
		s[0] += x[0] * y[0]
		s[1] += x[1] * y[1]
		s[2] += x[2] * y[2]
		s[3] += x[3] * y[3]
		s[4] += x[4] * y[4]
		s[5] += x[5] * y[5]
		s[6] += x[6] * y[6]
		s[7] += x[7] * y[7]
	}
	for i := n; i < len(a); i++ {
		s[0] += a[i] * b[i]
	}
	return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]))
}
