package sample

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const vocabQwen = 151936

func mustNew(t testing.TB, vocab int, p Params) *Sampler {
	t.Helper()
	s, err := New(vocab, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logitsOf returns logits whose softmax is probs.
func logitsOf(probs ...float64) []float32 {
	logits := make([]float32, len(probs))
	for i, p := range probs {
		logits[i] = float32(math.Log(p) + 3) // the shift must not matter
	}
	return logits
}

// frequencies draws n tokens and returns how often each came, as a share.
func frequencies(t *testing.T, s *Sampler, logits []float32, n int) []float64 {
	t.Helper()
	count := make([]int, len(logits))
	for range n {
		id, err := s.Sample(logits)
		if err != nil {
			t.Fatal(err)
		}
		count[id]++
	}
	share := make([]float64, len(count))
	for i, c := range count {
		share[i] = float64(c) / float64(n)
	}
	return share
}

func TestDistribution(t *testing.T) {
	probs := []float64{0.05, 0.4, 0.15, 0.3, 0.1}
	hot := make([]float64, 5) // temperature 2: square roots of the probabilities
	sum := 0.0
	for i, p := range probs {
		hot[i] = math.Sqrt(p)
		sum += hot[i]
	}
	for i := range hot {
		hot[i] /= sum
	}
	for _, c := range []struct {
		name   string
		params Params
		want   []float64
	}{
		{"temperature 1", Params{Temperature: 1}, probs},
		{"temperature 2", Params{Temperature: 2}, hot},
		{"cold", Params{Temperature: 1e-300}, []float64{0, 1, 0, 0, 0}},
		{"hot", Params{Temperature: 1e300}, []float64{.2, .2, .2, .2, .2}},
		{"top-k 1", Params{Temperature: 1, TopK: 1}, []float64{0, 1, 0, 0, 0}},
		{"top-k 2", Params{Temperature: 1, TopK: 2}, []float64{0, 4. / 7, 0, 3. / 7, 0}},
		{"top-k of all", Params{Temperature: 1, TopK: 99}, probs},
		{"top-p 0.69", Params{Temperature: 1, TopP: 0.69}, []float64{0, 4. / 7, 0, 3. / 7, 0}},
		{"top-p 0.71", Params{Temperature: 1, TopP: 0.71}, []float64{0, .4 / .85, .15 / .85, .3 / .85, 0}},
		{"top-p tiny", Params{Temperature: 1, TopP: 1e-9}, []float64{0, 1, 0, 0, 0}},
		{"top-p of what top-k left", Params{Temperature: 1, TopK: 2, TopP: 0.56}, []float64{0, 1, 0, 0, 0}},
		{"top-p ignores temperature", Params{Temperature: 1e300, TopP: 0.69}, []float64{0, .5, 0, .5, 0}},
		{"min-p 0.37", Params{Temperature: 1, MinP: 0.37}, []float64{0, .4 / .85, .15 / .85, .3 / .85, 0}},
		{"min-p 0.38", Params{Temperature: 1, MinP: 0.38}, []float64{0, 4. / 7, 0, 3. / 7, 0}},
		{"min-p 1", Params{Temperature: 1, MinP: 1}, []float64{0, 1, 0, 0, 0}},
		{"min-p after top-k", Params{Temperature: 1, TopK: 4, MinP: 0.3}, []float64{0, .4 / .85, .15 / .85, .3 / .85, 0}},
		{"bias", Params{Temperature: 1, LogitBias: map[int32]float64{0: math.Log(8), 1: math.Inf(-1)}},
			[]float64{.4 / .95, 0, .15 / .95, .3 / .95, .1 / .95}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.params.Seed = 7
			const n = 40000
			got := frequencies(t, mustNew(t, 5, c.params), logitsOf(probs...), n)
			for i := range got {
				// Five standard deviations of the binomial distribution.
				if d := 5 * math.Sqrt(c.want[i]*(1-c.want[i])/n); math.Abs(got[i]-c.want[i]) > d+1e-12 {
					t.Errorf("token %d: share %.4f, want %.4f ± %.4f", i, got[i], c.want[i], d)
				}
			}
		})
	}
}

func TestGreedy(t *testing.T) {
	s := mustNew(t, 6, Params{TopK: 3, TopP: .5, MinP: .1})
	for _, c := range []struct {
		logits []float32
		want   int32
	}{
		{[]float32{1, 5, 2, 5, 0, -1}, 1}, // the lowest id of equals
		{[]float32{-3, -2, -9, -2.5, -8, -7}, 1},
		{[]float32{float32(math.Inf(-1)), -math.MaxFloat32, -math.MaxFloat32, float32(math.Inf(-1)), -math.MaxFloat32, -math.MaxFloat32}, 1},
		{[]float32{0, 0, 0, 0, 0, math.MaxFloat32}, 5},
	} {
		if got, err := s.Sample(c.logits); err != nil || got != c.want {
			t.Errorf("Sample(%v) = %d, %v, want %d", c.logits, got, err, c.want)
		}
	}
	if !(Params{TopK: 3, RepeatPenalty: 1}).Greedy() || (Params{RepeatPenalty: 1.1}).Greedy() ||
		(Params{Temperature: 1}).Greedy() || (Params{LogitBias: map[int32]float64{0: 1}}).Greedy() {
		t.Error("Greedy: true exactly when only the largest logit counts")
	}
}

func TestSameSeedSameTokens(t *testing.T) {
	const vocab = 2000
	text := func(seed uint64) []int32 {
		// A map of many keys: its order would show.
		bias := make(map[int32]float64)
		for i := int32(0); i < 300; i++ {
			bias[i*5] = float64(i%7) / 10
		}
		s := mustNew(t, vocab, Params{
			Temperature: 0.9, TopP: 0.95, MinP: 0.01, Seed: seed, LogitBias: bias,
			RepeatPenalty: 1.1, PresencePenalty: .2, FrequencyPenalty: .1, PenaltyWindow: 16,
		})
		return generate(t, s, vocab, 100)
	}
	if a, b := text(1), text(1); !slices.Equal(a, b) {
		t.Errorf("seed 1 twice:\n%v\n%v", a, b)
	}
	if a, b := text(1), text(2); slices.Equal(a, b) {
		t.Errorf("seeds 1 and 2 give the same text: %v", a)
	}
}

// TestPinnedTokens guards against a change of what a seed means.
func TestPinnedTokens(t *testing.T) {
	s := mustNew(t, 50, Params{Temperature: 1, Seed: 42})
	got := generate(t, s, 50, 8)
	if want := []int32{26, 16, 16, 3, 47, 3, 10, 27}; !slices.Equal(got, want) {
		t.Errorf("seed 42: %v, want %v", got, want)
	}
	s.Reset()
	if again := generate(t, s, 50, 8); !slices.Equal(again, got) {
		t.Errorf("after Reset: %v, want %v", again, got)
	}
}

// generate samples n tokens from logits that are random but the same each time.
func generate(t testing.TB, s *Sampler, vocab, n int) []int32 {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	var ids []int32
	for range n {
		id, err := s.Sample(randomLogits(r, vocab))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Accept(id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func randomLogits(r *rand.Rand, vocab int) []float32 {
	logits := make([]float32, vocab)
	for i := range logits {
		logits[i] = float32(3 * r.NormFloat64())
	}
	return logits
}

func TestBadLogits(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 2}, {Temperature: 1, TopP: .9}} {
		s := mustNew(t, 3, p)
		for _, c := range []struct {
			logits []float32
			id     int32
		}{
			{[]float32{0, nan, inf}, 1}, {[]float32{inf, 0, 0}, 0}, {[]float32{-inf, 0, nan}, 2}, {[]float32{nan, nan, nan}, 0},
		} {
			_, err := s.Sample(c.logits)
			var bad *LogitError
			if !errors.As(err, &bad) || bad.ID != c.id {
				t.Errorf("Sample(%v): error %v, want one about token %d", c.logits, err, c.id)
			}
		}
		for _, c := range []struct {
			logits []float32
			text   string
		}{
			{[]float32{-inf, -inf, -inf}, "no token is left"},
			{[]float32{1, 2}, "2 logits for a vocabulary of 3"},
			{nil, "0 logits"},
		} {
			if _, err := s.Sample(c.logits); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("Sample(%v): error %v, want %q", c.logits, err, c.text)
			}
		}
		if id, err := s.Sample([]float32{-inf, 0, -inf}); err != nil || id != 1 {
			t.Errorf("Sample with one token of probability 1: %d, %v", id, err)
		}
	}
}

func TestNoTokenLeft(t *testing.T) {
	ban := map[int32]float64{0: math.Inf(-1), 1: math.Inf(-1)}
	for _, p := range []Params{{}, {Temperature: 1}, {Temperature: 1, TopK: 1, MinP: .5}, {Temperature: 1, TopP: .9, MinP: .5}} {
		p.LogitBias = ban
		if _, err := mustNew(t, 2, p).Sample([]float32{1, 2}); err == nil || !strings.Contains(err.Error(), "no token is left") {
			t.Errorf("%+v with all tokens banned: error %v", p, err)
		}
	}
}

func TestSampleLeavesLogitsAlone(t *testing.T) {
	s := mustNew(t, 3, Params{Temperature: 1, RepeatPenalty: 2, LogitBias: map[int32]float64{1: 5}})
	logits := []float32{1, 2, 3}
	if err := s.Prime([]int32{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sample(logits); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(logits, []float32{1, 2, 3}) {
		t.Errorf("logits became %v", logits)
	}
}

func TestAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	logits := randomLogits(r, vocabQwen)
	for name, p := range benchParams {
		s := mustNew(t, vocabQwen, p)
		step := func() {
			id, err := s.Sample(logits)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Accept(id); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 { // longer than the penalties' window
			step()
		}
		if n := testing.AllocsPerRun(20, step); n != 0 {
			t.Errorf("%s: %v allocations a token, want 0", name, n)
		}
	}
}

var benchParams = map[string]Params{
	"greedy":    {},
	"usual":     {Temperature: .8, TopK: 40, TopP: .95, MinP: .05, RepeatPenalty: 1.1, PenaltyWindow: 16},
	"top-k-40":  {Temperature: .8, TopK: 40},
	"top-p-0.9": {Temperature: .8, TopP: .9},
	"min-p":     {Temperature: .8, MinP: .05},
	"pure":      {Temperature: 1},
}

func BenchmarkSample(b *testing.B) {
	benchmarkSample(b, randomLogits(rand.New(rand.NewPCG(5, 6)), vocabQwen))
}

// BenchmarkSamplePeaked has a few tokens share most of the probability, as a model mostly
// does.
func BenchmarkSamplePeaked(b *testing.B) {
	logits := randomLogits(rand.New(rand.NewPCG(5, 6)), vocabQwen)
	for i, x := range []float32{24, 23, 22, 20, 18} {
		logits[1000+20000*i] = x
	}
	benchmarkSample(b, logits)
}

// BenchmarkSampleNarrow has all tokens about as likely.
func BenchmarkSampleNarrow(b *testing.B) {
	logits := randomLogits(rand.New(rand.NewPCG(5, 6)), vocabQwen)
	for i := range logits {
		logits[i] /= 100
	}
	benchmarkSample(b, logits)
}

func benchmarkSample(b *testing.B, logits []float32) {
	for _, name := range slices.Sorted(maps.Keys(benchParams)) {
		b.Run(name, func(b *testing.B) {
			s := mustNew(b, vocabQwen, benchParams[name])
			b.ReportAllocs()
			for b.Loop() {
				id, err := s.Sample(logits)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Accept(id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestNoWindow wants penalties that look at no tokens to change nothing.
func TestNoWindow(t *testing.T) {
	p := Params{RepeatPenalty: 2, PresencePenalty: 3, FrequencyPenalty: 4, PenaltyWindow: -1}
	if !p.Greedy() {
		t.Error("penalties without tokens make the choice depend on the text")
	}
	s := mustNew(t, 3, p)
	for range 2 {
		if id, err := s.Sample([]float32{1, 2, 1.9}); id != 1 || err != nil {
			t.Fatalf("token %d, %v", id, err)
		}
		if err := s.Accept(1); err != nil {
			t.Fatal(err)
		}
	}
	p.PenaltyWindow = -2
	if err := p.Validate(3); err == nil || !strings.Contains(err.Error(), "penalty window is -2: want at least -1") {
		t.Errorf("a window of -2: %v", err)
	}
}
