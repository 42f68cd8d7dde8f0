package sample

import (
	"math"
	"math/rand/v2"
	"testing"

	"qgo/kernels/plan"
)

// TestSampleTop compares what is sampled of the largest logits with what is sampled of all,
// token by token of long texts, and counts the tokens for which they tell too little.
func TestSampleTop(t *testing.T) {
	for name, c := range map[string]struct {
		vocab  int
		params Params
		spread float64 // of the logits
		same   bool    // logits, for all tokens
		most   int     // tokens of which the largest logits may tell too little
	}{
		"greedy":            {1000, Params{}, 3, false, 0},
		"greedy, penalties": {1000, Params{RepeatPenalty: 1.3, PenaltyWindow: 30}, 3, false, 0},
		"usual":             {1000, Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05}, 3, false, 0},
		"min-p":             {1000, Params{Temperature: 1.5, TopK: 40, MinP: 0.1}, 3, false, 0},
		"all of them":       {1000, Params{Temperature: 1, TopK: plan.TopLen}, 0, false, 0},
		"equal logits":      {1000, Params{Temperature: 1, TopK: 20, PresencePenalty: 0.5, PenaltyWindow: 30}, 0, false, 0},
		"small vocabulary":  {50, Params{Temperature: 1, TopK: 20, FrequencyPenalty: 1}, 3, false, 0},
		"strong penalties":  {1000, Params{Temperature: 1, TopK: 40, PresencePenalty: 20, PenaltyWindow: 100}, 3, true, 399},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		all, some := mustNew(t, c.vocab, c.params), mustNew(t, c.vocab, c.params)
		if !some.FromTop(plan.TopLen) {
			t.Errorf("%s: wants all logits", name)
		}
		logits, top := make([]float32, c.vocab), make([]plan.Logit, plan.TopLen)
		less := 0
		for i := range 400 {
			for j := range logits {
				if i == 0 || !c.same {
					logits[j] = float32(rng.NormFloat64() * c.spread)
				}
			}
			plan.Top(top, logits)
			want, err := all.Sample(logits)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := some.SampleTop(top)
			if !ok {
				less++
				if got, err = some.Sample(logits); err != nil {
					t.Fatal(err)
				}
			}
			if got != want {
				t.Fatalf("%s: token %d is %d of the largest logits, %d of all", name, i, got, want)
			}
			for _, s := range []*Sampler{all, some} {
				if err := s.Accept(want); err != nil {
					t.Fatal(err)
				}
			}
		}
		if less > c.most || c.most > 0 && less == 0 {
			t.Errorf("%s: the largest logits told too little %d times of 400, expected at most %d", name, less, c.most)
		}
	}
}

// TestFromTop lists samplers that look at all logits.
func TestFromTop(t *testing.T) {
	for name, p := range map[string]Params{
		"no top-k":     {Temperature: 1},
		"large top-k":  {Temperature: 1, TopK: plan.TopLen + 1},
		"all of them":  {Temperature: 1, TopK: 1000},
		"bias":         {LogitBias: map[int32]float64{3: 1}},
		"raises":       {RepeatPenalty: 0.9},
		"raises, too":  {PresencePenalty: -1},
		"raises often": {FrequencyPenalty: -1},
	} {
		if s := mustNew(t, 1000, p); s.FromTop(plan.TopLen) {
			t.Errorf("%s: does with few", name)
		}
	}
	s := mustNew(t, 1000, Params{})
	s.Constrain(odd{})
	if s.FromTop(plan.TopLen) {
		t.Error("a constraint: does with few")
	}
}

// odd allows odd tokens.
type odd struct{}

func (odd) Allowed(id int32) bool { return id%2 == 1 }
func (odd) Accept(int32) error    { return nil }

// TestSampleTopBad leaves what Sample refuses to it.
func TestSampleTopBad(t *testing.T) {
	inf := float32(math.Inf(1))
	for name, x := range map[string]float32{"NaN": float32(math.NaN()), "infinity": inf, "minus infinity": -inf} {
		s := mustNew(t, 100, Params{Temperature: 1, TopK: 5})
		logits, top := make([]float32, 100), make([]plan.Logit, plan.TopLen)
		for i := range logits {
			logits[i] = -inf
		}
		logits[7] = x
		plan.Top(top, logits)
		if id, ok := s.SampleTop(top); ok {
			t.Errorf("%s: token %d", name, id)
		}
		if _, err := s.Sample(logits); err == nil {
			t.Errorf("%s: Sample accepts it", name)
		}
		// Fewer tokens than top-k keeps, if no others can be drawn.
		logits[7], logits[8] = 3, -100
		plan.Top(top, logits)
		if id, ok := s.SampleTop(top); !ok || id != 7 {
			t.Errorf("of two tokens %d is drawn, %v", id, ok)
		}
	}
}

func TestSampleTopAllocations(t *testing.T) {
	s := mustNew(t, vocabQwen, Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05})
	logits, top := randomLogits(rand.New(rand.NewPCG(5, 6)), vocabQwen), make([]plan.Logit, plan.TopLen)
	plan.Top(top, logits)
	if n := testing.AllocsPerRun(20, func() {
		if _, ok := s.SampleTop(top); !ok {
			t.Error("the largest logits tell too little")
		}
	}); n > 0 {
		t.Errorf("%g allocations a token", n)
	}
}

func BenchmarkSampleTop(b *testing.B) {
	s := mustNew(b, vocabQwen, benchParams["usual"])
	logits, top := randomLogits(rand.New(rand.NewPCG(5, 6)), vocabQwen), make([]plan.Logit, plan.TopLen)
	plan.Top(top, logits)
	b.ReportAllocs()
	for b.Loop() {
		id, ok := s.SampleTop(top)
		if !ok {
			b.Fatal("the largest logits tell too little")
		}
		if err := s.Accept(id); err != nil {
			b.Fatal(err)
		}
	}
}
