package model

import (
	"context"
	"errors"
	"time"

	"qgo/kernels/plan"
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
	guess  draft.Guess // of what follows the text's latest token

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

// NoSpeculation says why texts of this model are written without guesses; it is empty
// if they are not.
func (m *Model) NoSpeculation() string {
	if m.sameRows() < 2 {
		return "as this model is placed, what a token computes depends on how many are computed with it"
	}
	return ""
}

// sameRows is up to how many rows of a pass have each the bits that it has alone, of as
// many as there can be in one.
func (m *Model) sameRows() int {
	rows := 1 + draft.MaxTokens
	for _, s := range m.stages {
		rows = min(rows, s.SameRows())
	}
	return rows
}

// Write continues prompt with an answer that is given, as [Session.Generate] does with
// one that the model chooses, and returns the figures: to see how fast texts of some
// kind are written, whatever the model would say.
func (s *Session) Write(ctx context.Context, prompt, answer []int32, speculate bool) (Stats, error) {
	if len(prompt) == 0 || len(answer) == 0 {
		return Stats{}, errors.New("there is nothing to write: the prompt or the answer has no tokens")
	}
	if need := len(prompt) + len(answer) - 1; need > s.Cap() {
		return Stats{}, &ContextError{Need: need, Room: s.Cap()}
	}
	s.stats = Stats{Prompt: len(prompt), End: LengthLimit}
	start := time.Now()
	if err := s.prefill(ctx, prompt, nil); err != nil {
		return Stats{}, err
	}
	s.stats.Prefill = time.Since(start)
	s.speculate(prompt, speculate)
	defer s.settle()
	s.want = WantTop // as most ways of choosing a token do
	start = time.Now()
	for i, id := range answer[:len(answer)-1] { // the last token is not computed
		if err := s.after(ctx, id, len(answer)-1-i); err != nil {
			return Stats{}, err
		}
	}
	s.stats.Generated, s.stats.Decode = len(answer), time.Since(start)
	return s.stats, nil
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
	g.guess = g.lookup.Find()
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

// add appends a token to the text, and guesses what follows it.
func (g *guesses) add(id int32) {
	g.policy.Came(g.guess, id)
	g.lookup.Add(id)
	g.guess = g.lookup.Find()
}

// guessed is after with speculation.
func (s *Session) guessed(ctx context.Context, id int32, room int) error {
	g := s.guess
	g.add(id)
	if g.ahead() > 0 && g.tokens[g.row+1] == id {
		g.row++
		s.stats.Accepted++
		return nil
	}
	s.settle()
	most := min(g.most, s.Cap()-s.Len()-1)
	if room >= 0 {
		most = min(most, room-1) // the last token of the answer is not computed
	}
	g.tokens[0] = id
	n := 1 + copy(g.tokens[1:], g.guess.Next[:g.policy.Length(g.guess, most)])
	// A CPU would look through the logits of all rows, of which a sampler does through
	// those that become text.
	want := WantAll
	if s.want == WantTop && s.m.OnGPU() {
		want = WantTops
	}
	start := time.Now()
	if err := s.compute(ctx, g.tokens[:n], want); err != nil {
		return err
	}
	g.policy.Took(n, time.Since(start))
	g.n, g.row = n, 0
	s.stats.Drafted += n - 1
	return nil
}

// latest is s.seq as if the text's latest token had been computed alone.
func (s *Session) latest() Seq {
	seq := s.seq[0]
	if s.guess == nil || s.guess.n == 0 {
		return seq
	}
	row := s.guess.row
	seq.Tokens = seq.Tokens[row : row+1]
	if seq.Want == WantTops {
		seq.Want, seq.Top = WantTop, seq.Top[row*plan.TopLen:][:plan.TopLen]
	} else {
		seq.Want, seq.Logits = WantLast, seq.Logits[row*s.m.Vocab:][:s.m.Vocab]
	}
	return seq
}
