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

// The launches of a text's next token may start before this one has been asked for: so the GPU waits neither
// for the host nor for launches. A greedy token the GPU itself finds and goes on with, while the host learns of
// it. One that the host chooses comes to launches that wait for it: see given.go.

// ahead is the pass that comes next if the text goes on.
type ahead struct {
	row     cacheRow
	kv      quant.Type
	given   bool       // the host chooses its token
	y       driver.Ptr // then, where its logits come, or 0: it finds the largest
	token   int32      // else, what the pass before has found
	started bool
	slot    int    // of the pinned memory, where what it finds comes
	number  uint32 // that comes with its token
}

// looksAhead reports whether batch b is one token whose pass the next one's can follow at once.
func (p *pass) looksAhead(b *plan.Batch) bool {
	return p.rows == 1 && len(b.Outputs) == 1 && (b.Best != nil || b.Top != nil || p.reach(b.Logits) != 0) && p.inLaunches() && p.Embedding != nil && p.Head != nil && p.streams(1)
}

// forget ends what has been started of the next pass, if another comes. A greedy one's launches go on, as those
// of the other follow them, and it reads nothing that the host writes.
func (s *Stage) forget() error {
	a := s.ahead
	s.ahead = ahead{}
	if !a.given || !a.started {
		return nil
	}
	s.give(a.slot, a.number, notWanted)
	err := s.await(func() bool { return s.skipped(&a) })
	s.unused()
	return err
}

// follows returns the pass that comes after one at that row, started if it may be: if there is room, and the
// batch says that the text goes on.
func (p *pass) follows(b *plan.Batch, row cacheRow, started bool) ahead {
	row.pos++
	return ahead{row: row, kv: p.kv, started: started && b.Next && int(row.pos) < b.Spans[0].KV.(*KV).ctx}
}

// greedy computes the token of such a batch. Its pass may have been started before. The next one
// is if this one goes on with a text, and if the batch says that it will go on.
func (p *pass) greedy(b *plan.Batch) {
	p.records(b) // nothing: its launches start at once
	row := rowOf(&b.Spans[0], 0)
	this := p.ahead
	goesOn := !this.given && this.row == row && this.kv == p.kv && this.token == b.Tokens[0]
	if !goesOn || !this.started {
		p.err = p.forget()
		p.begin(b)
		p.embed()
		this.number = p.finds(row, this.slot)
	}
	next := p.follows(b, row, goesOn)
	if next.slot = 1 - this.slot; next.started {
		next.number = p.finds(next.row, next.slot)
	}
	p.ahead = ahead{}
	if token := p.awaitToken(this.slot, this.number); p.err == nil {
		b.Best[0] = token
		p.ahead, p.ahead.token = next, token
	}
}

// The pinned memory of passes ahead has two slots for tokens that are found, two for those that are given, for what
// launches that wait have taken, and for the ends of those in front of them, and two for the largest logits.
//
// A token that is found stands in a word of 64 bits, in whose upper half is the pass's number. Nobody waits for an
// event behind it, as the launches of the next token would.
const (
	wordBytes  = 8
	foundAt    = 0
	givenAt    = 2 * wordBytes
	takenAt    = 4 * wordBytes
	endedAt    = 6 * wordBytes
	topsAt     = 8 * wordBytes
	topsBytes  = plan.TopLen * wordBytes
	aheadBytes = topsAt + 2*topsBytes
)

// word is number i of those of the pinned memory that begin at that byte, and wordAt where kernels reach it.
func (s *Stage) word(at, i int) *uint64 {
	return (*uint64)(unsafe.Pointer(&s.pinned.bytes[at+wordBytes*i]))
}
func (s *Stage) wordAt(at, i int) driver.Ptr { return s.pinned.at + driver.Ptr(at+wordBytes*i) }

// wordOf is what host and GPU write of a pass: its number, above a token or notWanted.
func wordOf(number uint32, token int32) uint64 { return uint64(number)<<32 | uint64(uint32(token)) }

// reset writes to a word what is not of the pass of that number.
func (s *Stage) reset(at, slot int, number uint32) {
	atomic.StoreUint64(s.word(at, slot), wordOf(^number, 0))
}

// await waits until what launches write to pinned memory has arrived.
func (s *Stage) await(arrived func() bool) error {
	const patience = time.Second // then all launches are waited for, which says whether one has failed
	for start := time.Now(); !arrived(); {
		if time.Since(start) < patience {
			continue
		}
		if err := s.dev.ctx.Sync(); err != nil {
			return err
		}
		if !arrived() {
			return errors.New("cuda: what a launch finds was not written where it should be")
		}
	}
	return nil
}

// awaitToken returns the token of the pass of that number.
func (p *pass) awaitToken(slot int, number uint32) (token int32) {
	if p.err != nil {
		return 0
	}
	p.err = p.await(func() bool {
		word := atomic.LoadUint64(p.word(foundAt, slot))
		token = int32(word)
		return uint32(word>>32) == number
	})
	return token
}

// finds starts what makes a token of the embedding of the one before, and looks up its own. It returns the
// pass's number, which no other pass has whose token is still to come.
func (p *pass) finds(row cacheRow, slot int) (number uint32) {
	p.tokenBlocks(0, row, 0)
	number = p.token.count
	p.reset(foundAt, slot, number)
	tops := p.streamTops(0)
	call(p, p.ofBatch("next_", p.embedding.typ), 1, vectorThreads, nextArgs{
		values: tops.values, places: tops.places, parts: tops.parts,
		out: p.wordAt(foundAt, slot), w: p.embedding.w, hidden: p.hidden, number: number,
	})
	return number
}
