package kernels

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Items deals out the items of one phase of a job, such as the panels of a
// matrix. All workers go through the same phases with the same arguments; what
// was written in a phase is visible in the next one.
//
//	for it := w.Items(n, most); it.Next(); {
//		// compute items [it.Lo, it.Hi) into memory of w's own
//		if it.Commit() {
//			// write the results to where all can read them
//		}
//	}
//
// A worker has a share of the items, always the same ones, which lie near its
// core; when they are used up it takes half of what another has left. A phase
// ends when its items are done, not when its workers have come: one that the
// system has taken off its core is not waited for. What it has not begun is
// taken from it, and the chunk that it is computing others compute as well,
// after a while. The first to commit it is the one to write; the other one's
// results are dropped. So it is safe to do a chunk again, and to be late.
type Items struct {
	Lo, Hi int // the chunk

	w         *Worker
	n, most   int
	phase     uint32
	chunks    int // that w has had
	begun     time.Time
	desk      *desk // of the worker that claimed the chunk
	chunk     chunk // what stands there; 0 when there is none
	asked     bool  // whether it was committed or dropped
	committed bool
}

// MaxItems is the largest number of items of a phase, and maxChunk that of a
// chunk.
const (
	MaxItems = 1<<itemBits - 1
	maxChunk = 1<<chunkBits - 1
)

const (
	itemBits  = 20
	chunkBits = 10
	tagBits   = 64 - 2*itemBits
	stateBits = 64 - 32 - itemBits - chunkBits
)

// desk is what the others may see and change of a worker's state. Who looks for
// something to steal reads spans only: what its worker writes several times a
// chunk stands in another cache line.
type desk struct {
	_      [128]byte
	span   atomic.Uint64 // the items that nobody has claimed; see span
	_      [128]byte
	chunk  atomic.Uint64 // the one that the worker computes, or 0; see chunk
	done   atomic.Uint64 // phase (32 bits) | items done in it that are not in the pool's count
	inside atomic.Uint64 // turn of the job that the worker is in, or 0
	_      [128]byte
}

// span is tag (24 bits) | first item (20) | end (20), where the tag is the
// phase's number. A span with an older tag than the phase's stands for the
// worker's whole share, so that it need not come to deal it out; Run gives a
// new tag to those that nobody has touched for long.
type span uint64

func newSpan(phase uint32, lo, hi int) span {
	return span(phase)<<(2*itemBits) | span(lo)<<itemBits | span(hi)
}

func (s span) items() (lo, hi int) {
	return int(s >> itemBits & MaxItems), int(s & MaxItems)
}

// age returns by how many phases the span is older than phase; negative if
// newer. They must be less than 2^23 apart.
func (s span) age(phase uint32) int32 {
	const rest = 32 - tagBits
	return int32(phase<<rest-uint32(s>>(2*itemBits))<<rest) >> rest
}

// renew gives the span of a desk the tag of a phase that is over, if its own is
// older: tags are compared modulo their range.
func (d *desk) renew(phase uint32) {
	if s := span(d.span.Load()); s.age(phase) > 0 {
		d.span.CompareAndSwap(uint64(s), uint64(newSpan(phase, 0, 0)))
	}
}

// chunk is phase (32 bits) | first item (20) | number of items (10) | state (2).
type chunk uint64

func newChunk(phase uint32, lo, n int) chunk {
	return chunk(phase)<<(64-32) | chunk(lo)<<(chunkBits+stateBits) | chunk(n)<<stateBits | computing
}

func (c chunk) phase() uint32 { return uint32(c >> (64 - 32)) }

func (c chunk) items() (lo, hi int) {
	lo = int(c >> (chunkBits + stateBits) & MaxItems)
	return lo, lo + int(c>>stateBits&maxChunk)
}

// States of a chunk.
const (
	computing = iota + 1
	writing   // by the worker that claimed it
	taken     // by another, that writes or has written
	states    = 1<<stateBits - 1
)

