package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// A Constraint restricts which tokens may come next; a grammar or a schema is
// one. Its calls come from the goroutine that calls the [Sampler].
type Constraint interface {
	// Allowed reports whether token id may come next. It is asked about few
	// tokens if the parameters keep few, so it may look at each one closely.
	Allowed(id int32) bool
	// Accept moves on past token id, or says why it cannot.
	Accept(id int32) error
}

// Sampler chooses tokens. It is not safe for concurrent use: each sequence has
// its own.
type Sampler struct {
	params     Params
	bias       []bias
	window     *window // nil without penalties
	constraint Constraint
	pcg        *rand.PCG
	rng        *rand.Rand

	keep   int         // k of top-k: as many as logits without it, 1 at temperature 0
	logits []float32   // scratch: the logits after bias and penalties
	kept   []candidate // scratch: the tokens that may be drawn
	top    []candidate // scratch: the largest logits, after penalties
}

// New returns a sampler for a vocabulary of the given size, or an error that
// names the parameter at fault (see [Params.Validate]).
func New(vocab int, p Params) (*Sampler, error) {
	if err := p.Validate(vocab); err != nil {
		return nil, err
	}
	s := &Sampler{
		params: p,
		bias:   sortedBias(p.LogitBias),
		pcg:    new(rand.PCG),
		logits: make([]float32, vocab),
	}
	s.params.LogitBias = nil // the caller may change the map
	s.rng = rand.New(s.pcg)
	capacity := 0
	switch {
	case p.Temperature == 0:
		s.keep, capacity = 1, 1
	case p.TopK > 0 && p.TopK < vocab:
		s.keep, capacity = p.TopK, p.TopK
	case p.cutsNucleus():
		s.keep, capacity = vocab, vocab
	default:
		s.keep, capacity = vocab, max(256, vocab/64) // see list
	}
	s.kept = make([]candidate, 0, capacity)
	if p.penalises() {
		s.window = newWindow(vocab, p.PenaltyWindow)
	}
	s.Reset()
	return s, nil
}

// Reset goes back to the start of a text: no tokens in the window, the random
// numbers as after [New]. The constraint is the caller's to start afresh.
func (s *Sampler) Reset() {
	s.pcg.Seed(s.params.Seed, 0)
	if s.window != nil {
		s.window.reset()
	}
}

// Constrain puts c in force for the tokens to come; nil lifts it.
func (s *Sampler) Constrain(c Constraint) { s.constraint = c }

// Prime puts the tokens of a prompt into the penalties' window. The constraint
// does not see them.
func (s *Sampler) Prime(prompt []int32) error {
	for _, id := range prompt {
		if err := s.check(id); err != nil {
			return err
		}
	}
	if s.window != nil {
		for _, id := range prompt {
			s.window.add(id)
		}
	}
	return nil
}

// Accept takes token id as the next of the text: the penalties will see it and
// the constraint moves on. It is separate from [Sampler.Sample] because the
// text may go on with another token than the one drawn.
func (s *Sampler) Accept(id int32) error {
	if err := s.check(id); err != nil {
		return err
	}
	if s.constraint != nil {
		if err := s.constraint.Accept(id); err != nil {
			return fmt.Errorf("the constraint refused token %d: %w", id, err)
		}
	}
	if s.window != nil {
		s.window.add(id)
	}
	return nil
}

func (s *Sampler) check(id int32) error {
	if id < 0 || int(id) >= len(s.logits) {
		return fmt.Errorf("token %d: the vocabulary has ids 0 to %d", id, len(s.logits)-1)
	}
	return nil
}

// Sample chooses a token by its logits, [vocabulary] long, which stay as they
// are. Minus infinity excludes a token.
//
// It fails for a wrong number of logits, for a logit that is NaN or plus
// infinity ([LogitError]), and when bias and constraint leave no token.
func (s *Sampler) Sample(logits []float32) (int32, error) {
	if len(logits) != len(s.logits) {
		return 0, fmt.Errorf("%d logits for a vocabulary of %d", len(logits), len(s.logits))
	}
	best, err := mostLikely(logits)
	changed := len(s.bias) > 0 || s.window != nil
	stays := !changed && s.constraint == nil // the best token remains it
	if err != nil || s.params.Temperature == 0 && stays {
		return best, err
	}
	if changed {
		copy(s.logits, logits)
		logits = s.logits
		for _, b := range s.bias {
			logits[b.id] = clamp(float64(logits[b.id]) + b.value)
		}
		if s.window != nil {
			s.window.penalise(logits, s.params)
		}
	}
	all := s.keep == len(logits)
	switch {
	case all && stays:
		s.kept = append(s.kept[:0], candidate{best, logits[best]})
	case all:
		s.kept = largest(s.kept[:0], logits, 1, s.constraint)
	default:
		s.kept = largest(s.kept[:0], logits, s.keep, s.constraint)
	}
	switch {
	case len(s.kept) == 0:
		return 0, fmt.Errorf("no token is left: logit bias and constraint exclude all %d", len(s.logits))
	case s.params.Temperature == 0:
		return s.kept[0].id, nil
	case all:
		return s.fromAll(logits, s.kept[0].logit), nil
	}
	return s.fromSorted(), nil
}

// fromSorted draws one of s.kept, the k largest logits in order, of those that top-p and
// min-p keep.
func (s *Sampler) fromSorted() int32 {
	p, top := s.params, s.kept[0].logit
	if p.cutsNucleus() {
		w := softmaxOf(top, 1)
		s.kept = s.kept[:prefix(s.kept, float64(p.TopP*mass(s.kept, w)), w)]
	}
	s.kept = exceeding(s.kept, below(floorOf(top, p.MinP)))
	return s.draw(s.kept, softmaxOf(top, p.Temperature))
}

// fromAll draws one of all tokens that top-p and min-p keep; top is the largest logit of
// those that the constraint allows.
func (s *Sampler) fromAll(logits []float32, top float32) int32 {
	p := s.params
	if !p.cutsNucleus() {
		return s.drawFromLogits(logits, top, p.MinP)
	}
	if s.constraint != nil {
		for i, x := range logits {
			if x >= lowest && !s.constraint.Allowed(int32(i)) {
				x = float32(math.Inf(-1))
			}
			s.logits[i] = x
		}
		logits = s.logits
	}
	s.kept = nucleus(s.kept[:0], logits, top, p.TopP)
	s.kept = exceeding(s.kept, below(floorOf(top, p.MinP)))
	return s.drawBestFirst(s.kept, softmaxOf(top, p.Temperature))
}
