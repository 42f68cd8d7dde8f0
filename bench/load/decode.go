package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"qgo/bench"
	"qgo/model"
	"qgo/model/sample"
)

// How a [Step] is measured.
const (
	decodeWarmUp = 2 // steps that do not count
	decodeSteps  = 16
)

// DecodeContext is the length of text that steps behind depth tokens need.
func DecodeContext(depth int) int { return depth + decodeWarmUp + decodeSteps }

// Step is decode of some number of sequences at once: one token each.
type Step struct {
	Sequences int     `json:"sequences"`
	Depth     int     `json:"n_depth,omitempty"` // tokens of each before; reports without it had 128
	MS        float64 `json:"step_ms"`           // median
	TotalTS   float64 `json:"tokens_per_second"`
	EachTS    float64 `json:"tokens_per_second_each"`
}

// BatchDecode measures steps of each number of sequences, behind depth tokens each, whose tokens
// are chosen by p. If ctx ends it returns its error beside what was measured until then.
func BatchDecode(ctx context.Context, m *model.Model, sizes []int, depth int, p sample.Params, progress func(step string)) (steps []Step, err error) {
	most := 0
	for _, n := range sizes {
		most = max(most, n)
	}
	kvs, err := newKVs(m, most, DecodeContext(depth))
	if err != nil {
		return nil, err
	}
	defer closeKVs(kvs)
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []int32 {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(rng.IntN(m.Vocab))
		}
		return ids
	}
	seqs, by := make([]model.Seq, most), make([]chooser, most)
	ids := make([]int32, most) // each text's next token
	for i := range seqs {
		if by[i], err = newChooser(m, p); err != nil {
			return nil, err
		}
		progress(fmt.Sprintf("filling KV cache %d of %d", i+1, most))
		seqs[i] = model.Seq{KV: kvs[i], Tokens: random(depth)}
		if err := m.Forward(ctx, seqs[i:i+1]); err != nil {
			return nil, err
		}
	}
	gpu := m.OnGPU()
	for _, n := range sizes {
		progress(fmt.Sprintf("decode of %s at once", count(n, "sequence")))
		var took bench.Sample
		copy(ids, random(n))
		for i := range decodeWarmUp + decodeSteps {
			for j := range n {
				seqs[j].Tokens = ids[j:][:1]
				by[j].asks(&seqs[j])
			}
			start := time.Now()
			if err := m.Forward(ctx, seqs[:n]); err != nil {
				return steps, err
			}
			if gpu && !m.OnGPU() {
				return steps, errFellBack
			}
			for j := range n {
				if ids[j], err = by[j].next(ctx, m, &seqs[j]); err != nil {
					return steps, err
				}
			}
			if i >= decodeWarmUp {
				took = append(took, ms(time.Since(start)))
			}
		}
		steps = append(steps, step(n, depth, took.Median()))
		for j := range n {
			kvs[j].Truncate(depth)
		}
	}
	return steps, nil
}

// step is n sequences, behind depth tokens each, whose next tokens take ms milliseconds together.
func step(n, depth int, ms float64) Step {
	s := Step{Sequences: n, Depth: depth, MS: ms}
	if ms > 0 {
		s.EachTS = 1e3 / ms
		s.TotalTS = float64(n) * s.EachTS
	}
	return s
}
