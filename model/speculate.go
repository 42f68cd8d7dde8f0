package model

import (
	"context"
	"time"

	"qgo/model/draft"
)

// guesses are what a session guesses of how its text goes on. A guess is a token
// that followed the same tokens before. In a pass the last token of the text is
// computed with the guesses after it; each row's logits choose the next token as if
// it had been computed alone, to the bit, and guesses behind the first wrong one are
// dropped. So neither greedy text nor the distribution of sampled text changes: a
// guess is no draw from another distribution that would have to be rejected
// (Leviathan, Kalman and Matias 2023), but a bet on the draw.
type guesses struct {
	lookup *draft.Lookup
	policy *draft.Policy
	next   []int32 // that followed the latest match
	match  int     // its length, 0 if there is none

	most int // tokens of the longest draft

	tokens [1 + draft.MaxTokens]int32 // of the latest pass
	n, row int                        // their number, and that of the text's latest token among them
}

// ahead is how many tokens of the latest pass are not part of the text.
func (g *guesses) ahead() int {
	if g == nil || g.n == 0 {
		return 0
	}
	return g.n - 1 - g.row
}

// sameRows is up to how many rows a pass gives each the bits that it has alone. It is
// 1 where there is no such promise: on GPUs, and for floating-point weights, which the
// kernels for more rows sum in fewer chains.
func (m *Model) sameRows() int {
	if m.OnGPU() {
		return 1
	}
	for i := range m.File.Tensors {
		if t := &m.File.Tensors[i]; len(t.Dims) > 1 && !t.Type.Integer() {
			return 1
		}
	}
	return min(1+draft.MaxTokens, m.MaxRows())
}

// speculate begins with a prompt, or ends speculation.
func (s *Session) speculate(prompt []int32, on bool) {
	if !on || s.m.sameRows() < 2 {
		s.guess = nil
		return
	}
	if s.guess == nil {
		s.guess = &guesses{lookup: draft.NewLookup(s.Cap() + 1), policy: draft.NewPolicy(), most: s.m.sameRows() - 1}
	}
	g := s.guess
	g.lookup.Reset()
	for _, id := range prompt {
		g.lookup.Add(id)
	}
	g.next, g.match = g.lookup.Find()
	g.n, g.row = 0, 0
}

// settle drops what was computed and is not part of the text.
func (s *Session) settle() {
	if ahead := s.guess.ahead(); ahead > 0 {
		s.kv.Truncate(s.kv.Len() - ahead)
	}
	if s.guess != nil {
		s.guess.n = 0
	}
}

// add appends a token to the text, and looks what followed it before.
func (g *guesses) add(id int32) {
	if g.match > 0 {
		g.policy.Guessed(g.match, g.next[0] == id)
	}
	g.lookup.Add(id)
	g.next, g.match = g.lookup.Find()
}

// guessed is after with speculation.
func (s *Session) guessed(ctx context.Context, id int32, room int) ([]float32, error) {
	g := s.guess
	g.add(id)
	if g.ahead() > 0 && g.tokens[g.row+1] == id {
		g.row++
		s.stats.Accepted++
		return s.row(g.row), nil
	}
	s.settle()
	most := min(len(g.next), g.most, s.Cap()-s.Len()-1)
	if room >= 0 {
		most = min(most, room-1) // the last token of the answer is not computed
	}
	n := 1
	g.tokens[0] = id
	if g.match > 0 {
		n += copy(g.tokens[1:], g.next[:g.policy.Length(g.match, most)])
	}
	start := time.Now()
	if err := s.compute(ctx, g.tokens[:n], WantAll); err != nil {
		return nil, err
	}
	g.policy.Took(n, time.Since(start))
	g.n, g.row = n, 0
	s.stats.Drafted += n - 1
	return s.row(0), nil
}

// row are the logits of a token of the latest pass.
func (s *Session) row(i int) []float32 { return s.seq[0].Logits[i*s.m.Vocab:][:s.m.Vocab] }