// Items begins a phase of n items, at most [MaxItems], of which chunks have
// between one and most. A phase without items is none.
func (w *Worker) Items(n, most int) Items {
	if n > MaxItems {
		panic(fmt.Sprintf("kernels: a phase of %d items; %d are possible", n, MaxItems))
	}
	it := Items{w: w, n: max(n, 0), most: min(max(most, 1), maxChunk), phase: w.phase}
	if n > 0 {
		w.phase++
	}
	return it
}

// Next makes the chunk the next one for this worker to compute. It returns
// false when the phase is over.
func (it *Items) Next() bool {
	if it.chunk != 0 {
		it.finish()
	}
	if it.n == 0 {
		return false
	}
	for !it.ended() {
		if it.claim() {
			return true
		}
		it.count(&it.w.desk)
		if it.ended() {
			break
		}
		// Nothing is left on its desk, so that it may go.
		if !it.w.seated() {
			panic(leave{})
		}
		// Who has no share was not meant to help: there is hardly anything to do.
		if it.chunks == 0 && it.look() {
			break
		}
		if !it.steal() && it.wait() {
			return true
		}
	}
	if it.failed() {
		panic(abort{errAborted})
	}
	return false
}

// Commit reports whether the results of the chunk are this worker's to write.
// It must be called for every chunk, and nothing that others read may be
// written before.
func (it *Items) Commit() bool {
	to := chunk(writing)
	if it.desk != &it.w.desk {
		to = taken
	}
	it.asked = true
	it.committed = it.desk.chunk.CompareAndSwap(uint64(it.chunk), uint64(it.chunk&^states|to))
	return it.committed
}

// finish puts the chunk away.
func (it *Items) finish() {
	d := &it.w.desk
	if !it.asked {
		panic("kernels: a chunk was not committed")
	}
	if it.desk == d {
		d.chunk.Store(0)
	}
	if it.committed {
		if d.done.Load()>>32 != uint64(it.phase) {
			d.done.Store(uint64(it.phase) << 32) // Nobody else changes a zero.
		}
		d.done.Add(uint64(it.Hi - it.Lo))
	}
	it.chunk, it.asked, it.committed = 0, false, false
}

// ended reports whether all items are done, or the job has failed.
func (it *Items) ended() bool {
	return int32(it.w.pool.phase.Load()-it.phase) > 0 || it.failed()
}

func (it *Items) failed() bool { return it.w.pool.failed.Load() == it.w.turn }

// count adds what was done at a desk to the count of the phase, and begins the
// next one when that was all.
func (it *Items) count(d *desk) {
	p := it.w.pool
	done := d.done.Load()
	n := uint32(done)
	if n == 0 || done>>32 != uint64(it.phase) || !d.done.CompareAndSwap(done, done-uint64(n)) {
		return
	}
	if p.count.Add(n) == uint32(it.n) {
		p.count.Store(0)
		p.phase.Store(it.phase + 1)
		p.wake()
	}
}

// share returns what the worker with that ID is dealt of n items, none if it has
// come to help.
func share(n, id, of int) (lo, hi int) {
	if id >= of {
		return 0, 0
	}
	return n * id / of, n * (id + 1) / of
}

// Share returns what w is dealt of n items of a phase of its job.
func (w *Worker) Share(n int) (lo, hi int) { return share(n, w.ID, w.Of) }

// unclaimed returns the span of a worker's desk, and the items that it stands
// for in this phase, none when the phase is over.
func (it *Items) unclaimed(w *Worker) (s span, lo, hi int) {
	s = span(w.desk.span.Load())
	switch age := s.age(it.phase); {
	case age > 0:
		lo, hi = share(it.n, w.ID, it.w.Of)
	case age == 0:
		lo, hi = s.items()
	}
	return s, lo, hi
}

