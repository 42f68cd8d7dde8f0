package cuda

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
)

// The GPU knows a greedy token before the host does. So where a text goes on with such tokens one
// by one, the launches of the next follow those of this one at once: while they run the host
// learns of this one, and asks for the next. The GPU waits neither for the host nor for launches.

// ahead is the pass that comes next if the text goes on. If it has been started and another comes,
// it is forgotten: that one's launches follow it, and it reads nothing that the host writes.
type ahead struct {
	row     cacheRow
	kv      quant.Type
	token   int32 // what the pass before has found
	started bool
	slot    int    // of the pinned memory, where its own token comes
	number  uint32 // that comes with it
}

// looksAhead reports whether batch b is one token that a greedy one is wanted of, which a
// launch can follow whose token is that one.
func (p *pass) looksAhead(b *plan.Batch) bool {
	return p.rows == 1 && len(b.Outputs) == 1 && b.Best != nil && p.inLaunches() && p.Embedding != nil && p.Head != nil && p.streams(1)
}

// greedy computes the token of such a batch. Its pass may have been started before. The next one
// is if this one goes on with a text, and if the batch says that it will go on.
func (p *pass) greedy(b *plan.Batch) {
	p.records(b) // nothing: its launches start at once
	span := &b.Spans[0]
	row := rowOf(span, 0)
	this := p.ahead
	goesOn := this.row == row && this.kv == p.kv && this.token == b.Tokens[0]
	if !goesOn || !this.started {
		p.begin(b)
		p.embed()
		this.number = p.finds(row, this.slot)
	}
	row.pos++
	next := ahead{row: row, kv: p.kv, started: goesOn && b.Next && int(row.pos) < span.KV.(*KV).ctx, slot: 1 - this.slot}
	if next.started {
		next.number = p.finds(row, next.slot)
	}
	p.ahead = ahead{}
	if token := p.awaitToken(this.slot, this.number); p.err == nil {
		b.Best[0] = token
		p.ahead, p.ahead.token = next, token
	}
}

// foundBytes is what the token of a pass takes of pinned memory: it stands in a word of 64 bits, in whose upper
// half is the pass's number. Nobody waits for an event behind it, as the launches of the next token would.
const foundBytes = 8

func (s *Stage) found(slot int) *uint64 {
	return (*uint64)(unsafe.Pointer(&s.pinned.bytes[foundBytes*slot]))
}

// awaitToken returns the token of the pass of that number.
func (p *pass) awaitToken(slot int, number uint32) int32 {
	const patience = 100 * time.Millisecond // then all launches are waited for, which says whether one has failed
	for start := time.Now(); p.err == nil; {
		if word := atomic.LoadUint64(p.found(slot)); uint32(word>>32) == number {
			return int32(word)
		}
		if time.Since(start) < patience {
			continue
		}
		p.err = p.dev.ctx.Sync()
		if uint32(atomic.LoadUint64(p.found(slot))>>32) != number && p.err == nil {
			p.err = errors.New("cuda: a token was not written where it should be")
		}
	}
	return 0
}

// finds starts what makes a token of the embedding of the one before, and looks up its own. It returns the
// pass's number, which no other pass has whose token is still to come.
func (p *pass) finds(row cacheRow, slot int) (number uint32) {
	p.tokenBlocks(0, row)
	number = p.token.count
	atomic.StoreUint64(p.found(slot), uint64(^number)<<32)
	tops := p.streamTops(0)
	call(p, p.ofBatch("next_", p.embedding.typ), 1, vectorThreads, nextArgs{
		values: tops.values, places: tops.places, parts: tops.parts,
		out: p.pinned.at + driver.Ptr(foundBytes*slot), w: p.embedding.w, hidden: p.hidden, number: number,
	})
	return number
}
