package cuda

import (
	"sync/atomic"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// Where the host chooses each token among the largest logits, the launches of the next one start before it has
// chosen: the first of them looks for the token in the host's memory. It waits for a while only, since the GPU's
// other users, such as a screen, may have to wait as well: if no token comes, the others skip what they would do,
// and the pass starts anew with the token.

type givenArgs struct {
	given, skips driver.Ptr
	w            matrixArgs
	hidden       driver.Ptr
	number       uint32
	patience     int32
}

const (
	notWanted = -1
	// patience is how often launches look for a token. A look takes about a microsecond by PCI Express, by
	// estimate.
	patience = 500

	// In place of logits: of those that have not arrived, and of a pass that was skipped.
	notYet  = ^uint64(0)
	skipped = notYet - 1
)

// given computes the largest logits of a batch of one token. Its pass may wait for the token. The next one is
// started if this one goes on with a text, and if the batch says that it will go on.
func (p *pass) given(b *plan.Batch) {
	p.records(b) // nothing: its launches start at once
	row := rowOf(&b.Spans[0], 0)
	this := p.ahead
	goesOn := this.given && this.row == row && this.kv == p.kv
	waits := goesOn && this.started && !p.skipped(this.slot)
	if waits {
		p.give(this.slot, this.number, b.Tokens[0])
		p.ahead = ahead{}
	} else {
		p.err = p.forget()
		p.largest(b, row, this.slot)
	}
	next := p.follows(b, row, goesOn && (waits || !this.started))
	if next.given, next.slot = true, 1-this.slot; next.started {
		next.number = p.awaits(next.row, next.slot)
	}
	p.ahead = next
	came := p.takeTops(b, this.slot)
	if waits && !came && p.err == nil { // the token came too late
		p.err = p.forget()
		p.unused()
		p.largest(b, row, this.slot)
		p.takeTops(b, this.slot)
		p.ahead = next
		p.ahead.started = false
	}
	if p.err != nil {
		p.ahead = ahead{}
	}
}

// largest starts what finds the largest logits of a batch of one token.
func (p *pass) largest(b *plan.Batch, row cacheRow, slot int) {
	p.begin(b)
	p.embed()
	p.findsTops(row, slot, 0)
}

// awaits starts what does so for the token that the host will give. It returns the number by which it does.
func (p *pass) awaits(row cacheRow, slot int) (number uint32) {
	number = p.token.count + 1 // that of the first layer
	p.give(slot, ^number, 0)
	call(p, p.ofBatch("given_", p.embedding.typ), 1, vectorThreads, givenArgs{
		given: p.pinned.at + driver.Ptr(givenAt+wordBytes*slot), skips: p.token.skips, w: p.embedding.w, hidden: p.hidden,
		number: number, patience: p.token.patience,
	})
	p.findsTops(row, slot, p.token.skips)
	return number
}

// findsTops starts what finds the largest logits of the token whose embedding has been looked up.
func (p *pass) findsTops(row cacheRow, slot int, skips driver.Ptr) {
	for i := range plan.TopLen {
		atomic.StoreUint64(p.topWord(slot, i), notYet)
	}
	p.tokenBlocks(0, row, skips)
	p.multiplyHead(0, headArgs{y: p.logits, skips: skips})
	p.starts(plan.OpOther)
	p.topTo(p.pinned.at+driver.Ptr(topsAt+slot*topsBytes), 1, skips)
}

// give gives a token to the pass that waits with that number.
func (s *Stage) give(slot int, number uint32, token int32) {
	atomic.StoreUint64(s.word(givenAt+wordBytes*slot), uint64(number)<<32|uint64(uint32(token)))
}

// unused takes back the numbers of the latest layers, which have not been computed.
func (s *Stage) unused() { s.token.count -= uint32(len(s.layers)) }

func (s *Stage) topWord(slot, i int) *uint64 { return s.word(topsAt + slot*topsBytes + i*keyBytes) }

// skipped reports whether a pass has been skipped as yet.
func (s *Stage) skipped(slot int) bool { return atomic.LoadUint64(s.topWord(slot, 0)) == skipped }

// awaitTops waits for the largest logits of a pass. It reports whether there are any: that it was not skipped.
func (s *Stage) awaitTops(slot int) (came bool, err error) {
	i := 0
	err = s.await(func() bool {
		for i < plan.TopLen && atomic.LoadUint64(s.topWord(slot, i)) != notYet {
			i++
		}
		return i == plan.TopLen
	})
	return err == nil && !s.skipped(slot), err
}

// takeTops does so, and hands them over.
func (p *pass) takeTops(b *plan.Batch, slot int) (came bool) {
	if p.err != nil {
		return false
	}
	if came, p.err = p.awaitTops(slot); came {
		copy(bytesOf(b.Top), p.pinned.bytes[topsAt+slot*topsBytes:][:topsBytes])
	}
	return came
}
