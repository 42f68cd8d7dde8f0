package model

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"qgo/kernels/tier"
	"qgo/model/chat"
	"qgo/model/draft"
	"qgo/model/draft/texts"
	"qgo/model/sample"
	"qgo/model/synth"
	"qgo/quant"
)

// TestRowsAlone demands that a token's logits do not depend on how many tokens
// are computed with it, to the bit, as far as drafts go: in every tier, with every
// type of keys and values and of weights.
func TestRowsAlone(t *testing.T) {
	for _, name := range tier.Names() {
		m := tiny(t, Options{Tier: name, Context: 400})
		rowsAlone(t, name, m, text(t, 280), []int{250})
	}
	for _, kv := range []string{"f32", "q8_0"} {
		m := tiny(t, Options{KV: kv, Context: 400})
		rowsAlone(t, kv, m, text(t, 280), []int{60})
	}
	for _, mix := range quant.Mixes() {
		f, err := synth.Build(synth.Spec{Shape: synth.Shape{Name: "small", Width: 256, FFN: 1280, Blocks: 1, Heads: 4, KV: 2}, Mix: mix, Vocab: 1000, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		tiers := []string{""}
		if mix.Name == "f32" || mix.Name == "f16" || mix.Name == "bf16" {
			tiers = tier.Names() // which the tiny model has no such weights for
		}
		for _, name := range tiers {
			m, err := Load(context.Background(), f, Options{Tier: name, Context: 400})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { m.Close() })
			ids := text(t, 40)
			for i := range ids {
				ids[i] %= int32(m.Vocab)
			}
			if want := 1 + draft.MaxTokens; m.sameRows() != want {
				t.Errorf("%s: %d rows, want %d", mix.Name, m.sameRows(), want)
			}
			rowsAlone(t, mix.Name+" "+name, m, ids, []int{20})
		}
	}
}

// rowsAlone compares passes of several rows with passes of one.
func rowsAlone(t *testing.T, name string, m *Model, ids []int32, depths []int) {
	t.Helper()
	cache := newKV(t, m, len(ids))
	forward := func(tokens []int32) []float32 {
		seq := []Seq{{KV: cache, Tokens: tokens, Want: WantAll}}
		if err := m.Forward(context.Background(), seq); err != nil {
			t.Fatal(err)
		}
		return seq[0].Logits
	}
	for _, depth := range depths {
		cache.Truncate(0)
		if depth > 0 {
			forward(ids[:depth])
		}
		next := ids[depth:][:1+draft.MaxTokens]
		var alone []float32
		for i := range next {
			alone = append(alone, forward(next[i:i+1])...)
		}
		for _, rows := range []int{2, 5, 16} {
			if rows > m.sameRows() {
				break
			}
			cache.Truncate(depth)
			if got := forward(next[:rows]); !slices.Equal(got, alone[:len(got)]) {
				t.Errorf("%s: %d rows after %d tokens differ from the same one by one", name, rows, depth)
			}
		}
	}
}

// written is what a session writes, and what it holds then.
type written struct {
	text   string
	tokens []int32 // of the answer
	held   []int32 // whose keys and values are there
	stats  Stats
}

func write(t *testing.T, m *Model, prompt []int32, g Generation) (w written) {
	t.Helper()
	s, err := m.NewSession(len(prompt) + 40)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g.Token = func(id int32) { w.tokens = append(w.tokens, id) }
	w.text = generate(t, s, prompt, g)
	w.held, w.stats = slices.Clone(s.kv.tokens[:s.kv.Len()]), s.Stats()
	if s.Len() != s.kv.Len() {
		t.Errorf("the session holds %d tokens, and says %d", s.kv.Len(), s.Len())
	}
	return w
}

// TestSpeculation writes the same with and without: greedy and sampled, to the
// model's end, to a limit, to a stop text, and until the context is full.
func TestSpeculation(t *testing.T) {
	m := tiny(t, Options{Context: 1024})
	passage := text(t, 50)
	repeating := slices.Concat(passage, passage[:20])
	question, err := m.Prompt(chat.Conversation{Messages: []chat.Message{{Role: "user", Content: "What does strings.ToUpper do?"}}, AddGenerationPrompt: true})
	if err != nil {
		t.Fatal(err)
	}
	accepted, drafted := 0, 0
	prompts := map[string][]int32{"a passage again": repeating}
	if !testing.Short() {
		prompts["a question"], prompts["one token"] = question, passage[:1]
	}
	for name, prompt := range prompts {
		for way, g := range map[string]Generation{
			"greedy": {}, "no end": {IgnoreEOG: true}, "limited": {IgnoreEOG: true, MaxTokens: 17}, "one": {MaxTokens: 1}, "two": {MaxTokens: 2},
			"stopped":   {IgnoreEOG: true, Stop: []string{"the"}},
			"sampled":   {IgnoreEOG: true, Sampling: sample.Params{Temperature: 1, Seed: 3}},
			"cool":      {IgnoreEOG: true, Sampling: sample.Params{Temperature: 0.3, TopK: 20, TopP: 0.8, Seed: 4}},
			"penalised": {IgnoreEOG: true, Sampling: sample.Params{RepeatPenalty: 1.05}},
		} {
			want := write(t, m, prompt, g)
			g.Speculate = true
			got := write(t, m, prompt, g)
			if got.text != want.text || !slices.Equal(got.tokens, want.tokens) || !slices.Equal(got.held, want.held) || got.stats.End != want.stats.End || got.stats.Generated != want.stats.Generated {
				t.Errorf("%s, %s: %+v, without speculation %+v", name, way, got, want)
			}
			if got.stats.Accepted > got.stats.Drafted {
				t.Errorf("%s, %s: %d of %d tokens accepted", name, way, got.stats.Accepted, got.stats.Drafted)
			}
			accepted, drafted = accepted+got.stats.Accepted, drafted+got.stats.Drafted
		}
	}
	// How many are guessed depends on what passes cost here.
	if drafted == 0 || 2*accepted < drafted {
		t.Errorf("%d of %d tokens were accepted: these texts repeat", accepted, drafted)
	}
	t.Logf("%d of %d tokens accepted", accepted, drafted)
}

// TestSpeculationCut breaks off at every token: what is not text is not kept.
func TestSpeculationCut(t *testing.T) {
	m := tiny(t, Options{Context: 512})
	passage := text(t, 60)
	prompt := slices.Concat(passage, passage[:20])
	g := Generation{IgnoreEOG: true, MaxTokens: 30}
	whole := write(t, m, prompt, g)
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	g.Speculate = true
	for cut := range 20 {
		n := 0
		for _, err := range s.Generate(context.Background(), prompt, g) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n > cut {
				break
			}
		}
		if held := s.kv.tokens[:s.kv.Len()]; !slices.Equal(held, whole.held[:len(held)]) || s.Len() != len(held) {
			t.Fatalf("broken off after %d pieces: holds %v, want the beginning of %v", cut, held, whole.held)
		}
	}
	if got := generate(t, s, prompt, g); got != whole.text {
		t.Errorf("afterwards %q, want %q", got, whole.text)
	}
}

