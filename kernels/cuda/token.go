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

// The parameters of the kernels, and what they find in the GPU's memory.
type (
	weightsArgs struct {
		w                                            matrixArgs
		bias                                         driver.Ptr
		format, codes, high, scales, supers, sharing int32
	}
	tokenLayer struct {
		attnNorm, ffnNorm driver.Ptr
		qkv               [3]weightsArgs
		o, gateUp, down   weightsArgs
		pieces            int32
		_                 int32
	}
	tokenArgs struct {
		layers, hidden, qkv, attn, ffn                     driver.Ptr
		parts, tops, sums, rope, row, arrived              driver.Ptr
		before                                             uint32
		count, width, ffnWidth, heads, group, splits, span int32
		eps, scale                                         float32
	}
)

// What the kernels are written for.
const (
	tokenThreads    = 512
	tokenChunkBytes = (chunkLen + 1) * groupLen * 4 // of a block's memory for a chunk of x
	tokenMemory     = 48 << 10                      // that a block has for them
	tokenWidest     = 8192
	tokenBarriers   = 5 // after each transformer block but one after the last
)

// tokenCapability is that from which on GPUs give a block so much memory, and order what
// blocks write as the kernels need it.
const tokenCapability = 70

// token is what these kernels need.
type token struct {
	layers  driver.Ptr // 0 if the stage computes tokens by launches
	arrived driver.Ptr
	before  uint32 // blocks at barriers so far
	span    int    // positions of attention that a multiprocessor takes at the least
}

// tokenBytes is the memory of a block for activations.
func tokenBytes(p plan.Plan) int {
	return ceil(max(p.Width, p.QDim(), p.FFN)/groupLen, chunkLen) * tokenChunkBytes
}

// hasToken reports whether a plan's tokens can be computed in one launch.
func (d *Device) hasToken(p plan.Plan) bool {
	if capability(d.info) < tokenCapability || len(p.Blocks) == 0 || tokenBytes(p) > tokenMemory || p.Width > tokenWidest {
		return false
	}
	return !slices.ContainsFunc(p.Blocks, func(b plan.Block) bool {
		return b.QNorm != nil || b.KNorm != nil || b.Gate.W.Type != b.Up.W.Type ||
			slices.ContainsFunc(b.Linears(), func(l *plan.Linear) bool { return l.W.Rows%2 != 0 }) ||
			slices.ContainsFunc([]plan.Linear{b.O, b.Gate, b.Up, b.Down}, func(l plan.Linear) bool { return l.Bias != nil })
	})
}

// tokenSize is the memory that they take in all.
func tokenSize(p plan.Plan) int64 {
	return aligned(int64(len(p.Blocks))*int64(unsafe.Sizeof(tokenLayer{}))) + align
}

// loadToken describes the layers to the kernels, once they are on the GPU.
func (s *Stage) loadToken() error {
	if !s.dev.hasToken(s.Plan) {
		return nil
	}
	all := make([]tokenLayer, len(s.layers))
	s.token.span = 256 // so many take hardly longer than one
	for i := range s.layers {
		l := &s.layers[i]
		t := &all[i]
		*t = tokenLayer{
			attnNorm: l.attnNorm, ffnNorm: l.ffnNorm, pieces: int32(len(l.qkv)),
			o: s.weightsOf(&l.o), gateUp: s.weightsOf(&l.gateUp[0]), down: s.weightsOf(&l.down),
		}
		for j := range l.qkv {
			t.qkv[j] = s.weightsOf(&l.qkv[j])
		}
	}
	var err error
	if s.token.arrived, err = upload(&s.memory, []uint32{0}); err != nil {
		return err
	}
	s.token.layers, err = upload(&s.memory, all)
	return err
}

// formats are the types in the order in which src/formats.h has them.
var formats = func() (all []quant.Type) {
	for _, t := range quant.Types() {
		if t.HasKernels() {
			all = append(all, t)
		}
	}
	return all
}()

// sharing is the power of two of the warps that share the columns of two rows: as many as
// keep all warps busy, if there are parts for them.
func (d *Device) sharing(l *linear) (n int32) {
	const warps, most = tokenThreads / warpLen, 4
	pairs, chunks := int(l.w.rows)/2, ceil(int(l.w.cols)/groupLen, chunkLen)
	for n < most && 2<<n <= chunks && pairs*(2<<n) <= d.info.SMs*warps {
		n++
	}
	return n
}

func (s *Stage) weightsOf(l *linear) weightsArgs {
	f, groups := formatOf(l.typ), int(l.w.cols)/groupLen
	return weightsArgs{
		w: l.w, bias: l.bias, format: int32(slices.Index(formats, l.typ)),
		codes: int32(groups * groupLen * f.low / 8), high: int32(groups * groupLen * f.high / 8),
		scales: int32(groups * f.scales), supers: int32(groups / superLen * f.supers), sharing: s.dev.sharing(l),
	}
}

func (p *pass) tokenKernel() string { return p.ofCache("token", tokenCapability, tokenMemory) }

// inOneLaunch reports whether a batch is computed so.
func (p *pass) inOneLaunch() bool {
	return p.rows == 1 && p.token.layers != 0 && !p.many && !p.profile.on
}

// tokenBlocks runs all transformer blocks for a batch of one row. All blocks of its grid are
// there at a time, or they would wait for ever: there is one for each multiprocessor, and
// a launch of which a multiprocessor cannot hold one fails.
func (p *pass) tokenBlocks() {
	grid := p.dev.info.SMs
	splits := min(max(1, ceil(p.depth, p.token.span)), max(1, grid/p.Heads), maxSplits)
	span := ceil(p.depth, splits)
	splits = ceil(p.depth, span) // none without positions
	args := tokenArgs{
		layers: p.token.layers, hidden: p.hidden, qkv: p.qkv, attn: p.attn, ffn: p.gateUp,
		parts: p.parts, tops: p.tops, sums: p.sums, rope: p.rope, row: p.spans, arrived: p.token.arrived, before: p.token.before,
		count: int32(len(p.layers)), width: int32(p.Width), ffnWidth: int32(p.FFN), heads: int32(p.Heads), group: int32(p.Group()),
		splits: int32(splits), span: int32(span),
		eps: p.Eps, scale: float32(1 / math.Sqrt(float64(p.HeadDim))),
	}
	call(p, p.tokenKernel(), grid, tokenThreads, args)
	if p.err == nil {
		p.token.before += uint32(grid * (tokenBarriers*len(p.layers) - 1))
	}
}
