package cuda

import (
	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// The head of one row: see src/stream.h.

type (
	headArgs struct {
		w                              matrixArgs
		x, rows, norm, y, tops, places driver.Ptr
		skips                          driver.Ptr
		eps                            float32
		_                              int32
	}
	nextArgs struct {
		values, places, out driver.Ptr
		w                   matrixArgs
		hidden              driver.Ptr
		parts               int32
		number              uint32
	}
)

const (
	streamWarps  = 4   // of a block: more do not bring weights faster
	streamStatic = 512 // bytes of a block's memory that the kernel has of its own, up to a line
)

// streamShape is how the products of a matrix with one row are shared.
type streamShape struct{ warps, bytes, blocks int }

// streamShapeOf returns that of a product on a GPU of so many multiprocessors, of which a block
// may have so much memory: no warps if that is too little.
func streamShapeOf(l *linear, sms, memory int) streamShape {
	x, tile := int(l.w.cols)/groupLen*slotBytes, 0
	for _, bytes := range formatOf(l.typ).planeBytes(int64(l.w.cols / groupLen)) {
		tile += roundUpTo(tileRows*int(bytes), line)
	}
	warps := min((memory-streamStatic-x)/(2*tile), streamWarps)
	if warps < streamWarps/2 {
		return streamShape{}
	}
	return streamShape{warps, x + 2*warps*tile, min(sms, ceil(ceil(int(l.w.rows), tileRows), warps))}
}

// streams reports whether the head is multiplied with n rows as its weights come, so that it can
// choose the most likely token meanwhile.
func (s *Stage) streams(n int) bool { return n == 1 && s.stream.warps > 0 }

// multiplyHead multiplies the head with the row of the hidden states whose number stands at rows, or
// the first one. The arguments say what becomes of the products.
func (p *pass) multiplyHead(rows driver.Ptr, args headArgs) {
	name := p.ofBatch("stream_", p.head.typ)
	if p.err == nil {
		p.err = p.dev.functions[name].Share(p.stream.bytes)
	}
	args.w, args.x, args.rows, args.norm, args.eps = p.head.w, p.hidden, rows, p.headNorm, p.Eps
	p.starts(plan.OpHead)
	call(p, name, p.stream.blocks, p.stream.warps*warpLen, args)
}

// tops are the largest logits of parts of a row, and their tokens.
type tops struct {
	values, places driver.Ptr
	parts          int32
}

// streamTops finds those of a row, without its logits.
func (p *pass) streamTops(rows driver.Ptr) tops {
	t := tops{p.keys, p.keys + 4*topBlock, int32(p.stream.blocks * p.stream.warps)} // room for more warps than a GPU has
	p.multiplyHead(rows, headArgs{tops: t.values, places: t.places})
	p.starts(plan.OpOther)
	return t
}