// TestWrite wants the figures of an answer that is given, and of it what the session
// would hold if the model had chosen it.
func TestWrite(t *testing.T) {
	m := tiny(t, Options{Context: 256})
	passage := text(t, 40)
	prompt := slices.Concat(passage, passage[:10])
	chosen := write(t, m, prompt, Generation{IgnoreEOG: true, MaxTokens: 30})
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, answer := range map[string][]int32{"its own": chosen.tokens, "the passage": passage[10:], "one token": passage[:1]} {
		plain, err := s.Write(context.Background(), prompt, answer, false)
		if err != nil || plain.Generated != len(answer) || plain.Prompt != len(prompt) || plain.Drafted != 0 || plain.End != LengthLimit {
			t.Errorf("%s: %+v, %v", name, plain, err)
		}
		held := slices.Clone(s.kv.tokens[:s.kv.Len()])
		if want := slices.Concat(prompt, answer[:len(answer)-1]); !slices.Equal(held, want) {
			t.Errorf("%s: holds %v, want %v", name, held, want)
		}
		guessed, err := s.Write(context.Background(), prompt, answer, true)
		if err != nil || guessed.Generated != len(answer) || guessed.Accepted > guessed.Drafted || name == "the passage" && guessed.Accepted < 5 {
			t.Errorf("%s: %+v, %v", name, guessed, err)
		}
		if !slices.Equal(s.kv.tokens[:s.kv.Len()], held) {
			t.Errorf("%s with guesses: holds %v, want %v", name, s.kv.tokens[:s.kv.Len()], held)
		}
	}
	var full *ContextError
	if _, err := s.Write(context.Background(), prompt, make([]int32, 208), true); !errors.As(err, &full) || full.Need != 257 || full.Room != 256 {
		t.Errorf("an answer that is too long: %v", err)
	}
	for _, none := range [][2][]int32{{nil, prompt}, {prompt, nil}} {
		if _, err := s.Write(context.Background(), none[0], none[1], true); err == nil || !strings.Contains(err.Error(), "no tokens") {
			t.Errorf("nothing to write: %v", err)
		}
	}
}

// BenchmarkSpeculation writes given answers with and without, in turns, and reports
// how many times as fast it is with, and the share of drafted tokens that were
// right. Texts are cut into tokens by the demonstration model's vocabulary, whose
// tokens are shorter than those of Qwen2.5.
//
//	go test ./model -run '^$' -bench Speculation -benchtime 10x
func BenchmarkSpeculation(b *testing.B) {
	const longestAnswer = 400 // tokens
	words := tiny(b, Options{Context: 16}).Tokenizer
	m, err := openBusy(Options{Threads: *busyThreads, Context: 4096})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	for _, kind := range texts.Kinds() {
		b.Run(kind.Name, func(b *testing.B) {
			prompt, answer := words.Encode(nil, kind.Prompt, false), words.Encode(nil, kind.Answer, false)
			answer = answer[:min(len(answer), longestAnswer)]
			s, err := m.NewSession(len(prompt) + len(answer) + 1)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var ratios []float64
			for b.Loop() {
				var took [2]time.Duration
				for i, on := range []bool{false, true} {
					stats, err := s.Write(context.Background(), prompt, answer, on)
					if err != nil {
						b.Fatal(err)
					}
					took[i] = stats.Decode
				}
				ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(medianOf(ratios), "times-as-fast")
			b.ReportMetric(float64(s.stats.Accepted)/float64(max(s.stats.Drafted, 1)), "accepted")
			b.ReportMetric(float64(s.stats.Accepted)/float64(len(answer)), "of-tokens")
		})
	}
}
