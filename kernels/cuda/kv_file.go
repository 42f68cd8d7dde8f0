package cuda

import (
	"fmt"
	"io"

	"qgo/kernels/cuda/driver"
	"qgo/quant"
)

// Save writes the keys and values of the first n positions; see [plan.KV].
func (kv *KV) Save(w io.Writer, n int) error {
	return kv.each(n, func(s *slab) error {
		if err := s.copyOut(); err != nil {
			return err
		}
		_, err := w.Write(s.rows)
		return err
	})
}

// Load reads what Save of any device wrote; see [plan.KV].
func (kv *KV) Load(r io.Reader, n int) error {
	return kv.each(n, func(s *slab) error {
		if _, err := io.ReadFull(r, s.rows); err != nil {
			return err
		}
		return s.copyIn()
	})
}

// kvSlabBytes bounds what is copied at a time. The memory is not pinned: a file
// and its hash are slower than the driver's own copy.
const kvSlabBytes = 1 << 20

// slab is a run of positions of the keys or values of a head, on its way
// between the GPU and a file.
type slab struct {
	kv   *KV
	head driver.Ptr // where its keys or values begin
	pos  int        // the first position
	rows []byte     // as in a file
	// Q8_0 has codes and scales in two places on the GPU: see src/cache.h.
	codes, scales []byte
}

// each calls f with the slabs of n positions of all heads, in the order of a
// file.
func (kv *KV) each(n int, f func(*slab) error) error {
	if n < 0 || n > kv.ctx {
		return fmt.Errorf("cuda: %d positions do not fit a KV cache of %d", n, kv.ctx)
	}
	row := kv.typ.RowBytes(kv.owner.HeadDim)
	most := min(n, kvSlabBytes/row)
	rows, planes := make([]byte, most*row), []byte(nil)
	if kv.typ == quant.Q8_0 {
		planes = make([]byte, most*row)
	}
	s := slab{kv: kv}
	for h := range len(kv.owner.Blocks) * 2 * kv.owner.KVHeads {
		s.head = kv.data + driver.Ptr(h*roundUp(kv.ctx)*row)
		for s.pos = 0; s.pos < n; s.pos += most {
			m := min(most, n-s.pos)
			s.rows = rows[:m*row]
			if planes != nil {
				s.codes, s.scales = planes[:m*kv.owner.HeadDim], planes[m*kv.owner.HeadDim:m*row]
			}
			if err := f(&s); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyOut copies from the GPU to rows.
func (s *slab) copyOut() error {
	err := s.copy(func(at driver.Ptr, b []byte) error { return s.kv.owner.dev.ctx.CopyOut(b, at) })
	if err == nil && s.kv.typ == quant.Q8_0 {
		s.eachBlock(func(block, scale, codes []byte) {
			copy(block, scale)
			copy(block[len(scale):], codes)
		})
	}
	return err
}

// copyIn copies rows to the GPU.
func (s *slab) copyIn() error {
	if s.kv.typ == quant.Q8_0 {
		s.eachBlock(func(block, scale, codes []byte) {
			copy(scale, block)
			copy(codes, block[len(scale):])
		})
	}
	return s.copy(func(at driver.Ptr, b []byte) error {
		if err := s.kv.owner.forget(); err != nil { // of what was there
			return err
		}
		return s.kv.owner.dev.ctx.CopyIn(at, b)
	})
}

// copy calls f, which uses the device, with the addresses of the slab on the GPU
// and the memory that belongs to them.
func (s *slab) copy(f func(at driver.Ptr, b []byte) error) error {
	kv := s.kv
	return kv.owner.dev.do(func() error {
		if kv.typ != quant.Q8_0 {
			return f(s.head+driver.Ptr(s.pos*kv.typ.RowBytes(kv.owner.HeadDim)), s.rows)
		}
		dim := kv.owner.HeadDim
		if err := f(s.head+driver.Ptr(s.pos*dim), s.codes); err != nil {
			return err
		}
		scales := s.head + driver.Ptr(roundUp(kv.ctx)*dim)
		return f(scales+driver.Ptr(s.pos*dim/groupLen*scaleBytes), s.scales)
	})
}

// scaleBytes is the size of the float16 scale that a block of Q8_0 begins with.
const scaleBytes = 2

// eachBlock calls f with each block of Q8_0 in rows, and its scale and codes as
// they stand on the GPU.
func (s *slab) eachBlock(f func(block, scale, codes []byte)) {
	const size = scaleBytes + groupLen
	for i := range len(s.rows) / size {
		f(s.rows[i*size:][:size], s.scales[i*scaleBytes:][:scaleBytes], s.codes[i*groupLen:][:groupLen])
	}
}
