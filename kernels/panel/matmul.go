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

// callBytes is about what one call of a kernel reads of weights that another call wants next,
// for other rows of activations: a second-level cache has room for them.
const callBytes = 64 << 10

// shortStream is the least that is read as a stream of its own: the prefetchers of a CPU
// need some lines to find it.
const shortStream = 16 << 10

// floatCols is the number of columns of floating-point weights that all rows of activations are
// multiplied with before the next ones: those of a panel fit in a first-level cache of 32 KB, and
// those of 128 rows in the second-level one. The kernels add up their products apart anyway.
// Where rows are few, fewPanels share those columns: then each has as many as the kernels add up.
const (
	floatCols = 512
	fewPanels = 2
)

// multiplier calls the kernels.
type multiplier struct {
	kernels *Kernels
	words   *Kernels // for activations in 16 bits
	current *Kernels // one of both
	// Of kernels that have some; 0 is 1.
	streams, floatStreams int
	args                  Args
	x                     unsafe.Pointer     // first row of activations
	last                  [16 * Rows]float32 // results of a last panel that is not full
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
	mul.start(m, x)
	rowBytes := mul.args.XStride
	if !m.Type.Integer() {
		rowBytes = min(rowBytes, 4*floatCols)
	}
	chunk := max(16, chunkBytes/rowBytes/16*16)
	for first := 0; first < x.N; first += chunk {
		n := min(chunk, x.N-first)
		mul.whole(dst[first*stride:], stride, m, r0/Rows, full, x, first, n)
		if full*Rows < r1 {
			for i := 0; i < n; i += 16 {
				t := min(16, n-i)
				mul.whole(mul.last[:], Rows, m, full, full+1, x, first+i, t)
				for j := range t {
					at := (first + i + j) * stride
					copy(dst[at+full*Rows-r0:at+r1-r0], mul.last[j*Rows:])
				}
			}
		}
	}
}

// whole multiplies whole panels with n rows of activations from number first on. Result r of
// the first panel and row i goes to dst[i*stride+r].
func (mul *multiplier) whole(dst []float32, stride int, m *Matrix, p0, p1 int, x *tensor.Acts, first, n int) {
	// Panels of a call, columns of it, and panels that have these columns before the next ones.
	panels, cols, together := p1-p0, m.Cols, p1-p0
	once := n&(n-1) == 0 && n < 1<<len(mul.current[m.Type]) // one call has all rows
	few := n <= 16                                          // weights come from memory
	switch integer := m.Type.Integer(); {
	case once:
	case integer && few:
		panels = max(1, callBytes/mul.args.PanelBytes)
	case integer:
		panels = 1
	case few:
		panels, cols, together = fewPanels, floatCols/fewPanels, fewPanels
	default:
		panels, cols = 1, floatCols
	}
	for p := p0; p < p1; p += together {
		for c := 0; c < m.Cols; c += cols {
			for q := p; q < min(p+together, p1); q += panels {
				mul.rows(dst[(q-p0)*Rows:], stride, m, q, min(q+panels, p1), c, min(c+cols, m.Cols), x, first, n)
			}
		}
	}
}

// start sets what is the same in all calls for a matrix and a batch.
func (mul *multiplier) start(m *Matrix, x *tensor.Acts) {
	mul.args = Args{PanelBytes: panelBytes(m.Type, m.Cols), Ahead: ahead}
	mul.current = mul.kernels
	switch {
	case m.Type.Integer() && x.Fine():
		mul.current = mul.words
		mul.args.Tiles, mul.args.XStride = m.Cols/tileCols, x.Stride*tensor.WordsBytes
		mul.x = unsafe.Pointer(unsafe.SliceData(x.W))
	case m.Type.Integer():
		mul.args.Tiles, mul.args.XStride = m.Cols/tileCols, x.Stride*tensor.BlockBytes
		mul.x = unsafe.Pointer(unsafe.SliceData(x.Q))
	default:
		mul.args.XStride = x.FStride * 4
		mul.x = unsafe.Pointer(unsafe.SliceData(x.F))
	}
}

// rows is whole for columns [c0, c1), all of them if weights are integers: to the products of
// those before c0, which stand in dst, theirs are added.
func (mul *multiplier) rows(dst []float32, stride int, m *Matrix, p0, p1, c0, c1 int, x *tensor.Acts, first, n int) {
	kernels, a := mul.current[m.Type], &mul.args
	at := 0 // in a row of activations, and a panel
	switch {
	case m.Type.Integer() && x.Fine():
		_ = x.W[(first+n)*x.Stride-1]
	case m.Type.Integer():
		_ = x.Q[(first+n)*x.Stride-1]
	default:
		_ = x.F[(first+n)*x.FStride-1]
		a.Tiles, at = c1-c0, c0
	}
	a.Begun = min(c0, 1)
	a.DstStride = stride * 4
	for i := 0; i < n; {
		step := min(bits.Len(uint(n-i)), len(kernels)) - 1
		t := 1 << step
		a.Rows = t
		a.X = unsafe.Add(mul.x, (first+i)*a.XStride+4*at)
		for p := p0; p < p1; {
			count := min(p1-p, max(1, callWork/(t*Rows*(c1-c0))))
			streams := 1
			switch {
			case m.Type.Integer() && t == 1:
				streams = min(mul.streams, count*a.PanelBytes/shortStream)
			case !m.Type.Integer() && t <= 2:
				streams = mul.floatStreams
			}
			a.Streams = max(1, min(streams, count))
			a.Panels = count / a.Streams
			count = a.Panels * a.Streams
			a.StreamBytes, a.StreamDst = a.Panels*a.PanelBytes, a.Panels*Rows*4
			panels := m.Data[p*a.PanelBytes : (p+count)*a.PanelBytes]
			out := dst[i*stride+(p-p0)*Rows:]
			_ = out[(t-1)*stride+count*Rows-1]
			a.Panel, a.Dst = &panels[at*(a.PanelBytes/m.Cols)], &out[0]
			kernels[step](a)
			p += count
		}
		i += t
	}
}
