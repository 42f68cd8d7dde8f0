// Package speculate measures how much faster texts of some kinds are written with
// guesses of how they go on than without; see [qgo/model/draft].
package speculate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"qgo/bench"
	"qgo/model"
	"qgo/model/demo"
	"qgo/model/draft/texts"
	"qgo/model/tokenizer"
)

// Limits of an answer's length in tokens.
const (
	MinAnswer = 2 // the first is not timed
	MaxAnswer = 4096
)

// Plan says how to measure.
type Plan struct {
	Reps   int // pairs of turns of each kind
	Answer int // tokens of an answer at most
	// Progress, if set, is told what is being done.
	Progress func(bench.Status)

	kinds       int
	warm, pairs spent // kinds and pairs that are done
}

// spent is how many of something were done, and how long all of them took.
type spent struct {
	n    int
	time time.Duration
}

func (s *spent) add(began time.Time) { s.n, s.time = s.n+1, s.time+time.Since(began) }

// of is how long so many take, as those did that were done.
func (s *spent) of(n int) time.Duration {
	return s.time / time.Duration(max(s.n, 1)) * time.Duration(n)
}

// ownContext is the room for the conversation in which the model writes itself.
func (p *Plan) ownContext() int { return 512 + 2*p.Answer }

// Context is the length of text, in tokens, that a model is to be loaded for.
func (p *Plan) Context() (int, error) {
	t, err := demoVocabulary()
	if err != nil {
		return 0, err
	}
	need := p.ownContext()
	for _, k := range texts.Kinds() {
		need = max(need, len(t.Encode(nil, k.Prompt, false))+p.Answer)
	}
	return need, nil
}

// demoVocabulary is the demonstration model's.
var demoVocabulary = sync.OnceValues(func() (*tokenizer.Tokenizer, error) {
	f, err := demo.Open()
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.FromGGUF(f)
	return t, errors.Join(err, f.Close())
})

// vocabulary is the model's own, unless the demonstration model's makes fewer tokens
// of the texts: it is small, so the model's is one that was made up.
func vocabulary(m *model.Model) (t *tokenizer.Tokenizer, whose string, err error) {
	t, err = demoVocabulary()
	if err != nil {
		return nil, "", err
	}
	var all strings.Builder
	for _, k := range texts.Kinds() {
		all.WriteString(k.Prompt + k.Answer)
	}
	tokens := func(t *tokenizer.Tokenizer) int { return len(t.Encode(nil, all.String(), false)) }
	if t.VocabSize() <= m.Vocab && tokens(t) < tokens(m.Tokenizer) {
		return t, Demo, nil
	}
	return m.Tokenizer, Own, nil
}

// Run measures all kinds and adds them to the report. If ctx ends it returns its
// error, and the report has what was measured until then.
func (p *Plan) Run(ctx context.Context, m *model.Model, r *Report) error {
	if reason := m.NoSpeculation(); reason != "" {
		return fmt.Errorf("there are no guesses to measure: %s; choose another model or device", reason)
	}
	words, whose, err := vocabulary(m)
	if err != nil {
		return err
	}
	r.Reps, r.Vocabulary = p.Reps, whose
	kinds := texts.Kinds()
	p.kinds = len(kinds) + 1
	for _, k := range kinds {
		prompt, answer := words.Encode(nil, k.Prompt, false), words.Encode(nil, k.Answer, false)
		answer = answer[:min(len(answer), p.Answer)]
		if err := p.given(ctx, m, r, k.Name, prompt, answer); err != nil {
			return err
		}
	}
	return p.own(ctx, m, r)
}

// warmUp is how many tokens of an answer are written before it counts.
const warmUp = 16

// given measures a given answer.
func (p *Plan) given(ctx context.Context, m *model.Model, r *Report, name string, prompt, answer []int32) (err error) {
	s, err := m.NewSession(len(prompt) + len(answer))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p.step(name + ": warm-up")
	began := time.Now()
	if _, err := s.Write(ctx, prompt, answer[:min(len(answer), warmUp)], true); err != nil {
		return err
	}
	p.warm.add(began)
	k := &Kind{Name: name, Prompt: len(prompt), Answer: len(answer)}
	return p.turns(r, k, len(answer)-1, func(guesses bool) (model.Stats, error) {
		return s.Write(ctx, prompt, answer, guesses)
	})
}

// turns lets both ways take turns, of which so many tokens are timed.
func (p *Plan) turns(r *Report, k *Kind, timed int, once func(guesses bool) (model.Stats, error)) error {
	defer func() {
		if k.Incomplete = len(k.Turns) < p.Reps; len(k.Turns) > 0 {
			k.sum(timed)
			r.Kinds = append(r.Kinds, k)
		}
	}()
	for i := range p.Reps {
		p.step(fmt.Sprintf("%s: pair %d of %d", k.Name, i+1, p.Reps))
		began := time.Now()
		plain, err := once(false)
		if err != nil {
			return err
		}
		guessed, err := once(true)
		if err != nil {
			return err
		}
		p.pairs.add(began)
		k.Turns = append(k.Turns, Turn{int64(plain.Decode), int64(guessed.Decode), guessed.Drafted, guessed.Accepted})
	}
	return nil
}

// step tells what is being done, and about how long all of it still takes.
func (p *Plan) step(step string) {
	if p.Progress == nil {
		return
	}
	s := bench.Status{Step: step}
	if p.pairs.n > 0 {
		s.Left = p.pairs.of(p.kinds*p.Reps-p.pairs.n) + p.warm.of(p.kinds-p.warm.n)
	}
	p.Progress(s)
}
