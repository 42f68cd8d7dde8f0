package cuda

import (
	"sync/atomic"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// Where the host chooses each token by its logits, or the largest of them, the launches of the next one start before it has
// chosen: the first of them looks for the token in the host's memory. It waits for a while only, since the GPU's
// other users, such as a screen, may have to wait as well: if no token comes, the others skip what they would do,
// and the pass starts anew with the token.

type givenArgs struct {
	given, taken, ended, skips driver.Ptr
	w                          matrixArgs
	hidden                     driver.Ptr
	number, before             uint32
	patience, _                int32
}

const (
	notWanted = -1
	// patience is how often launches look for a token. A look takes about a microsecond by PCI Express, by
	// estimate.
	patience = 500

	notYet = ^uint64(0) // in place of one of the largest logits
)

// given computes the logits of a batch of one token, or the largest of them. Its pass may wait for the token. The
// next one is started if this one goes on with a text, and if the batch says that it will go on.
func (p *pass) given(b *plan.Batch) {
	p.records(b) // nothing: its launches start at once
	row := rowOf(&b.Spans[0], 0)
	this, y := p.ahead, driver.Ptr(0)
	if b.Top == nil {
		y = p.reach(b.Logits)
	}
	goesOn := this.given && this.row == row && this.kv == p.kv && this.y == y
	follows := goesOn && !this.started
	this.y, this.started = y, goesOn && this.started && !p.skipped(&this)
	if this.started {
		p.give(this.slot, this.number, b.Tokens[0])
		p.ahead = ahead{}
	} else {
		p.err = p.forget()
		p.chosen(b, row, &this)
	}
	next := p.follows(b, row, follows || this.started)
	next.given, next.y, next.slot = true, y, 1-this.slot
	if next.started {
		p.waits(&next, &this)
	}
	p.ahead = next
	if !p.take(b, &this) && p.err == nil { // the token came too late
		p.err = p.forget()
		p.unused()
		this.started = false
		p.chosen(b, row, &this)
		p.take(b, &this)
		p.ahead = next
		p.ahead.started = false
	}
	if p.err != nil {
		p.ahead = ahead{}
	}
}

// chosen starts the pass of a batch of one token.
func (p *pass) chosen(b *plan.Batch, row cacheRow, this *ahead) {
	p.begin(b)
	p.embed()
	this.row, this.number = row, p.token.count+1
	p.ofGiven(this, 0)
}

// waits starts the pass of the token that the host will give, by a number which is that of its first layer.
func (p *pass) waits(next, this *ahead) {
	next.number = p.token.count + 1
	p.reset(givenAt, next.slot, next.number)
	p.reset(takenAt, next.slot, next.number)
	args := givenArgs{
		given: p.wordAt(givenAt, next.slot), taken: p.wordAt(takenAt, next.slot), skips: p.token.skips, w: p.embedding.w, hidden: p.hidden,
		number: next.number, before: this.number, patience: p.token.patience,
	}
	if this.y != 0 {
		args.ended = p.wordAt(endedAt, this.slot)
	}
	call(p, p.ofBatch("given_", p.embedding.typ), 1, vectorThreads, args)
	p.ofGiven(next, p.token.skips)
}

// ofGiven starts what makes logits, or finds the largest, of the token whose embedding has been looked up.
func (p *pass) ofGiven(a *ahead, skips driver.Ptr) {
	if a.y != 0 {
		p.reset(endedAt, a.slot, a.number)
		p.headOfGiven(a, a.y, skips)
		return
	}
	at := topsOf(a.slot)
	for i := range plan.TopLen {
		atomic.StoreUint64(p.word(at, i), notYet)
	}
	p.headOfGiven(a, p.logits, skips)
	p.topTo(p.wordAt(at, 0), 1, skips)
}

// headOfGiven starts what makes logits, at y.
func (p *pass) headOfGiven(a *ahead, y, skips driver.Ptr) {
	p.tokenBlocks(0, a.row, skips)
	p.multiplyHead(0, headArgs{y: y, skips: skips})
	p.starts(plan.OpOther)
}

// give gives a token to the pass that waits with that number.
func (s *Stage) give(slot int, number uint32, token int32) {
	atomic.StoreUint64(s.word(givenAt, slot), wordOf(number, token))
}

// unused takes back the numbers of the latest layers, which have not been computed.
func (s *Stage) unused() { s.token.count -= uint32(len(s.layers)) }

// topsOf is where the largest logits of a slot come in the pinned memory: a word each.
func topsOf(slot int) int { return topsAt + slot*topsBytes }

// skipped reports whether a pass that waited for its token has been skipped as yet.
func (s *Stage) skipped(a *ahead) bool {
	return a.started && atomic.LoadUint64(s.word(takenAt, a.slot)) == wordOf(a.number, notWanted)
}

// take waits for what a pass makes, and hands it over. It reports whether there is anything: that it was not skipped.
func (p *pass) take(b *plan.Batch, this *ahead) (came bool) {
	if p.err != nil {
		return false
	}
	i, at := 0, topsOf(this.slot)
	switch {
	case this.y == 0:
		p.err = p.await(func() bool {
			for i < plan.TopLen && atomic.LoadUint64(p.word(at, i)) != notYet {
				i++
			}
			return i == plan.TopLen || p.skipped(this)
		})
	case p.ahead.started:
		p.err = p.await(func() bool {
			return atomic.LoadUint64(p.word(endedAt, this.slot)) == wordOf(this.number, 0) || p.skipped(this)
		})
	default:
		p.sync()
	}
	if came = p.err == nil && !p.skipped(this); came && this.y == 0 {
		copy(bytesOf(b.Top), p.pinned.bytes[at:][:topsBytes])
	}
	return came
}
