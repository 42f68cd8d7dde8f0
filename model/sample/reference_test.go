package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// allowedSet allows the tokens that are true, and counts how often it is asked.
type allowedSet struct {
	allowed []bool
	asked   int
}

func (a *allowedSet) Allowed(id int32) bool { a.asked++; return a.allowed[id] }
func (a *allowedSet) Accept(int32) error    { return nil }

// reference returns the tokens that may be drawn, in the order in which a random number
// goes through them, and their weights: as the package comment says it, step by step.
func reference(logits []float32, p Params, allowed func(int32) bool) (kept []candidate, weights []float64) {
	for i, x := range logits {
		if b, ok := p.LogitBias[int32(i)]; ok {
			x = clamp(float64(x) + b)
		}
		if !math.IsInf(float64(x), -1) && allowed(int32(i)) {
			kept = append(kept, candidate{int32(i), x})
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	slices.SortFunc(kept, compare)
	top := float64(kept[0].logit)
	exp := func(c candidate, temperature float64) float64 {
		return math.Exp((float64(c.logit) - top) / temperature)
	}
	if p.Temperature == 0 {
		return kept[:1], []float64{1}
	}
	sorted := p.TopK > 0 && p.TopK < len(logits)
	if sorted {
		kept = kept[:min(p.TopK, len(kept))]
	}
	if p.TopP > 0 && p.TopP < 1 {
		sorted = true
		total, sum := 0.0, 0.0
		for _, c := range kept {
			total += exp(c, 1)
		}
		for i, c := range kept {
			if sum += exp(c, 1); sum >= p.TopP*total {
				kept = kept[:i+1]
				break
			}
		}
	}
	if p.MinP > 0 {
		floor := top + float64(float32(math.Log(p.MinP)))
		kept = slices.DeleteFunc(kept, func(c candidate) bool { return float64(c.logit) < floor })
	}
	if !sorted {
		slices.SortFunc(kept, func(a, b candidate) int { return int(a.id - b.id) })
	}
	for _, c := range kept {
		weights = append(weights, exp(c, p.Temperature))
	}
	return kept, weights
}

// referenceDraw picks the token at which the sum of the weights exceeds the random number.
func referenceDraw(kept []candidate, weights []float64, rng *rand.Rand) int32 {
	total, sum := 0.0, 0.0
	for _, w := range weights {
		total += w
	}
	r := rng.Float64() * total
	for i, w := range weights {
		if sum += w; r < sum {
			return kept[i].id
		}
	}
	return -1
}

func oneOf[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// randomCase returns logits with ties and excluded tokens, parameters and a constraint,
// nil perhaps, which may leave no token.
func randomCase(r *rand.Rand, vocab int) ([]float32, Params, *allowedSet) {
	logits := randomLogits(r, vocab)
	ties, excluded := r.IntN(3) == 0, oneOf(r, 0, 0, 0.1, 0.9)
	scale, shift := oneOf[float32](r, 0, 0.01, 0.3, 1, 1, 1, 30), oneOf[float32](r, 0, 0, -100)
	for i := range logits {
		logits[i] *= scale
		if ties {
			logits[i] = float32(math.Round(float64(logits[i])))
		}
		logits[i] += shift
		if r.Float64() < excluded {
			logits[i] = float32(math.Inf(-1))
		}
	}
	logits[r.IntN(vocab)] = shift + 10*scale*r.Float32()
	p := Params{
		Temperature: oneOf(r, 0, 1e-300, 0.1, 0.7, 0.7, 1, 1, 1.5, 30, 1e300),
		TopK:        oneOf(r, 0, 0, 0, 1, 20, 300, 100_000),
		TopP:        oneOf(r, 0, 0, 1, 1e-9, 0.5, 0.9, 0.999),
		MinP:        oneOf(r, 0, 0, 0, 1e-200, 1e-6, 0.05, 1),
		Seed:        r.Uint64(),
	}
	if r.IntN(4) == 0 {
		p.LogitBias = map[int32]float64{}
		for range 5 {
			p.LogitBias[int32(r.IntN(vocab))] = oneOf(r, -2, 3, math.Inf(-1))
		}
	}
	if r.IntN(3) > 0 {
		return logits, p, nil
	}
	c := &allowedSet{allowed: make([]bool, vocab)}
	share := oneOf(r, 0.01, 0.3, 0.99)
	for i := range c.allowed {
		c.allowed[i] = r.Float64() < share
	}
	return logits, p, c
}

// TestReference wants the token that the reference draws with the same random number, or
// where rejection sampling takes others, one that it may draw.
func TestReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	same, empty := 0, 0
	const cases = 300
	for _, vocab := range []int{1, 2, 255, 256, 257, 5000} {
		for range cases {
			logits, p, constraint := randomCase(r, vocab)
			s := mustNew(t, vocab, p)
			allowed := func(int32) bool { return true }
			if constraint != nil {
				s.Constrain(constraint)
				allowed = func(id int32) bool { return constraint.allowed[id] }
			}
			what := fmt.Sprintf("%d tokens, %+v, constraint %v", vocab, p, constraint != nil)
			kept, weights := reference(logits, p, allowed)
			rng := rand.New(rand.NewPCG(p.Seed, 0))
			for range 4 {
				got, err := s.Sample(logits)
				if len(kept) == 0 {
					empty++
					if err == nil {
						t.Fatalf("%s: token %d, but none may be drawn", what, got)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				if vocab > 256 && p.Temperature > 0 && s.keep == vocab && !p.cutsNucleus() {
					i := slices.IndexFunc(kept, func(c candidate) bool { return c.id == got })
					if i < 0 || weights[i] == 0 {
						t.Fatalf("%s: token %d may not be drawn", what, got)
					}
					continue
				}
				same++
				if want := referenceDraw(kept, weights, rng); got != want {
					t.Fatalf("%s: token %d, want %d", what, got, want)
				}
			}
		}
	}
	if same < 6*cases || empty > 6*cases {
		t.Errorf("%d tokens compared, %d times no token: the cases say little", same, empty)
	}
}

// TestNucleus compares the tokens that top-p keeps with the reference's: with ties, the
// last of them in order.
func TestNucleus(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, vocab := range []int{1, 2, 255, 256, 257, 5000} {
		for range 200 {
			logits, p, _ := randomCase(r, vocab)
			p = Params{Temperature: 1, TopP: oneOf(r, 0.1, 0.5, 0.9, 0.9999999)}
			want, _ := reference(logits, p, func(int32) bool { return true })
			if len(want) == 0 {
				continue
			}
			got := nucleus(nil, logits, want[0].logit, p.TopP)
			if last := len(got) - 1; got[last] != want[len(want)-1] {
				t.Errorf("%d tokens, top-p %g: %v is the last, want %v", vocab, p.TopP, got[last], want[len(want)-1])
			}
			slices.SortFunc(got, compare)
			if !slices.Equal(got, want) {
				t.Errorf("%d tokens, top-p %g: keeps %d, want %d", vocab, p.TopP, len(got), len(want))
			}
		}
	}
}

// TestList wants every token listed whose weight is above that of a slot, no other, and
// most draws to be of use.
func TestList(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	slots := 0
	for _, vocab := range []int{1, 2, 255, 256, 257, 5000, 20_000} {
		for range 100 {
			logits, p, constraint := randomCase(r, vocab)
			p.TopK, p.TopP, p.LogitBias = 0, 0, nil
			p.Temperature = max(p.Temperature, 1e-5)
			s := mustNew(t, vocab, p)
			allowed := func(int32) bool { return true }
			if constraint != nil {
				s.Constrain(constraint)
				allowed = func(id int32) bool { return constraint.allowed[id] }
			}
			want, weights := reference(logits, p, allowed)
			if len(want) == 0 {
				continue
			}
			top := slices.MinFunc(want, compare).logit
			least, slot := s.list(logits, top, below(floorOf(top, p.MinP)))
			sum := 0.0
			var likely []candidate
			for i, c := range want {
				sum += weights[i]
				if c.logit > least {
					likely = append(likely, c)
				} else if weights[i] > slot*(1+1e-9) {
					t.Fatalf("%d tokens, %+v: the weight of token %d is %g, that of a slot %g", vocab, p, c.id, weights[i], slot)
				}
			}
			if !slices.Equal(s.kept, likely) {
				t.Fatalf("%d tokens, %+v: lists %d tokens, want %d", vocab, p, len(s.kept), len(likely))
			}
			if slot > 0 {
				slots++
				if tries := slot*float64(vocab)/sum + 1; tries > 258 {
					t.Errorf("%d tokens, %+v: %g draws for a token", vocab, p, tries)
				}
			}
		}
	}
	if slots < 100 {
		t.Errorf("%d cases with slots: they say little", slots)
	}
}

// TestRejection compares how often tokens are drawn with their probabilities: those of
// about the same probability together.
func TestRejection(t *testing.T) {
	const vocab, draws, groups = 5000, 10_000, 20
	for name, c := range map[string]struct {
		params Params
		scale  float32
		few    float32 // is added to five logits
	}{
		"temperature 1":   {Params{Temperature: 1}, 3, 0},
		"cool":            {Params{Temperature: 0.5}, 3, 0},
		"hot":             {Params{Temperature: 4}, 3, 0},
		"peaked":          {Params{Temperature: 1}, 1, 9},
		"narrow":          {Params{Temperature: 1}, 0.01, 0},
		"equal":           {Params{Temperature: 1}, 0, 0},
		"min-p":           {Params{Temperature: 1, MinP: 1e-5}, 1, 9},
		"min-p, overflow": {Params{Temperature: 2, MinP: 0.01}, 1, 0},
	} {
		for _, constrained := range []bool{false, true} {
			logits := randomLogits(rand.New(rand.NewPCG(13, 14)), vocab)
			for i := range logits {
				logits[i] *= c.scale / 3
			}
			for i := range 5 {
				logits[7+900*i] += c.few + float32(i)
			}
			s := mustNew(t, vocab, c.params)
			allowed := func(id int32) bool { return !constrained || id%3 == 1 }
			if constrained {
				constraint := &allowedSet{allowed: make([]bool, vocab)}
				for i := range constraint.allowed {
					constraint.allowed[i] = allowed(int32(i))
				}
				s.Constrain(constraint)
			}
			kept, weights := reference(logits, c.params, allowed)
			byRank := slices.Clone(kept)
			slices.SortFunc(byRank, compare)
			group := make(map[int32]int)
			for i, k := range byRank {
				group[k.id] = i * groups / len(byRank)
			}
			total := 0.0
			for _, w := range weights {
				total += w
			}
			var want, got [groups]float64
			for i, k := range kept {
				want[group[k.id]] += weights[i] / total
			}
			for id, share := range frequencies(t, s, logits, draws) {
				if g, ok := group[int32(id)]; ok {
					got[g] += share
				} else if share > 0 {
					t.Errorf("%s: token %d may not be drawn", name, id)
				}
			}
			for g := range got {
				// Five standard deviations, and a few draws where hardly any are expected.
				if d := 5*math.Sqrt(want[g]*(1-want[g])/draws) + 3./draws; math.Abs(got[g]-want[g]) > d {
					t.Errorf("%s, constraint %v: group %d has a share of %.5f, want %.5f ± %.5f", name, constrained, g, got[g], want[g], d)
				}
			}
		}
	}
}

// TestConstraintIsAskedLittle wants a sampler that keeps all tokens to ask about few.
func TestConstraintIsAskedLittle(t *testing.T) {
	logits := randomLogits(rand.New(rand.NewPCG(15, 16)), vocabQwen)
	for _, p := range []Params{{Temperature: 0.7}, {Temperature: 0.7, MinP: 0.05}} {
		c := &allowedSet{allowed: slices.Repeat([]bool{true, false}, vocabQwen/2)}
		s := mustNew(t, vocabQwen, p)
		s.Constrain(c)
		if _, err := s.Sample(logits); err != nil {
			t.Fatal(err)
		}
		if c.asked > vocabQwen/20 {
			t.Errorf("%+v: asks about %d tokens of %d", p, c.asked, vocabQwen)
		}
	}
}
