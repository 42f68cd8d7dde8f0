package panel

import (
	"math/bits"
	"unsafe"

	"qgo/tensor"
)

// What a call of a kernel reads should stay in the caches that it shares with
// nobody: all rows of activations that are multiplied with a panel before the
// next one is read fit in a second-level cache of 512 KB, with room for the weights.
const chunkBytes = 320 << 10

// callWork is about the number of multiplications that one call of a kernel
// may do, some 100 µs: assembler cannot be interrupted.
const callWork = 1 << 23

// shortStream is the least that is read as a stream of its own: the prefetchers of a CPU
// need some lines to find it.
const shortStream = 16 << 10

// multiplier calls the kernels.
type multiplier struct {
	kernels *Kernels
	streams int // of kernels that have some; 0 is 1
	args    Args
	x       unsafe.Pointer     // first row of activations
	last    [16 * Rows]float32 // results of a last panel that is not full
}

// NewMultiplier returns what a worker needs to multiply any number of rows.
func (k *Kernels) NewMultiplier(int) Multiplier { return &multiplier{kernels: k} }

// MultiplierBytes is the memory that it takes.
func (k *Kernels) MultiplierBytes(int) int { return int(unsafe.Sizeof(multiplier{})) }

// MatMul multiplies; see [Multiplier].
func (mul *multiplier) MatMul(dst []float32, stride int, m *Matrix, r0, r1 int, x *tensor.Acts) {
	if r0 >= r1 || x.N == 0 {
		return
	}
	full := r1 / Rows // panels that have all rows
	rowBytes := mul.start(m, x)
	chunk := max(16, chunkBytes/rowBytes/16*16)
	for first := 0; first < x.N; first += chunk {
		n := min(chunk, x.N-first)
		if n <= 16 {
			// Few rows: a kernel goes through many panels.
			mul.rows(dst[first*stride:], stride, m, r0/Rows, full, x, first, n)
		} else {
			for p := r0 / Rows; p < full; p++ {
				mul.rows(dst[first*stride+p*Rows-r0:], stride, m, p, p+1, x, first, n)
			}
		}
		if full*Rows < r1 {
			for i := 0; i < n; i += 16 {
				t := min(16, n-i)
				mul.rows(mul.last[:], Rows, m, full, full+1, x, first+i, t)
				for j := range t {
					at := (first + i + j) * stride
					copy(dst[at+full*Rows-r0:at+r1-r0], mul.last[j*Rows:])
				}
			}
		}
	}
}

// start sets what is the same in all calls for a matrix and a batch. It returns
// the size of a row of activations.
func (mul *multiplier) start(m *Matrix, x *tensor.Acts) int {
	mul.args = Args{PanelBytes: panelBytes(m.Type, m.Cols), Ahead: ahead}
	if m.Type.Integer() {
		mul.args.Tiles, mul.args.XStride = m.Cols/tileCols, x.Stride*tensor.BlockBytes
		mul.x = unsafe.Pointer(unsafe.SliceData(x.Q))
	} else {
		mul.args.Tiles, mul.args.XStride = m.Cols, x.FStride*4
		mul.x = unsafe.Pointer(unsafe.SliceData(x.F))
	}
	return mul.args.XStride
}

// rows multiplies whole panels with n rows of activations from number first
// on. Result r of the first panel and row i goes to dst[i*stride+r].
func (mul *multiplier) rows(dst []float32, stride int, m *Matrix, p0, p1 int, x *tensor.Acts, first, n int) {
	if m.Type.Integer() {
		_ = x.Q[(first+n)*x.Stride-1]
	} else {
		_ = x.F[(first+n)*x.FStride-1]
	}
	kernels, a := mul.kernels[m.Type], &mul.args
	a.DstStride = stride * 4
	for i := 0; i < n; {
		step := min(bits.Len(uint(n-i)), len(kernels)) - 1
		t := 1 << step
		a.Rows = t
		a.X = unsafe.Add(mul.x, (first+i)*a.XStride)
		for p := p0; p < p1; {
			count := min(p1-p, max(1, callWork/(t*Rows*m.Cols)))
			a.Streams = 1
			if t == 1 && m.Type.Integer() {
				a.Streams = max(1, min(mul.streams, count, count*a.PanelBytes/shortStream))
			}
			a.Panels = count / a.Streams
			count = a.Panels * a.Streams
			a.StreamBytes, a.StreamDst = a.Panels*a.PanelBytes, a.Panels*Rows*4
			panels := m.Data[p*a.PanelBytes : (p+count)*a.PanelBytes]
			out := dst[i*stride+(p-p0)*Rows:]
			_ = out[(t-1)*stride+count*Rows-1]
			a.Panel, a.Dst = &panels[0], &out[0]
			kernels[step](a)
			p += count
		}
		i += t
	}
}
