package kernels

import "sync/atomic"

// Shares deals out the items of a job's operations, such as the panels of its
// matrices. A worker has a part of each operation, always the same items, which
// lie near its core; when that is used up it helps the others with theirs. So
// nobody waits long for a worker that was held up.
type Shares struct {
	workers int
	parts   []part // [operations][workers]
}

// part is what is left of one worker's items of an operation.
type part struct {
	span atomic.Uint64 // first item << 32 | end
	_    [56]byte      // the rest of a cache line
}

// NewShares makes room for that many operations in a job of the pool.
func NewShares(operations, workers int) *Shares {
	return &Shares{workers: workers, parts: make([]part, operations*workers)}
}

// Deal gives w its part of the n items of an operation, in units of align
// items. Every worker calls it; there must be a barrier before the first
// [Shares.Next] for the operation.
func (s *Shares) Deal(w *Worker, operation, n, align int) {
	lo, hi := w.Range(n, align)
	s.parts[operation*s.workers+w.ID].span.Store(uint64(lo)<<32 | uint64(hi))
}

// Next returns items [lo, hi) of an operation for w to do, and false when all
// are dealt out. Each call takes about half of what is left of a part, in units
// of least items: first of w's own from the front, then of others' from the
// back.
func (s *Shares) Next(w *Worker, operation, least int) (lo, hi int, ok bool) {
	for i := range s.workers {
		p := &s.parts[operation*s.workers+(w.ID+i)%s.workers].span
		for {
			span := p.Load()
			lo, hi := int(span>>32), int(span&0xffffffff)
			left := hi - lo
			if left <= 0 {
				break
			}
			if i == 0 {
				n := min(left, max(left/2/least, 1)*least)
				if p.CompareAndSwap(span, uint64(lo+n)<<32|uint64(hi)) {
					return lo, lo + n, true
				}
				continue
			}
			mid := lo + left/2/least*least
			if p.CompareAndSwap(span, uint64(lo)<<32|uint64(mid)) {
				return mid, hi, true
			}
		}
	}
	return 0, 0, false
}
