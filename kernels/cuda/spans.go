package cuda

import (
	"math"

	"qgo/kernels/plan"
	"qgo/quant"
)

// Attention of a token over spans of positions, which blocks share, is computed in one of two ways: see src/span.h and,
// by units for products of matrices, src/heads.h. They differ in bits, so it depends on a token's position alone
// which one it is. The units take more than they save where a block has few positions: one sequence was as fast
// either way at a depth of about 1000, where 32 have gained a third (docs/cuda.md).
const (
	spanLen    = 256 // so many positions take hardly longer than one: the warps of a block read them ahead
	unitsAbove = 1024
)

// What src/heads.h is written for.
const (
	unitChunk = 16 // positions at a time of a team of warps
	mostTeams = 8
	mostGroup = 8 // heads of a block
)

// unitTeams is how many teams of warps compute heads of so many values.
func unitTeams(headDim int) int { return min(mostTeams, tokenWarps*64/headDim) }

// unitRow is the bytes of what a team makes of a head.
func unitRow(headDim int) int { return 4 * (headDim + 4) }

// unitSpan is the length of a span by units: two rounds of the teams that a block has.
func unitSpan(headDim int) int { return 2 * unitChunk * unitTeams(headDim) }

// attention is a way to compute it.
type attention struct {
	units       bool
	span, most  int // positions of a span, as long as there are no more spans than that
	above, upTo int // tokens that see more positions than the one and no more than the other are computed in this way
}

// attentionAt is how a token is computed that sees so many positions.
func (p *pass) attentionAt(depth int) attention {
	t := &p.token
	a := attention{false, t.span, p.dev.mostSpans(p.Heads), 0, math.MaxInt32}
	switch {
	case capability(p.dev.info) < tensorCapability || p.kv != quant.F16:
	case depth <= t.unitsAbove:
		a.upTo = t.unitsAbove
	default:
		a = attention{true, t.unitSpan, p.dev.mostUnitSpans(p.Dims), t.unitsAbove, math.MaxInt32}
	}
	return a
}

// splits is how many spans there are of so many positions, at the most.
func (a attention) splits(depth int) int {
	return min(max(1, ceil(min(depth, a.upTo), a.span)), a.most)
}

// spans returns how many spans there are, and how long they are.
func (a attention) spans(depth int) (splits, span int) {
	span = ceil(depth, a.splits(depth))
	return ceil(depth, span), span // none without positions
}

// mostSpans is how many spans the positions of so many heads, or groups of heads, have at the most: so many that each
// block has one.
func (d *Device) mostSpans(heads int) int { return min(max(1, d.tokenSMs()/heads), maxSplits) }

// mostUnitSpans is that by units.
func (d *Device) mostUnitSpans(p plan.Dims) int {
	return d.mostSpans(p.KVHeads * ceil(p.Group(), mostTogether(p)))
}

// shareHeads returns how many heads of a KV head a block has by units, and how many blocks have all heads: as many as
// there may be.
func (p *pass) shareHeads(most int) (together, shares int) {
	for together = 1; ; together++ {
		shares = p.KVHeads * ceil(p.Group(), together)
		if shares <= most || together == mostTogether(p.Dims) {
			return together, shares
		}
	}
}

// mostTogether is how many heads of a KV head a block computes at the most: what its teams of warps make of them comes
// where x does later, of so many bytes.
func mostTogether(d plan.Dims) int {
	return min(d.Group(), mostGroup, max(1, xBytes(d)/(unitTeams(d.HeadDim)*unitRow(d.HeadDim))))
}

// headsBytes is what attention needs there: for one head at the least, and for the spans of a head that are merged. See
// mergeHeads of src/token.h.
func (d *Device) headsBytes(p plan.Plan) int {
	if capability(d.info) < tensorCapability {
		return 0
	}
	return roundUpTo(max(unitTeams(p.HeadDim)*unitRow(p.HeadDim), 4*d.mostUnitSpans(p.Dims)*p.HeadDim), 16)
}
