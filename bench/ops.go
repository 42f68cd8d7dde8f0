package bench

import (
	"cmp"
	"strings"
	"time"

	"qgo/bench/roofline"
	"qgo/kernels/plan"
	"qgo/model"
)

// Op is an operation's part of a phase. Times and amounts are those of a token.
type Op struct {
	Phase string  `json:"phase"` // prefill or decode
	Op    string  `json:"op"`    // one of plan.Op, or AllOps
	NS    float64 `json:"ns"`
	Bytes float64 `json:"bytes"` // read from memory at the least
	FLOP  float64 `json:"flop"`
	// BoundNS is the least time by the limits of the result's measured bound; 0
	// if nothing bounds the operation, or no one device computes it.
	BoundNS float64 `json:"bound_ns"`

	// Of AllOps: how many times as long repetitions took with the profile as
	// those without that they took turns with. The median and the quartiles.
	Ratio     float64 `json:"profiled_ratio,omitempty"`
	RatioLow  float64 `json:"profiled_ratio_low,omitempty"`
	RatioHigh float64 `json:"profiled_ratio_high,omitempty"`
	Pairs     int     `json:"profiled_pairs,omitempty"`
}

// AllOps is the sum of a phase's operations.
const AllOps = "all"

// opPairs are the repetitions of a test with a profile, each after one without.
type opPairs struct {
	m               *model.Model
	split           plan.OpTimes // of the repetition's prefill
	prefill, decode opPhase
}

// opPhase is where the time of a phase went, over all repetitions.
type opPhase struct {
	times  plan.OpTimes
	wall   time.Duration
	tokens int
	ratios Sample
}

// phases are the times of a repetition's two phases.
func (r *Rep) phases() (prefill, decode time.Duration) {
	for _, gap := range r.Gaps {
		decode += time.Duration(gap)
	}
	if r.Prompt > 0 {
		prefill = time.Duration(r.NS) - decode
	}
	return prefill, decode
}

// prefilled ends the prefill of a repetition.
func (r *Runner) prefilled() {
	if r.ops != nil {
		r.ops.split = r.Model.OpTimes()
	}
}

// pair repeats a repetition with the profile.
func (o *opPairs) pair(once func(short bool) (Rep, error), plain *Rep) error {
	o.split = plan.OpTimes{}
	o.m.ProfileOps(true)
	defer o.m.ProfileOps(false)
	rep, err := once(false)
	if err != nil {
		return err
	}
	prefill, decode := rep.phases()
	plainPrefill, plainDecode := plain.phases()
	scenario := rep.TTFT > 0
	o.prefill.add(o.split, prefill, plainPrefill, rep.Prompt, scenario)
	o.decode.add(o.m.OpTimes(), decode, plainDecode, len(rep.Gaps), scenario)
	return nil
}

// add counts a repetition's phase. What the model does not know of, a scenario
// spends on text and on the choice of tokens.
func (p *opPhase) add(times plan.OpTimes, wall, plain time.Duration, tokens int, scenario bool) {
	if tokens == 0 {
		return
	}
	rest := plan.OpOther
	if scenario {
		rest = plan.OpSampling
	}
	times[rest] += max(wall-times.Sum(), 0)
	p.times.Add(times)
	p.wall += wall
	p.tokens += tokens
	p.ratios = append(p.ratios, float64(wall)/float64(max(plain, 1)))
}

// summarise lists the operations of both phases.
func (o *opPairs) summarise(res *Result) []Op {
	costs := opCosts(roofline.Parts(o.m.File, &o.m.Config), *res.Cost)
	prefill := *res
	prefill.Gen = 0 // so that its work is that of the prompt
	return append(o.prefill.list("prefill", &prefill, costs), o.decode.list("decode", res, costs)...)
}

