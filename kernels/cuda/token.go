package cuda

import (
	"math"
	"slices"
	"unsafe"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/quant"
)

// Decode of one token in one launch, but for the embedding and the head: see src/token.h.

// The parameters of the kernels.
type tokenArgs struct {
	layers, hidden                                  driver.Ptr
	before, between, qkv, attn, ffn, parts, softmax driver.Ptr
	rope, skips                                     driver.Ptr
	row                                             cacheRow
	layer                                           uint32
	rest, sums, own                                 int32
	count, width, ffnWidth, heads, kvHeads, group   int32
	splits, span, together, shares                  int32
	eps, scale, inverseWidth                        float32
	partsOfX                                        int32
}

// What the kernels are written for.
const (
	tokenThreads = 512
	tokenWarps   = tokenThreads/warpLen - 1 // that compute
	tokenStatic  = 16 << 10                 // bytes of a block's memory that the kernels have of their own
	tokenWidth   = 8192                     // numbers of a hidden state, at most: see kMostSquares
)

// The capability from which on GPUs have what the kernels need. Those from tensorCapability
// on also copy to shared memory while they compute; those before have weights fetched into
// the second-level cache ahead, not into shared memory.
const tokenCapability = 70

// earlyCapability is that from which on launches begin early: see driver.ForHopper.
const earlyCapability = 90

// tokenSMs is how many multiprocessors compute a token: all, or, where launches begin early, all but the one on which the
// launch in front, of one block, is until the token is known. There a block would begin only then, and all others
// would wait for it, 6 µs on an H200. Where multiprocessors are few, one of them does more than that is worth.
func (d *Device) tokenSMs() int {
	const many = 64
	if capability(d.info) >= earlyCapability && d.info.SMs >= many {
		return d.info.SMs - 1
	}
	return d.info.SMs
}

// token is what these kernels need.
type token struct {
	layers               driver.Ptr // 0 if the stage computes tokens by launches
	all                  []tokenLayer
	bytes                int // of the codes of one
	words                tokenWords
	memory               blockMemory
	count                uint32     // layers so far
	skips                driver.Ptr // where launches that wait for a token learn that none comes
	patience             int32      // of those
	span                 int        // positions of attention that a multiprocessor takes at the least
	unitSpan, unitsAbove int        // see spans.go
}

// layerExchanges is how many vectors the blocks of a token's launch hand to each other in a layer at the least: two
// hidden states, queries with keys and values, what attention makes of them, and what SwiGLU does. Attention over
// several spans takes one more.
const layerExchanges = 5

// tokenWords are the vectors that blocks hand to each other: see src/exchange.h.
type tokenWords struct{ before, between, qkv, attn, ffn, parts, softmax driver.Ptr }

// each calls f for all of them, with the number of their words of 32 bits.
func (w *tokenWords) each(d *Device, p plan.Plan, f func(at *driver.Ptr, words int)) {
	items := p.Heads * max(d.mostSpans(p.Heads), d.mostSpans(p.KVHeads))
	for _, v := range []struct {
		at *driver.Ptr
		n  int
	}{
		{&w.before, p.Width}, {&w.between, p.Width}, {&w.qkv, p.QDim() + 2*p.KVDim()}, {&w.attn, p.QDim()}, {&w.ffn, p.FFN},
		{&w.parts, 2 * items * p.HeadDim}, {&w.softmax, 2 * items * 2},
	} {
		f(v.at, v.n)
	}
}

// hasToken reports whether a plan's tokens can be computed in one launch.
func (d *Device) hasToken(p plan.Plan) bool {
	if capability(d.info) < tokenCapability || len(p.Blocks) == 0 || p.FFN%2 != 0 || p.Width > tokenWidth {
		return false
	}
	if slices.ContainsFunc(p.Blocks, func(b plan.Block) bool {
		return b.QNorm != nil || b.KNorm != nil || b.Gate.W.Type != b.Up.W.Type ||
			slices.ContainsFunc(b.Linears(), func(l *plan.Linear) bool { return l.W.Rows%2 != 0 }) ||
			slices.ContainsFunc([]plan.Linear{b.O, b.Gate, b.Up, b.Down}, func(l plan.Linear) bool { return l.Bias != nil })
	}) {
		return false
	}
	return d.blockMemoryOf(p).weights <= d.info.BlockMemory-tokenStatic
}