// claim takes a chunk of w's own items, about half of what is left.
func (it *Items) claim() bool {
	w := it.w
	for {
		s, lo, hi := it.unclaimed(w)
		if lo >= hi {
			return false
		}
		n := hi - lo
		if len(w.pool.workers) > 1 {
			n = (n + 1) / 2
		}
		n = min(n, it.most)
		if it.chunks%chunksToSettle == 0 {
			it.settle() // Not with items in hand.
		}
		if w.desk.span.CompareAndSwap(uint64(s), uint64(newSpan(it.phase, lo+n, hi))) {
			it.chunks++
			it.set(&w.desk, newChunk(it.phase, lo, n))
			w.desk.chunk.Store(uint64(it.chunk))
			return true
		}
	}
}

// set makes the chunk one that stands at a desk.
func (it *Items) set(d *desk, c chunk) {
	it.desk, it.chunk = d, c
	it.Lo, it.Hi = c.items()
}

// chunksToSettle is how many chunks worker 0 computes before it settles with the
// other teams again: often enough for them to hear of it in long phases.
const chunksToSettle = 4

// settle notes when the phase began for w, and lets worker 0 settle with the
// other teams.
func (it *Items) settle() {
	if it.chunks > 0 && it.w.ID > 0 {
		return
	}
	now := time.Now()
	if it.chunks == 0 {
		it.begun = now
	}
	if w := it.w; w.ID == 0 && w.pool.member != nil {
		w.pool.settle(now)
		w.move()
	}
}

// steal moves half of what another worker has left to w's own desk. To look at a
// desk takes as long as a line comes from another core, so that it fetches what
// lies ahead meanwhile.
func (it *Items) steal() bool {
	w := it.w
	all := w.pool.workers
	for i := 1; i < len(all) && !it.ended(); i++ {
		w.fetch()
		victim := all[(w.ID+i)%len(all)]
		for {
			s, lo, hi := it.unclaimed(victim)
			if lo >= hi {
				break
			}
			mid := lo + (hi-lo)/2
			if victim.desk.span.CompareAndSwap(uint64(s), uint64(newSpan(it.phase, lo, mid))) {
				// Nobody changes an empty span but its worker.
				w.desk.span.Store(uint64(newSpan(it.phase, mid, hi)))
				return true
			}
		}
	}
	return false
}

// hedge makes the chunk one that another worker has been computing for long.
func (it *Items) hedge() bool {
	w := it.w
	all := w.pool.workers
	for i := 1; i < len(all); i++ {
		d := &all[(w.ID+i)%len(all)].desk
		if c := chunk(d.chunk.Load()); c.phase() == it.phase && c&states == computing {
			it.set(d, c)
			return true
		}
	}
	return false
}

// A worker waits for another's chunk as long as two of its own took, and this
// on top. To compute a chunk in vain costs power and some of what the cores
// share, but no time of the worker's own: there is nothing else to do.
const hedgeAfter = 20 * time.Microsecond

// look reports whether the phase is over, now or in the next moment, in which
// the worker fetches what lies ahead.
func (it *Items) look() bool {
	for range it.w.pool.looks() {
		if it.ended() {
			return true
		}
		if !it.w.fetch() {
			pause()
		}
	}
	return false
}

// unhurried is how often it looks before it looks at the clock at all.
const unhurried = 2

// wait waits until the phase is over, or there may be items to steal, or there
// is a chunk to hedge: then it returns true.
func (it *Items) wait() bool {
	p := it.w.pool
	for range unhurried {
		if it.look() {
			return false
		}
	}
	start := time.Now()
	limit := hedgeAfter
	if it.chunks > 0 {
		limit += 2 * start.Sub(it.begun) / time.Duration(it.chunks)
	}
	for {
		if p.crowded {
			yield()
		}
		if it.look() {
			return false
		}
		switch waited := time.Since(start); {
		case waited > limit+patience:
			p.park(it.ended)
			return false
		case waited > limit:
			for _, w := range p.workers {
				it.count(&w.desk)
			}
			if it.ended() || it.steal() {
				return false
			}
			if hedging && it.hedge() {
				return true
			}
		}
	}
}
