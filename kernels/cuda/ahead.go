package cuda

import (
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
	slot    int // of the pinned memory, where its own token comes, and the event behind it
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
		p.finds(row, this.slot)
	}
	row.pos++
	next := ahead{row: row, kv: p.kv, started: goesOn && b.Next && int(row.pos) < span.KV.(*KV).ctx, slot: 1 - this.slot}
	if next.started {
		p.finds(row, next.slot)
	}
	if p.err == nil {
		p.err = p.dev.ctx.Wait(this.slot)
	}
	if p.ahead = (ahead{}); p.err == nil {
		b.Best[0] = *(*int32)(unsafe.Pointer(&p.pinned.bytes[4*this.slot]))
		p.ahead, p.ahead.token = next, b.Best[0]
	}
}

// found is where kernels write the token of a pass.
func (s *Stage) found(slot int) driver.Ptr { return s.pinned.at + driver.Ptr(4*slot) }

// finds starts what makes a token of the embedding of the one before, and looks up its own.
func (p *pass) finds(row cacheRow, slot int) {
	p.tokenBlocks(0, row)
	tops := p.streamTops(0)
	call(p, p.ofBatch("next_", p.embedding.typ), 1, vectorThreads, nextArgs{
		values: tops.values, places: tops.places, parts: tops.parts,
		out: p.found(slot), w: p.embedding.w, hidden: p.hidden,
	})
	if p.err == nil {
		p.err = p.dev.ctx.Record(slot)
	}
}
