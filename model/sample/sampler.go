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

	logits []float32   // scratch: the logits after bias and penalties
	kept   []candidate // scratch: the tokens that may be drawn; its capacity is k of top-k
	mass   []float64   // scratch: their weights
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
	switch {
	case p.Temperature == 0:
		s.kept = make([]candidate, 0, 1)
	case p.TopK > 0 && p.TopK < vocab:
		s.kept = make([]candidate, 0, p.TopK)
	default:
		s.kept = make([]candidate, 0, vocab)
	}
	s.mass = make([]float64, cap(s.kept))
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
	top, err := mostLikely(logits)
	if err != nil || s.params.Temperature == 0 && len(s.bias) == 0 && s.window == nil && s.constraint == nil {
		return top, err
	}
	copy(s.logits, logits)
	for _, b := range s.bias {
		s.logits[b.id] = clamp(float64(s.logits[b.id]) + b.value)
	}
	if s.window != nil {
		s.window.penalise(s.logits, s.params)
	}
	s.truncate()
	switch {
	case len(s.kept) == 0:
		return 0, fmt.Errorf("no token is left: logit bias and constraint exclude all %d", len(s.logits))
	case s.params.Temperature == 0:
		return s.kept[0].id, nil
	}
	return s.draw(), nil
}

// truncate leaves in s.kept the tokens that top-k, top-p and min-p keep.
func (s *Sampler) truncate() {
	p := s.params
	topP := p.TopP > 0 && p.TopP < 1
	switch k := cap(s.kept); {
	case s.params.Temperature == 0:
		s.kept = largest(s.kept[:0], s.logits, 1, s.constraint)
		return
	case k < len(s.logits):
		s.kept = largest(s.kept[:0], s.logits, k, s.constraint)
		s.narrow()
		return
	case topP:
		s.all()
		want := p.TopP * mass(s.kept)
		// Few tokens hold most of the probability, but how many is not known
		// beforehand: look at more and more of the best.
		for k := 256; ; k *= 16 {
			s.kept = largest(s.kept[:0], s.logits, k, s.constraint)
			n := nucleus(s.kept, want)
			if n < len(s.kept) || len(s.kept) < k {
				s.kept = s.kept[:n]
				break
			}
		}
	default:
		s.all()
	}
	s.kept = likely(s.kept, p.MinP)
}

// narrow leaves of the k largest logits, in order, those that top-p and min-p keep.
func (s *Sampler) narrow() {
	if p := s.params.TopP; p > 0 && p < 1 {
		s.kept = s.kept[:nucleus(s.kept, p*mass(s.kept))]
	}
	s.kept = likely(s.kept, s.params.MinP)
}

// all keeps every token that is not excluded, by id.
func (s *Sampler) all() {
	s.kept = s.kept[:0]
	for i, x := range s.logits {
		if x >= lowest && (s.constraint == nil || s.constraint.Allowed(int32(i))) {
			s.kept = append(s.kept, candidate{int32(i), x})
		}
	}
}

// draw picks one of s.kept by the softmax of logit / temperature.
func (s *Sampler) draw() int32 {
	top, total := float64(best(s.kept)), 0.0
	s.mass = s.mass[:len(s.kept)]
	for i, c := range s.kept {
		s.mass[i] = math.Exp((float64(c.logit) - top) / s.params.Temperature)
		total += s.mass[i]
	}
	r := s.rng.Float64() * total
	last := 0
	for i, m := range s.mass {
		if m == 0 {
			continue
		}
		last = i // where rounding may leave r: a token of probability above 0
		if r -= m; r < 0 {
			break
		}
	}
	return s.kept[last].id
}
