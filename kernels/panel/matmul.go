package panel

import (
	"math/bits"
	"unsafe"

	"qgo/tensor"
)

// What a call of a kernel reads should stay in the caches that it shares with
// nobody: all rows of activations that are multiplied with a panel before the
// next one is read fit in half of a second-level cache of 512 KB.
const chunkBytes = 256 << 10

// callWork is about the number of multiplications that one call of a kernel
// may do, some 100 µs: assembler cannot be interrupted.
const callWork = 1 << 23

// Scratch is what a worker needs to multiply.
type Scratch struct {
	args Args
	x    unsafe.Pointer     // first row of activations
	last [16 * Rows]float32 // results of a last panel that is not full
}

// MatMul computes rows [r0, r1) of W·x for every row x of the batch:
//
//	dst[i*stride+r-r0] = Σ_j W[r][j] * x[i][j]
//
// r0 is a multiple of 16, and so is r1 unless it is the last row.
func (k *Kernels) MatMul(dst []float32, stride int, m *Matrix, r0, r1 int, x *tensor.Acts, s *Scratch) {
	if r0 >= r1 || x.N == 0 {
		return
	}
	full := r1 / Rows // panels that have all rows
	rowBytes := m.start(x, s)
	chunk := max(16, chunkBytes/rowBytes/16*16)
	for first := 0; first < x.N; first += chunk {
		n := min(chunk, x.N-first)
		if n <= 16 {
			// Few rows: a kernel goes through many panels.
			k.rows(dst[first*stride:], stride, m, r0/Rows, full, x, first, n, s)
		} else {
			for p := r0 / Rows; p < full; p++ {
				k.rows(dst[first*stride+p*Rows-r0:], stride, m, p, p+1, x, first, n, s)
			}
		}
		if full*Rows < r1 {
			for i := 0; i < n; i += 16 {
				t := min(16, n-i)
				k.rows(s.last[:], Rows, m, full, full+1, x, first+i, t, s)
				for j := range t {
					at := (first + i + j) * stride
					copy(dst[at+full*Rows-r0:at+r1-r0], s.last[j*Rows:])
				}
			}
		}
	}
}

// start sets what is the same in all calls for a matrix and a batch. It returns
// the size of a row of activations.
func (m *Matrix) start(x *tensor.Acts, s *Scratch) int {
	s.args = Args{PanelBytes: Bytes(m.Type, m.Cols)}
	if m.Type.Integer() {
		s.args.Tiles, s.args.XStride = m.Cols/tileCols, x.Stride*tensor.BlockBytes
		s.x = unsafe.Pointer(unsafe.SliceData(x.Q))
	} else {
		s.args.Tiles, s.args.XStride = m.Cols, x.FStride*4
		s.x = unsafe.Pointer(unsafe.SliceData(x.F))
	}
	return s.args.XStride
}

// rows multiplies whole panels with n rows of activations from number first
// on. Result r of the first panel and row i goes to dst[i*stride+r].
func (k *Kernels) rows(dst []float32, stride int, m *Matrix, p0, p1 int, x *tensor.Acts, first, n int, s *Scratch) {
	if m.Type.Integer() {
		_ = x.Q[(first+n)*x.Stride-1]
	} else {
		_ = x.F[(first+n)*x.FStride-1]
	}
	kernels, a := k[m.Type], &s.args
	a.DstStride = stride * 4
	for i := 0; i < n; {
		step := min(bits.Len(uint(n-i)), len(kernels)) - 1
		t := 1 << step
		a.Rows = t
		a.X = unsafe.Add(s.x, (first+i)*a.XStride)
		for p := p0; p < p1; {
			a.Panels = min(p1-p, max(1, callWork/(t*Rows*m.Cols)))
			panels := m.Data[p*a.PanelBytes : (p+a.Panels)*a.PanelBytes]
			out := dst[i*stride+(p-p0)*Rows:]
			_ = out[(t-1)*stride+a.Panels*Rows-1]
			a.Panel, a.Dst = &panels[0], &out[0]
			kernels[step](a)
			p += a.Panels
		}
		i += t
	}
}
