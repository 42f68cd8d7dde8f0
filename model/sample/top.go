package sample

import (
	"math"

	"qgo/kernels/plan"
)

// FromTop reports whether n of the largest logits are mostly all that the sampler looks at,
// so that [Sampler.SampleTop] can do with them.
func (s *Sampler) FromTop(n int) bool {
	return len(s.bias) == 0 && s.constraint == nil && (s.window == nil || s.params.lowers()) &&
		s.keep <= n && s.keep < len(s.logits)
}

// SampleTop is [Sampler.Sample] where only the largest logits are at hand, as [plan.Top]
// finds them. It chooses the same token, with the same random number. Or it returns false,
// and has used none, if it would have to know more: because penalties bring tokens forward
// that are not among them, or because Sample would return an error.
func (s *Sampler) SampleTop(top []plan.Logit) (id int32, ok bool) {
	if !s.FromTop(len(top)) || !(top[0].Value <= math.MaxFloat32) {
		return 0, false
	}
	s.top = s.top[:0]
	for _, l := range top {
		if l.Value < lowest {
			break
		}
		if s.window != nil && s.window.counts[l.Token] > 0 {
			l.Value = s.window.penalised(l.Token, l.Value, s.params)
		}
		if l.Value < lowest {
			continue
		}
		// Only those that penalties have lowered can stand behind.
		c := candidate{l.Token, l.Value}
		i := len(s.top)
		s.top = append(s.top, c)
		for ; i > 0 && better(c, s.top[i-1]); i-- {
			s.top[i] = s.top[i-1]
		}
		s.top[i] = c
	}
	k := min(s.keep, len(s.top))
	// All others come behind the last one, if there are others.
	last := top[len(top)-1]
	others := last.Value >= lowest
	if k == 0 || others && (k < s.keep || better(candidate{last.Token, last.Value}, s.top[k-1])) {
		return 0, false
	}
	s.kept = append(s.kept[:0], s.top[:k]...)
	if s.params.Temperature == 0 {
		return s.kept[0].id, true
	}
	return s.fromSorted(), true
}