// tokenSize is the memory of the GPU that they take in all.
func (d *Device) tokenSize(p plan.Plan) int64 {
	n := aligned(int64(len(p.Blocks))*int64(unsafe.Sizeof(tokenLayer{}))) + aligned(4)
	new(tokenWords).each(d, p, func(_ *driver.Ptr, words int) { n += aligned(4 * int64(words)) })
	return n
}

// loadToken describes the layers to the kernels, once they are on the GPU.
func (s *Stage) loadToken() error {
	if !s.dev.hasToken(s.Plan) {
		return nil
	}
	s.token.span, s.token.unitSpan, s.token.unitsAbove = spanLen, unitSpan(s.HeadDim), unitsAbove
	s.token.patience = patience
	s.token.memory = s.dev.blockMemoryOf(s.Plan)
	all := make([]tokenLayer, len(s.layers))
	for i := range s.layers {
		all[i] = s.tokenLayer(i)
	}
	s.dev.station(all, &s.token.memory)
	var err error
	if s.token.skips, err = upload(&s.memory, make([]uint32, 1)); err != nil {
		return err
	}
	s.token.words.each(s.dev, s.Plan, func(at *driver.Ptr, n int) {
		if err == nil { // none is of the first layer, which has number 1
			*at, err = upload(&s.memory, make([]uint32, n))
		}
	})
	if err == nil {
		s.token.all = all
		s.token.bytes = all[0].codes()
		s.token.layers, err = upload(&s.memory, all)
	}
	return err
}

func (p *pass) tokenKernel(way attention) string {
	if capability(p.dev.info) < tensorCapability {
		return p.ofCache("plainToken", tokenCapability, p.token.memory.size)
	}
	kernel := p.ofCache("token", tensorCapability, p.token.memory.size)
	if p.kv == quant.F16 && p.options.MaxCtx > p.token.unitsAbove { // loaded at the first token, not in the middle of a text
		if units := p.ofCache("headToken", tensorCapability, p.token.memory.size); way.units {
			return units
		}
	}
	return kernel
}

// inLaunches reports whether a batch is computed so, each row in a launch of its own: two rows
// of a small model, too, if their bits are those of more.
func (p *pass) inLaunches() bool {
	if p.token.layers == 0 || p.many || p.profile.on {
		return false
	}
	return p.rows == 1 || p.rows == 2 && p.slots != 0 && p.token.bytes <= smallLayer
}

// smallLayer is up to how many bytes of weights a layer takes longer for two rows at a time, in
// launches of its products, than for one after the other. On an H100 the layers of 0.5B, of 8 MB,
// take 1.39 ms together instead of 0.5 each; those of 1.5B, of 26 MB, as long either way, which is
// an estimate.
const smallLayer = 26 << 20

// tokenBlocks runs all transformer blocks for one row, whose hidden state is number i. All
// blocks of its grid are there at a time, or they would wait for ever: there are no more of them than
// multiprocessors, and a launch of which a multiprocessor cannot hold one fails. If skips is not 0, it
// is where the launch learns whether it is to do anything.
func (p *pass) tokenBlocks(i int, row cacheRow, skips driver.Ptr) {
	way := p.attentionAt(int(row.pos) + 1)
	splits, span := way.spans(int(row.pos) + 1)
	var together, shares int
	if way.units {
		together, shares = p.shareHeads(p.dev.tokenSMs() / splits)
	}
	t := &p.token
	args := tokenArgs{
		layers: t.layers, hidden: p.hidden + driver.Ptr(4*i*p.Width),
		before: t.words.before, between: t.words.between, qkv: t.words.qkv, attn: t.words.attn, ffn: t.words.ffn, parts: t.words.parts, softmax: t.words.softmax,
		rope: p.rope, skips: skips, row: row, layer: t.count + 1,
		rest: t.memory.rest, sums: int32(t.memory.sums), own: int32(t.memory.own),
		count: int32(len(p.layers)), width: int32(p.Width), ffnWidth: int32(p.FFN), heads: int32(p.Heads), kvHeads: int32(p.KVHeads), group: int32(p.Group()),
		splits: int32(splits), span: int32(span), together: int32(together), shares: int32(shares),
		eps: p.Eps, scale: float32(1 / math.Sqrt(float64(p.HeadDim))), inverseWidth: 1 / float32(p.Width),
		partsOfX: 1,
	}
	if p.options.Exact {
		args.partsOfX = 2
	}
	call(p, p.tokenKernel(way), p.dev.tokenSMs(), tokenThreads, args)
	if p.err == nil {
		t.count += uint32(len(p.layers))
		p.dev.exchanges.Add(layerExchanges * int64(len(p.layers)))
	}
}
