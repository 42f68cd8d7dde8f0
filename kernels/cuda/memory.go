package cuda

import (
	"unsafe"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// memory is what a stage has allocated, to be freed together. It is used within
// Device.do.
type memory struct {
	dev *Device
	all []driver.Ptr
}

// align is the multiple that the driver's allocations are rounded up to.
const align = 256

func aligned(n int64) int64 { return (n + align - 1) / align * align }

func (m *memory) alloc(n int64) (driver.Ptr, error) {
	p, err := m.dev.ctx.Alloc(aligned(max(n, 1)))
	if err == nil {
		m.all = append(m.all, p)
	}
	return p, err
}

// free gives everything back, and returns the first error.
func (m *memory) free() (err error) {
	for _, p := range m.all {
		if e := m.dev.ctx.Free(p); err == nil {
			err = e
		}
	}
	m.all = nil
	return err
}

// upload allocates memory for values and copies them.
func upload[T any](m *memory, values []T) (driver.Ptr, error) {
	p, err := m.alloc(int64(len(bytesOf(values))))
	if err != nil {
		return 0, err
	}
	return p, m.dev.ctx.CopyIn(p, bytesOf(values))
}

func bytesOf[T any](x []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(one)))
}

const (
	// headRows is the number of rows whose logits are computed at a time.
	headRows = 32
	// splitRows is the largest number of rows whose attention is split over
	// depth, maxSplits how often.
	splitRows, maxSplits = 8, 64
)

// sizes are those of a stage's buffers in numbers: of float16 those of halves, gated and
// part, which are 0 where nothing is multiplied in float16, of float32 the others.
type sizes struct{ hidden, qkv, attn, ffn, parts, logits, rope, halves, gated, part int64 }

func (d *Device) sizesOf(p plan.Plan, o plan.Options) (s sizes) {
	rows := int64(o.MaxRows)
	s.hidden = rows * int64(p.Width)
	s.qkv = rows * int64(p.QDim()+2*p.KVDim())
	s.attn = rows * int64(p.QDim())
	s.ffn = rows * int64(p.FFN)
	s.parts = int64(min(splitRows, o.MaxRows)) * int64(p.Heads) * maxSplits
	if p.Head != nil {
		s.logits = int64(min(headRows, o.MaxRows)) * int64(p.Vocab)
	}
	s.rope = int64(o.MaxCtx) * int64(p.HeadDim)
	if d.hasTensor(o) {
		s.halves = rows * int64(max(p.Width, p.QDim()))
		s.gated = rows * int64(p.FFN)
		s.part = d.partOf(p)
	}
	return s
}

// Bytes is the memory on the GPU that Load takes, and that of a sequence.
func (d *Device) Bytes(p plan.Plan, o plan.Options) int64 {
	return d.stageBytes(p, o) + kvBytes(p.Dims, len(p.Blocks), o.MaxCtx, o.KV)
}

// stageBytes is the memory of a stage without sequences.
func (d *Device) stageBytes(p plan.Plan, o plan.Options) int64 {
	matrix := func(w tensor.Tensor) int64 {
		if fits(w) != nil {
			return 0
		}
		return aligned(layout(w.Type, w.Rows, w.Cols).size)
	}
	var n int64
	for i := range p.Blocks {
		b := &p.Blocks[i]
		for _, all := range togetherIn(b) {
			for len(all) > 0 {
				same := sameType(all)
				w := all[0].W
				w.Rows = rowsOf(all[:same])
				n += matrix(w) + aligned(4*int64(len(biasesOf(all[:same]))))
				all = all[same:]
			}
		}
		n += 2*aligned(4*int64(p.Width)) + aligned(4*int64(len(b.QNorm))) + aligned(4*int64(len(b.KNorm)))
	}
	if p.Head != nil {
		n += aligned(4 * int64(p.Width))
	}
	for i, w := range tables(p) {
		if i == 0 || &w.Data[0] != &tables(p)[0].Data[0] {
			n += matrix(w)
		}
	}
	s := d.sizesOf(p, o)
	floats := 2*s.hidden + s.qkv + s.attn + 2*s.ffn + s.parts*int64(p.HeadDim+2) + s.logits + s.rope
	if s.halves > 0 {
		n += 2*(s.halves+s.gated+s.part) + 4*int64(o.MaxRows)
	}
	if d.hasToken(p) {
		n += d.tokenSize(p)
	}
	if d.hasBatch(p, o) {
		slots, scales, products := batchSizes(p, o, d.batchParts(p))
		n += aligned(slots) + aligned(scales) + aligned(products)
	}
	return n + 4*floats + keysBytes(p, o) + int64(o.MaxRows)*batchBytes + 17*align
}

// togetherIn are the matrices of a block, those together that are multiplied with the same
// activations.
func togetherIn(b *plan.Block) [][]plan.Linear {
	return [][]plan.Linear{{b.Q, b.K, b.V}, {b.O}, {b.Gate, b.Up}, {b.Down}}
}

// tables are the embedding and the head, which may be the same tensor.
func tables(p plan.Plan) (all []tensor.Tensor) {
	if p.Embedding != nil {
		all = append(all, *p.Embedding)
	}
	if p.Head != nil {
		all = append(all, p.Head.W)
	}
	return all
}