// list states the operations of a phase, whose work is that of the result.
func (p *opPhase) list(phase string, res *Result, costs [plan.Ops]model.Cost) (all []Op) {
	if p.tokens == 0 {
		return nil
	}
	n := float64(p.tokens)
	sum := roofline.Work{Tokens: 1}
	for op := range plan.Ops {
		w := res.work(costs[op])
		if p.times[op] == 0 && w.Bytes == 0 && w.FLOP == 0 {
			continue
		}
		sum.Bytes, sum.FLOP = sum.Bytes+w.Bytes, sum.FLOP+w.FLOP
		all = append(all, Op{Phase: phase, Op: op.String(), NS: float64(p.times[op]) / n, Bytes: w.Bytes, FLOP: w.FLOP, BoundNS: boundNS(w, res.Measured)})
	}
	return append(all, Op{
		Phase: phase, Op: AllOps, NS: float64(p.wall) / n, Bytes: sum.Bytes, FLOP: sum.FLOP, BoundNS: boundNS(sum, res.Measured),
		Ratio: p.ratios.Median(), RatioLow: p.ratios.Quantile(0.25), RatioHigh: p.ratios.Quantile(0.75), Pairs: len(p.ratios),
	})
}

// boundNS is the least time for the work of a token on the device that a bound
// is of.
func boundNS(w roofline.Work, of *roofline.Bound) float64 {
	if of == nil || of.Parts != nil || w.Bytes == 0 && w.FLOP == 0 {
		return 0
	}
	l := roofline.Limits{Bandwidth: of.MemoryRate * of.Bytes, Peak: of.FLOPRate * of.FLOP}
	return 1e9 / w.Bound(l).Rate // 0 if the rate is endless: nothing is read, and no peak known
}

// opCosts divides the work of a token among the operations.
func opCosts(parts []roofline.Part, c model.Cost) (costs [plan.Ops]model.Cost) {
	for i := range parts {
		p := &parts[i]
		op, ok := opOf[strings.TrimSuffix(strings.TrimSuffix(p.Name, ".weight"), ".bias")]
		if !ok {
			continue // nothing is computed with it
		}
		to := &costs[op]
		if op != plan.OpHead {
			to.Weights += p.Read
			to.MACs += p.FLOP / 2
			continue
		}
		if p.Row {
			costs[plan.OpEmbedding].Weights += p.Read
			continue
		}
		to.Weights += p.Bytes
		to.HeadW += p.Bytes
		to.MACs += p.FLOP / 2
		to.Head += p.FLOP / 2
		costs[plan.OpEmbedding].Weights += p.Read - p.Bytes // its row, if the embedding is the head
	}
	costs[plan.OpAttention].KVRow, costs[plan.OpAttention].KVMACs = c.KVRow, c.KVMACs
	return costs
}

// opOf are the operations that tensors are read by. The embedding is the head's
// too, unless there is one.
var opOf = map[string]plan.Op{
	"token_embd": plan.OpHead, "output": plan.OpHead,
	"attn_norm": plan.OpNorm, "ffn_norm": plan.OpNorm, "output_norm": plan.OpNorm,
	"attn_q": plan.OpQKV, "attn_k": plan.OpQKV, "attn_v": plan.OpQKV,
	"attn_q_norm": plan.OpRope, "attn_k_norm": plan.OpRope,
	"attn_output": plan.OpOutput, "ffn_gate": plan.OpGateUp, "ffn_up": plan.OpGateUp, "ffn_down": plan.OpDown,
}

// OpPhases returns the operations of a result by phase.
func (r *Result) OpPhases() (phases [][]Op) {
	for i, op := range r.Ops {
		if i == 0 || op.Phase != r.Ops[i-1].Phase {
			phases = append(phases, nil)
		}
		last := &phases[len(phases)-1]
		*last = append(*last, op)
	}
	return phases
}

// OfBound is the share of its bound that an operation reaches, 0 if it has none.
func (o *Op) OfBound() float64 { return o.BoundNS / cmp.Or(o.NS, 1) }
