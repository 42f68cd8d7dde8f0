package sample

import (
	"math"
	"math/bits"
)

// draw picks one of kept by its weight. The random number goes through them in their order.
func (s *Sampler) draw(kept []candidate, w softmax) int32 {
	return pick(kept, float64(s.rng.Float64()*mass(kept, w)), w)
}

// pick returns the token at which the sum of the weights exceeds r.
func pick(kept []candidate, r float64, w softmax) int32 {
	last := kept[0].id
	for _, c := range kept {
		m := w.weight(c.logit)
		if m == 0 {
			continue
		}
		last = c.id // where rounding may leave r: a token of probability above 0
		if r -= m; r < 0 {
			break
		}
	}
	return last
}

// drawBestFirst is draw from tokens in no order as if the best came first, without putting
// all in order.
func (s *Sampler) drawBestFirst(kept []candidate, w softmax) int32 {
	n, total := 0, 0.0
	for _, c := range kept {
		// Rounding must not end at a token of probability 0.
		if m := w.weight(c.logit); m > 0 {
			total += m
			kept[n] = c
			n++
		}
	}
	r := float64(s.rng.Float64() * total)
	return kept[leading(kept[:n], math.Nextafter(r, math.Inf(1)), w)-1].id
}

// drawFromLogits picks a token of x, of those at least minP times as likely as the best,
// whose logit is top.
//
// To weigh all tokens would take most of the time of a sampled one. So only likely tokens,
// above a bound, are listed and weighed. If there may be others, each token has a slot as
// wide as the bound's weight, and a random number falls into the list or into a slot. A
// slot gives its token if that is not listed and a second number is below its weight; else
// the draw is repeated. Each token is drawn with exactly its probability: this is rejection
// sampling, whose proposals below the bound are uniform.
func (s *Sampler) drawFromLogits(x []float32, top float32, minP float64) int32 {
	w := softmaxOf(top, s.params.Temperature)
	floor := below(floorOf(top, minP))
	least, slot := s.list(x, top, floor)
	listed := mass(s.kept, w)
	total := listed + float64(slot*float64(len(x)))
	for {
		r := float64(s.rng.Float64() * total)
		if r < listed || slot == 0 {
			return pick(s.kept, r, w)
		}
		i := min(int((r-listed)/slot), len(x)-1)
		logit := x[i]
		if logit > floor && logit <= least && s.rng.Float64()*slot < w.weight(logit) &&
			(s.constraint == nil || s.constraint.Allowed(int32(i))) {
			return int32(i)
		}
	}
}

// list puts the allowed tokens whose logits are above least into s.kept, by id. The weight
// of all others is at most slot; it is 0 if none of them is above floor, so that none may
// be drawn.
//
// Together the slots are less than 256 times as wide as the best token's weight, so that
// about as many draws are enough on average. If tokens overflow the list, their mass is so
// large that the same holds with wider slots.
func (s *Sampler) list(x []float32, top, floor float32) (least float32, slot float64) {
	// Slots are 2^-halvings wide: a logarithm known alike on every machine.
	halvings := max(bits.Len(uint(len(x)))-8, 0)
	bound := func() float32 {
		if halvings == 0 {
			return top
		}
		return below(float64(top) - float64(float64(halvings)*math.Ln2*s.params.Temperature))
	}
	least = bound()
	complete := len(x) <= cap(s.kept) || least <= floor
	if complete {
		least = floor
	}
	kept := s.kept[:0]
	for i := above(x, 0, least); i < len(x); i = above(x, i+1, least) {
		if s.constraint != nil && !s.constraint.Allowed(int32(i)) {
			continue
		}
		for len(kept) == cap(kept) {
			complete = false
			for old := least; least <= old; least = bound() {
				halvings = max(halvings-2, 0)
			}
			kept = exceeding(kept, least)
		}
		if x[i] > least {
			kept = append(kept, candidate{int32(i), x[i]})
		}
	}
	s.kept = kept
	if complete {
		return least, 0
	}
	return least, math.Ldexp(1, -halvings)
}
