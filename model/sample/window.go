package sample

import "math"

// window counts the tokens that the penalties look at.
type window struct {
	limit  int     // number of latest tokens counted; 0: all
	ring   []int32 // the latest tokens, at most limit; unused without a limit
	next   int     // where the next token goes in the full ring
	counts []int32 // [vocabulary]
	// tokens lists those counted, some of which may have left since: it spares
	// going through the vocabulary.
	tokens []int32
	listed []bool // [vocabulary]: is in tokens
}

func newWindow(vocab, limit int) *window {
	return &window{
		limit:  limit,
		counts: make([]int32, vocab),
		listed: make([]bool, vocab),
		tokens: make([]int32, 0, vocab),
	}
}

func (w *window) reset() {
	for _, id := range w.tokens {
		w.counts[id], w.listed[id] = 0, false
	}
	w.tokens, w.ring, w.next = w.tokens[:0], w.ring[:0], 0
}

func (w *window) add(id int32) {
	if w.limit > 0 {
		if len(w.ring) < w.limit {
			w.ring = append(w.ring, id)
		} else {
			w.counts[w.ring[w.next]]--
			w.ring[w.next] = id
			w.next = (w.next + 1) % w.limit
		}
	}
	w.counts[id]++
	if !w.listed[id] {
		w.listed[id] = true
		w.tokens = append(w.tokens, id)
	}
}

// penalise changes the logits of the tokens in the window; the package comment
// has the formulas.
func (w *window) penalise(logits []float32, p Params) {
	n := 0
	for _, id := range w.tokens {
		if w.counts[id] == 0 {
			w.listed[id] = false
			continue
		}
		w.tokens[n] = id
		n++
		logits[id] = w.penalised(id, logits[id], p)
	}
	w.tokens = w.tokens[:n]
}

// penalised returns the logit of a token in the window after the penalties. The
// conversions keep compilers from fusing products and differences, which some
// machines would round differently then.
func (w *window) penalised(id int32, logit float32, p Params) float32 {
	x := float64(logit)
	if p.repeats() {
		if x > 0 {
			x /= p.RepeatPenalty
		} else {
			x = float64(x * p.RepeatPenalty)
		}
	}
	return clamp(x - (p.PresencePenalty + float64(float64(w.counts[id])*p.FrequencyPenalty)))
}

// clamp converts to float32 so that nothing becomes plus infinity, whose
// probability is undefined; minus infinity stays, as it excludes a token.
func clamp(x float64) float32 {
	if x > math.MaxFloat32 {
		return math.MaxFloat32
	}
	return float32(x)
}
