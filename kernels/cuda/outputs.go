package cuda

import (
	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// What is computed of the hidden states: logits, or which of them are the largest.

type (
	largestArgs struct {
		logits, values, places driver.Ptr
		n, parts               int32
	}
	argmaxArgs struct {
		values, places, out driver.Ptr
		parts               int32
	}
	topArgs struct {
		logits, keys, out, skips driver.Ptr
		n, parts                 int32
	}
)

// What the kernels of src/top.h are written for.
const (
	topOfThread = 16 // values that a thread looks at
	topBlock    = vectorThreads * topOfThread
	topBlocks   = 512 // that all rows have, at the least
	keyBytes    = 8
	// mostVocab is the number of tokens that they can choose from.
	mostVocab = topBlock / plan.TopLen * topBlock
)

// logitsTo computes n rows of logits, of those rows of the hidden states whose numbers stand
// at rows.
func (p *pass) logitsTo(rows, y driver.Ptr, n int) {
	if p.slots != 0 && !p.many {
		p.batchLogits(rows, y, n)
		return
	}
	p.normalise(p.headNorm, rows, n)
	p.starts(plan.OpHead)
	p.multiply(&p.head, p.norm, p.Width, y, p.Vocab, n, false)
}

// batchLogits computes n rows of logits to y, of those rows of the hidden states.
func (p *pass) batchLogits(rows, y driver.Ptr, n int) {
	if p.streams(n) {
		p.multiplyHead(rows, headArgs{y: y})
		return
	}
	p.starts(plan.OpNorm)
	p.inRows(&p.head, stepsOf(p.Width), n, slotsArgs{x: p.hidden, rows: rows, norm: p.headNorm, width: int32(p.Width), stride: int32(p.Width)})
	p.starts(plan.OpHead)
	p.multiplySlots(&p.head, nil, stepsOf(p.Width), n, p.scales, y)
}

// logitsOf computes the wanted logits, as many rows at a time as there is room for, and
// hands over them, or the most likely tokens.
func (p *pass) logitsOf(b *plan.Batch) {
	for first := 0; first < len(b.Outputs) && p.err == nil; {
		n := min(len(b.Outputs)-first, headRows, p.options.MaxRows)
		rows := p.outputs + driver.Ptr(4*first)
		if b.Best != nil && !p.many && p.streams(n) {
			tops := p.streamTops(rows)
			call(p, "argmax", 1, warpLen, argmaxArgs{tops.values, tops.places, p.pinned.at, tops.parts})
			handOver(p, b.Best[first:][:n])
			first += n
			continue
		}
		out := b.Logits[first*p.Vocab:][:n*p.Vocab]
		reached := p.reach(out)
		direct := n == 1 && b.Best == nil && b.Top == nil && reached != 0
		y := p.logits
		if direct {
			y = reached
		}
		p.logitsTo(rows, y, n)
		p.starts(plan.OpOther)
		switch {
		case b.Best != nil:
			p.best(b.Best[first:][:n])
		case b.Top != nil:
			p.top(b.Top[first*plan.TopLen:][:n*plan.TopLen], n)
		case direct:
			p.sync()
		default:
			p.copyLogits(out)
		}
		first += n
	}
}

// copyLogits copies rows of logits out: one, which a token of decode may have, by way of
// pinned memory.
func (p *pass) copyLogits(to []float32) {
	out := bytesOf(to)
	if len(to) == p.Vocab {
		pinned := p.pinned.bytes[:len(out)]
		if p.copyOut(pinned, p.logits); p.err == nil {
			copy(out, pinned)
		}
		return
	}
	p.copyOut(out, p.logits)
}

// pinnedBytes is the memory that a stage has for what it hands over.
func pinnedBytes(p plan.Plan) int {
	return max(4*p.Vocab, headRows*plan.TopLen*keyBytes, aheadBytes)
}

// best finds the most likely tokens of the first rows of logits.
func (p *pass) best(to []int32) {
	n := len(to)
	parts := min(maxSplits, min(splitRows, p.options.MaxRows)*p.Heads*maxSplits/n) // for which attention has memory
	call(p, "largest", n*parts, vectorThreads, largestArgs{p.logits, p.tops, p.sums, int32(p.Vocab), int32(parts)})
	call(p, "argmax", n, warpLen, argmaxArgs{p.tops, p.sums, p.pinned.at, int32(parts)})
	handOver(p, to)
}

// top finds the largest of each of the first n rows of logits.
func (p *pass) top(to []plan.Logit, n int) {
	p.topTo(p.pinned.at, n, 0)
	handOver(p, to)
}

// topTo starts what finds them and writes them to out. If skips is not 0, it is where the launches learn
// whether they are to do anything.
func (p *pass) topTo(out driver.Ptr, n int, skips driver.Ptr) {
	parts := topParts(p.Vocab, n)
	args := topArgs{p.logits, p.keys, out, skips, int32(p.Vocab), int32(parts)}
	call(p, "topOfPart", n*parts, vectorThreads, args)
	call(p, "topOfRow", n, vectorThreads, args)
}

// topParts returns how many parts rows of so many logits have: so many that a few rows keep the
// GPU busy, and as few as a block can do with many.
func topParts(vocab, rows int) int {
	return max(ceil(vocab, topBlock), min(topBlocks/rows, maxSplits))
}

// keysBytes is the memory for the largest of each part.
func keysBytes(p plan.Plan, o plan.Options) int64 {
	if p.Head == nil {
		return 0
	}
	return int64(max(topBlocks, min(headRows, o.MaxRows)*ceil(p.Vocab, topBlock))) * plan.TopLen * keyBytes
}

// handOver copies what kernels have written to pinned memory.
func handOver[T any](p *pass, to []T) {
	p.sync()
	if p.err == nil {
		copy(bytesOf(to), p.pinned.bytes)
	}
}

func (p *pass) sync() {
	if p.flush(); p.err == nil {
		p.err = p.dev.ctx.Sync()
	}
}
